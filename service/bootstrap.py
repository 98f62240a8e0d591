"""From the settings to the shop, wired: the one place that knows which backends there are."""

import os
import secrets
from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import HttpUrl

from service.backends.disk import DiskArtifacts
from service.backends.local import PollingDispatcher
from service.backends.sql import Database, SqlIndex, SqlJobs, SqlKeys, SqlLedger, SqlRoster
from service.backends.team import FreeLedger, TeamKeys
from service.errors import BackendAway, WrongSchema
from service.fetch import Fetcher
from service.jobs import Job, utc_now
from service.ports import KeyStore, Ledger
from service.settings import Settings
from service.shop import Shop
from service.wiring import Ports, wire

if TYPE_CHECKING:
    import modal

    from service.backends.modal.pieces import PieceMaker
    from service.worker.runners import WeightSet

__all__ = [
    "Ports",
    "answer_modal_call",
    "make_fetcher",
    "open_modal_shop",
    "open_piece_maker",
    "open_shop",
    "read_secret",
    "wire",
]

_SECRET_BYTES: Final = 32
_DEFAULT_URL: Final = "http://127.0.0.1:8000"


def open_shop(
    settings: Settings,
    *,
    base_url: str = _DEFAULT_URL,
    clock: Callable[[], datetime] = utc_now,
) -> Shop:
    """Open a shop in the data folder, its database there or wherever the settings say.

    Args:
        settings: As the operator has them.
        base_url: What addresses in webhooks begin with, where the settings have no `public_url`.
        clock: Gives the time, UTC.

    Raises:
        BackendAway: If the folder, the secret or the database can't be used.
        ValueError: If `database_url` is no address of a database, or `team_keys` no list of keys.
    """
    data = settings.data_dir.absolute()
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        secret = read_secret(settings)
    except OSError as error:
        raise BackendAway(f"{data} can't be used: {error.strerror}") from error
    artifacts = DiskArtifacts(data / "files", clock)
    team = _team(settings, secret)
    database = _open_database(settings)
    keys, ledger = team or (SqlKeys(database), SqlLedger(database))
    ports = Ports(
        jobs=SqlJobs(database),
        index=SqlIndex(database),
        keys=keys,
        ledger=ledger,
        artifacts=artifacts,
        roster=SqlRoster(database),
        dispatcher=PollingDispatcher(),
    )
    return wire(settings, ports, secret=secret, base_url=base_url, clock=clock, close=database.close)


def open_modal_shop(  # noqa: PLR0913 (what a deployment on Modal consists of)
    settings: Settings,
    *,
    entries: "modal.Dict",
    volume: "modal.Volume",
    spawn: Callable[[str], object],
    base_url: str = _DEFAULT_URL,
    clock: Callable[[], datetime] = utc_now,
) -> Shop:
    """Open a shop on Modal: jobs in a Dict, files on a Volume, accounts in a database or a team's setting.

    Args:
        settings: As the operator has them; `data_dir` is where the Volume is mounted.
        entries: Where jobs are kept.
        volume: Where files are kept.
        spawn: Has a job begun, by its id.
        base_url: What all addresses begin with, where the settings have no `public_url`: containers are
            reached through a proxy, and don't see whether callers came by https.
        clock: Gives the time, UTC.

    Raises:
        BackendAway: If the folder or the database can't be used.
        ValueError: If the settings have no secret, or neither team keys nor a database, or wrong ones.
    """
    from service.backends.modal import DictJobs, ElasticRoster, SpawnDispatcher, VolumeArtifacts

    if settings.secret is None:
        raise ValueError("FILM_SECRET must be set: containers share no folder that one could be made in")
    settings = settings.model_copy(update={"public_url": settings.public_url or HttpUrl(base_url)})
    secret = read_secret(settings)
    team, database = _team(settings, secret), None
    if team is None:
        if settings.database_url is None:
            raise ValueError("FILM_TEAM_KEYS or FILM_DATABASE_URL must be set")
        database = _open_database(settings)
        team = SqlKeys(database), SqlLedger(database)
    jobs, folder = DictJobs(entries), settings.data_dir.absolute()
    ports = Ports(
        jobs=jobs,
        index=jobs,
        keys=team[0],
        ledger=team[1],
        artifacts=VolumeArtifacts(folder, DiskArtifacts(folder, clock), volume, clock),
        roster=ElasticRoster(),
        dispatcher=SpawnDispatcher(spawn),
    )
    close = (lambda: None) if database is None else database.close
    return wire(settings, ports, secret=secret, base_url=base_url, clock=clock, close=close)


