"""From the settings to the shop, wired: the one place that knows which backends there are."""

import os
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final

from service.access import Access
from service.backends.disk import DiskArtifacts
from service.backends.local import PollingDispatcher
from service.backends.sql import Database, SqlIndex, SqlJobs, SqlKeys, SqlLedger, SqlRoster
from service.courier import Courier
from service.errors import BackendAway
from service.fetch import Fetcher
from service.intake import Intake
from service.jobs import Job, utc_now
from service.links import Links
from service.orders import Orders, Terms
from service.ports import Dispatcher
from service.runs import Rules, Runs
from service.settings import Settings
from service.shop import Shop
from service.upkeep import Upkeep
from service.webhooks import Webhooks

__all__ = ["make_fetcher", "open_shop", "read_secret"]

_SECRET_BYTES: Final = 32
_DEFAULT_URL: Final = "http://127.0.0.1:8000"


def open_shop(
    settings: Settings,
    *,
    base_url: str = _DEFAULT_URL,
    dispatcher: Dispatcher | None = None,
    clock: Callable[[], datetime] = utc_now,
) -> Shop:
    """Open a shop in the data folder, its database there or wherever the settings say.

    Args:
        settings: As the operator has them.
        base_url: What addresses in webhooks begin with, where the settings have no `public_url`.
        dispatcher: Gets jobs to workers; by default these look for them.
        clock: Gives the time, UTC.

    Raises:
        BackendAway: If the folder or the database can't be used.
        ValueError: If `database_url` is no address of a database.
    """
    data = settings.data_dir.absolute()
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        secret = read_secret(settings)
    except OSError as error:
        raise BackendAway(f"{data} can't be used: {error.strerror}") from error
    url = settings.database_url
    database = Database.in_file(data / "film.db") if url is None else Database.at(url.get_secret_value())
    return _wire(settings, database, secret, dispatcher or PollingDispatcher(), base_url=base_url, clock=clock)


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
    """
    if settings.secret is not None:
        return settings.secret.get_secret_value().encode()
    path = settings.data_dir / "secret"
    with suppress(FileNotFoundError):
        return path.read_bytes()
    mine = path.with_name(f".secret-{secrets.token_hex(8)}")
    descriptor = os.open(mine, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_hex(_SECRET_BYTES).encode())
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):  # somebody was faster, and theirs it is
            os.link(mine, path)
    finally:
        mine.unlink()
    return path.read_bytes()


def _wire(  # noqa: PLR0913 (what differs from shop to shop)
    settings: Settings,
    database: Database,
    secret: bytes,
    dispatcher: Dispatcher,
    *,
    base_url: str,
    clock: Callable[[], datetime],
) -> Shop:
    jobs, index, keys = SqlJobs(database), SqlIndex(database), SqlKeys(database)
    ledger, roster = SqlLedger(database), SqlRoster(database)
    artifacts = DiskArtifacts(settings.data_dir.absolute() / "files", clock)
    links = Links(secret, clock)
    keep = timedelta(seconds=settings.keep_seconds)
    intake = Intake(
        artifacts,
        links,
        upload_seconds=settings.upload_seconds,
        allow_http=settings.allow_http,
        clock=clock,
    )
    rules = Rules(
        lease=timedelta(seconds=settings.lease_seconds),
        retries=settings.retries,
        queue=timedelta(seconds=settings.queue_seconds),
    )
    runs = Runs(jobs=jobs, index=index, ledger=ledger, artifacts=artifacts, rules=rules, clock=clock)
    orders = Orders(
        jobs=jobs,
        index=index,
        ledger=ledger,
        artifacts=artifacts,
        dispatcher=dispatcher,
        intake=intake,
        runs=runs,
        terms=Terms(minimum_hold=settings.minimum_hold, jobs_per_key=settings.jobs_per_key, keep=keep),
        clock=clock,
    )
    upkeep = Upkeep(
        jobs=jobs,
        index=index,
        ledger=ledger,
        artifacts=artifacts,
        dispatcher=dispatcher,
        runs=runs,
        keep=keep,
        keep_uploads=timedelta(seconds=settings.upload_seconds),
        clock=clock,
    )

    def body_of(job: Job) -> Mapping[str, Any]:
        from service.web.bodies import result_body

        return result_body(shop, job, base_url=str(settings.public_url or base_url).rstrip("/"))

    courier = Courier(
        jobs=jobs,
        index=index,
        webhooks=Webhooks(
            secret=secret,
            seconds=settings.webhook_seconds,
            allow_http=settings.allow_http,
            allow_private=settings.allow_private_urls,
        ),
        body_of=body_of,
        attempts=settings.webhook_attempts,
        seconds=settings.webhook_seconds,
        clock=clock,
    )
    shop = Shop(
        settings=settings,
        clock=clock,
        access=Access(keys, ledger, secret=secret, requests_per_minute=settings.requests_per_minute, clock=clock),
        orders=orders,
        runs=runs,
        upkeep=upkeep,
        courier=courier,
        links=links,
        jobs=jobs,
        index=index,
        keys=keys,
        ledger=ledger,
        artifacts=artifacts,
        roster=roster,
    )
    return shop
