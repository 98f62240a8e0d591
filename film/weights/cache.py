"""Where fetched and imported weights are kept, and who may write there."""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from film.errors import WeightsError
from film.weights.files import disk_errors
from film.weights.weightset import check_name

__all__ = ["cache_directory", "cached_path", "downloads_directory", "exclusive"]

logger = logging.getLogger(__name__)

_OWN = Path("film-interpolation") / "weights"


def cache_directory() -> Path:
    """Say which folder keeps fetched and imported weights; it needn't exist yet.

    `FILM_WEIGHTS_DIR` names it. Otherwise it is `film-interpolation/weights` in the user's
    cache folder: `XDG_CACHE_HOME`, or `~/.cache` where that is unset or not absolute (XDG
    Base Directory Specification 0.8).

    Raises:
        WeightsError: If no variable says it and the user has no home folder.
    """
    own = os.environ.get("FILM_WEIGHTS_DIR")
    if own:
        return Path(own).absolute()
    user = os.environ.get("XDG_CACHE_HOME")
    if user and Path(user).is_absolute():
        return Path(user) / _OWN
    try:
        return Path.home() / ".cache" / _OWN
    except RuntimeError as error:
        raise WeightsError("there is no home folder to keep weights in; set FILM_WEIGHTS_DIR to a folder") from error


def cached_path(name: str) -> Path:
    """Say where the weight set of that name is kept once it was fetched or imported.

    Raises:
        OptionError: If the name isn't allowed.
    """
    check_name(name)
    return cache_directory() / f"{name}.safetensors"


def downloads_directory() -> Path:
    """Make the folder of unfinished downloads, inside the cache so that a rename ends them, and give it.

    Raises:
        NoSpace: If the disk is full.
        TargetUnwritable: If it can't be made.
    """
    directory = cache_directory() / "downloads"
    with disk_errors(directory):
        directory.mkdir(parents=True, exist_ok=True)
    return directory


@contextmanager
def exclusive(name: str) -> Iterator[None]:
    """Hold the sole right, among all processes of this machine, to fetch that weight set; wait for it if need be.

    The lock file stays behind: removing it would let two processes hold "the" lock at once.
    The system itself lets go of the lock when a process dies.

    Raises:
        OptionError: If the name isn't allowed.
        NoSpace: If the disk is full.
        TargetUnwritable: If the lock file can't be made.
    """
    check_name(name)
    path = downloads_directory() / f".{name}.lock"  # the dot: no weight set's own folder is named so
    with disk_errors(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        with disk_errors(path):
            _lock(descriptor, name)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, name: str) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        logger.info("another process is fetching the weights; waiting for it", extra={"weights": name})
        fcntl.flock(descriptor, fcntl.LOCK_EX)