def open_piece_maker(  # noqa: PLR0913 (what a deployment on Modal consists of)
    settings: Settings,
    *,
    entries: "modal.Dict",
    progress: "modal.Dict",
    volume: "modal.Volume",
    weights: "WeightSet",
    worker: str,
) -> "PieceMaker":
    """Make what makes pieces in a container of Modal, `worker`, with weights that are in memory already."""
    from service.backends.modal import DictJobs
    from service.backends.modal.pieces import PieceMaker
    from service.worker.runners import Networks

    networks = Networks.of_film(
        memory_bytes=settings.network_memory_bytes, weights={None: weights, settings.model: weights}
    )
    networks.get(settings.model)  # before the first piece is there
    return PieceMaker(networks, jobs=DictJobs(entries), volume=volume, progress=progress, worker=worker)


def answer_modal_call(  # noqa: PLR0913 (what a deployment on Modal consists of)
    shop: Shop,
    job_id: str,
    worker: str,
    *,
    make: Callable[..., Any],
    progress: "modal.Dict",
    volume: "modal.Volume",
    models: Collection[str],
) -> None:
    """Do a job in a container of Modal, its pieces in others; then tell webhooks.

    Args:
        shop: As `open_modal_shop` gave it.
        job_id: Of the job.
        worker: This container's name.
        make: `map` of what gives a `PieceOrder` to a `PieceMaker`.
        progress: Where pieces tell how far they are.
        volume: Where files are.
        models: Weights that are in the piece makers' image.
    """
    from service.backends.modal.pieces import MapRunner
    from service.worker.called import answer_call

    def runner_of(job: Job) -> MapRunner:
        return MapRunner(
            job,
            make=make,
            volume=volume,
            progress=progress,
            megapixels=shop.settings.piece_megapixels,
            models=models,
        )

    answer_call(shop, job_id, worker, fetcher=make_fetcher(shop.settings), runner_of=runner_of)
    shop.courier.deliver_due()


def _team(settings: Settings, secret: bytes) -> tuple[KeyStore, Ledger] | None:
    """Give the keys of a team's setting, and its ledger that takes nothing; None where there is no such setting."""
    if settings.team_keys is None:
        return None
    try:
        return TeamKeys(settings.team_keys.get_secret_value(), secret), FreeLedger()
    except ValueError as error:
        raise ValueError(f"FILM_TEAM_KEYS: {error}") from error


def _open_database(settings: Settings) -> Database:
    url = settings.database_url
    try:
        if url is None:
            return Database.in_file(settings.data_dir.absolute() / "film.db")
        return Database.at(url.get_secret_value())
    except ValueError as error:
        raise ValueError(f"FILM_DATABASE_URL: {error}") from error
    except WrongSchema:
        raise
    except BackendAway as error:
        cause = getattr(error.__cause__, "orig", None) or error.__cause__  # the driver's; it repeats no password
        reason = " ".join(str(cause).split())
        raise BackendAway(f"the database can't be used: {reason}") from error


def make_fetcher(settings: Settings) -> Fetcher:
    """Make what gets sources from addresses."""
    return Fetcher(
        max_bytes=settings.max_source_bytes,
        seconds=settings.fetch_seconds,
        redirects=settings.fetch_redirects,
        allow_http=settings.allow_http,
        allow_private=settings.allow_private_urls,
    )


def read_secret(settings: Settings) -> bytes:
    """Give the server's secret: the settings', or the one in the data folder, made where there is none.

    Raises:
        OSError: If it can't be read or written.
        BackendAway: If what the folder has is too short for one.
    """
    if settings.secret is not None:
        return settings.secret.get_secret_value().encode()
    path = settings.data_dir.absolute() / "secret"
    if not path.exists():
        _write_secret(path)
    secret = path.read_bytes().strip()
    if len(secret) < _SECRET_BYTES:
        raise BackendAway(f"{path} is no secret: it has fewer than {_SECRET_BYTES} characters")
    return secret


def _write_secret(path: Path) -> None:
    """Make a secret, unless somebody is faster; nobody ever sees half of one."""
    mine = path.with_name(f".secret-{secrets.token_hex(8)}")
    descriptor = os.open(mine, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_hex(_SECRET_BYTES).encode())
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(mine, path)
    finally:
        mine.unlink()
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)  # keys that were given out are worthless without it
    finally:
        os.close(folder)
