"""Published weights, brought from the first source that has them."""

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from film.errors import FetchFailed, UnknownModel, WeightsError, WeightsMismatch
from film.network.config import FilmConfig
from film.weights.archive import unpack
from film.weights.cache import cached_path, downloads_directory, exclusive
from film.weights.catalogue import locate, releases
from film.weights.download import Progress, Transfer
from film.weights.files import disk_errors, read_header
from film.weights.savedmodel import import_saved_model
from film.weights.sources import Archive, Source
from film.weights.weightset import BUNDLED

__all__ = ["fetch"]

# The data last: only then is the whole's size known, and it is nearly all of it.
_FILES = ("saved_model.pb", "variables/variables.index", "variables/variables.data-00000-of-00001")


@dataclass(frozen=True, kw_only=True)
class _Order:
    """What is to be brought, the same for every source."""

    name: str
    config: FilmConfig
    timeout_seconds: float
    on_progress: Progress


def fetch(
    name: str,
    *,
    on_progress: Progress | None = None,
    sources: Sequence[Source] | None = None,
    config: FilmConfig | None = None,
    timeout_seconds: float = 30.0,
) -> Path:
    """Download a published weight set, check it, and keep it as a weight file in the cache.

    A set that is there already isn't fetched again. An interrupted download goes on where it ended,
    also in a later call. Of two calls at once, in any processes of the machine, the second waits
    for the first and takes what that has brought.

    Args:
        name: A published set's name; with `sources`, any name.
        on_progress: Told the bytes at hand, and in all where that is known; with each new
            source it begins anew.
        sources: Where to look, in this order, instead of the catalogue's.
        config: The network that the weights are for; the published one where none is given.
        timeout_seconds: How long a server may stay silent.

    Returns:
        The weight file's path.

    Raises:
        OptionError: If the name isn't allowed.
        UnknownModel: If no source is known for the name.
        FetchFailed: If no source gave the weights; the message names each and why.
        NoSpace: If the disk is full.
        TargetUnwritable: If the cache can't be written.
    """
    if name == BUNDLED:
        return locate(name)
    target = cached_path(name)
    licence = "unknown"
    if sources is None:
        if name not in releases():
            raise UnknownModel(f"no source is known for weights named {name!r}; known are {', '.join(releases())}")
        sources, licence = releases()[name].sources, releases()[name].licence
    order = _Order(
        name=name,
        config=FilmConfig.published() if config is None else config,
        timeout_seconds=timeout_seconds,
        on_progress=on_progress or (lambda _done, _total: None),
    )
    with exclusive(name):
        if not _usable(target):
            _fetch_from_any(order, sources, licence)
            shutil.rmtree(_download_folder(name), ignore_errors=True)
    return target


def _fetch_from_any(order: _Order, sources: Sequence[Source], licence: str) -> None:
    reasons = []
    for source in sources:
        # By source: parts of different files can't be joined by mistake.
        folder = _download_folder(order.name) / hashlib.sha256(source.url.encode()).hexdigest()[:16]
        try:
            training = _download(order, source, folder)
            import_saved_model(
                folder / "saved_model",
                name=order.name,
                config=order.config,
                training={**training, "licence": licence},
                overwrite=True,
            )
        except FetchFailed as error:
            reasons.append(str(error))
        except WeightsMismatch as error:
            # Whatever is wrong with it, going on from these bytes can't mend it.
            shutil.rmtree(folder, ignore_errors=True)
            reasons.append(f"{source.url}: {error}")
        else:
            return
    raise FetchFailed(
        f"no source gave the weights {order.name!r}: {'; '.join(reasons) or 'none is listed'}. "
        f"Try again later, or import a local copy with `film weights import DIR --name {order.name}`"
    )


def _download(order: _Order, source: Source, folder: Path) -> dict[str, Any]:
    """Make `folder/saved_model` from a source, and say where its weights come from."""
    if not isinstance(source, Archive):
        _download_files(order, source.url, folder, source.limit_bytes)
        return {"source": source.url, "source_sha256": None}
    archive = folder / "archive.tar.gz.part"
    _transfer(order, source.url, archive, source.limit_bytes).run()
    found = _file_digest(archive)
    if source.sha256 is not None and found != source.sha256.lower():
        raise WeightsMismatch(f"the archive's SHA-256 is {found}, not {source.sha256}")
    unpack(archive, folder / "saved_model", limit_bytes=2 * source.limit_bytes)
    return {"source": source.url, "source_sha256": found}


def _download_files(order: _Order, url: str, folder: Path, limit_bytes: int) -> None:
    done = 0
    for path in _FILES:
        part = replace(order, on_progress=_going_on(order.on_progress, done, last=path == _FILES[-1]))
        target = folder / "saved_model" / path
        _transfer(part, f"{url}/{path}", target, limit_bytes).run()
        done += target.stat().st_size


def _going_on(on_progress: Progress, before: int, *, last: bool) -> Progress:
    """Tell one file's progress as the whole's, of which `before` bytes are at hand; its size is known with the last."""
    return lambda done, total: on_progress(before + done, None if total is None or not last else before + total)


def _transfer(order: _Order, url: str, target: Path, limit_bytes: int) -> Transfer:
    return Transfer(
        url=url,
        target=target,
        limit_bytes=limit_bytes,
        timeout_seconds=order.timeout_seconds,
        on_progress=order.on_progress,
    )


def _download_folder(name: str) -> Path:
    return downloads_directory() / name


def _usable(path: Path) -> bool:
    """Say whether a weight file is there that at least describes itself; a damaged one is fetched anew."""
    try:
        read_header(path)
    except WeightsError:
        return False
    return True


def _file_digest(path: Path) -> str:
    with disk_errors(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
