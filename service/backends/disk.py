"""Files in a folder, which every web process and worker has: on one machine, or on a disk that several share.

    kept/       what was put, under its name
    work/       JOB/ATTEMPT: the workspaces
    incoming/   what comes from another disk, until it is whole

A file is renamed into its place when it is whole and on the disk, so nobody ever sees half of
one, whenever we are killed. Folders are the owner's alone.
"""

import contextlib
import errno
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from service.errors import BackendAway, FileNotFound
from service.ports import Stored

__all__ = ["DiskArtifacts"]

_PART = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", re.ASCII)
_LONGEST_PART = 200  # characters; file systems take 255 bytes
_OWNER_ONLY = 0o700
_OWNER_FILE = 0o600
_TRIES = 5  # somebody may remove an empty folder just when we want to fill it
_ABANDONED = timedelta(hours=1)  # what has been coming in for so long comes no more


class DiskArtifacts:
    """An artifact store in a folder."""

    def __init__(self, folder: Path, clock: Callable[[], datetime]) -> None:
        """Make the folder where it isn't there.

        Raises:
            BackendAway: If it can't be made or written.
        """
        self._kept = folder / "kept"
        self._work = folder / "work"
        self._incoming = folder / "incoming"
        self._clock = clock
        with _disk_errors():
            for place in (folder, self._kept, self._work, self._incoming):
                place.mkdir(mode=_OWNER_ONLY, parents=True, exist_ok=True)

    @contextmanager
    def workspace(self, job_id: str, attempt: int) -> Iterator[Path]:
        """Give an empty folder for an attempt's temporary files; it is gone afterwards, whatever happens."""
        folder = self._work / _checked(job_id) / str(int(attempt))
        with _disk_errors():
            shutil.rmtree(folder, ignore_errors=True)
            _filling(folder, lambda: folder.mkdir(mode=_OWNER_ONLY, exist_ok=True))
        try:
            yield folder
        finally:
            self._clear(folder)

    def put(self, name: str, file: Path) -> Stored:
        """Take a file in, whole or not at all; it is gone from where it was.

        Raises:
            ValueError: If `name` isn't one.
            BackendAway: If the disk is full or fails.
        """
        target = self._kept / _checked(name)
        now = self._clock()
        with _disk_errors():
            try:
                stored = self._move(file, target, name, now)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                copy = self._incoming / secrets.token_hex(16)
                try:
                    shutil.copyfile(file, copy)
                    stored = self._move(copy, target, name, now)
                finally:
                    copy.unlink(missing_ok=True)
                file.unlink()
        return stored

    def path(self, name: str) -> Path:
        """Give where a stored file can be read.

        Raises:
            FileNotFound: If there is none of that name.
        """
        if not _is_name(name):
            raise FileNotFound
        path = self._kept / name
        if path.is_symlink() or not path.is_file():
            raise FileNotFound
        return path

    def remove(self, prefix: str) -> None:
        """Remove a file, or all files below a name."""
        path = self._kept / _checked(prefix)
        with _disk_errors():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
            _prune(path.parent, self._kept)

    def names(self, prefix: str) -> Iterator[Stored]:
        """Give the files below a name, in the order of their names."""
        top = self._kept / _checked(prefix)
        found = [top] if top.is_file() else sorted(path for path in top.rglob("*") if path.is_file())
        for path in found:
            with contextlib.suppress(FileNotFoundError):  # removed since
                state = path.stat()
                yield Stored(
                    name=path.relative_to(self._kept).as_posix(),
                    size_bytes=state.st_size,
                    stored_at=datetime.fromtimestamp(state.st_mtime, UTC),
                )

    def sweep_workspaces(self, is_live: Callable[[str, int], bool]) -> int:
        """Remove what dead attempts left: `is_live` is asked with job id and attempt. Give how many were removed."""
        removed = 0
        for folder in sorted(self._work.glob("*/*")):
            if not folder.name.isdecimal() or not is_live(folder.parent.name, int(folder.name)):
                self._clear(folder)
                removed += 1
        for job in self._work.iterdir():
            with contextlib.suppress(OSError):  # not empty
                job.rmdir()
        self._sweep_incoming()
        return removed

    def _sweep_incoming(self) -> None:
        oldest = (self._clock() - _ABANDONED).timestamp()
        for file in self._incoming.iterdir():
            with contextlib.suppress(FileNotFoundError):
                if file.stat().st_mtime < oldest:
                    file.unlink()

    def _clear(self, folder: Path) -> None:
        """Remove a workspace, and its job's folder where it was the last."""
        for _ in range(_TRIES):  # what a dying process still writes comes after what was listed
            shutil.rmtree(folder, ignore_errors=True)
            if not folder.exists():
                break
        _prune(folder.parent, self._work)

    def _move(self, file: Path, target: Path, name: str, now: datetime) -> Stored:
        """Rename a file to its place, once it is on the disk."""
        with file.open("rb") as opened:
            os.fchmod(opened.fileno(), _OWNER_FILE)
            os.utime(opened.fileno(), (now.timestamp(), now.timestamp()))
            os.fsync(opened.fileno())
            size_bytes = os.fstat(opened.fileno()).st_size
        _filling(target, lambda: file.replace(target))
        descriptor = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        return Stored(name=name, size_bytes=size_bytes, stored_at=now)


def _filling(target: Path, fill: Callable[[], object]) -> None:
    """Make the folders above `target` and put something there, though others remove empty folders meanwhile."""
    for tries_left in reversed(range(_TRIES)):
        for folder in reversed(target.parents):
            folder.mkdir(mode=_OWNER_ONLY, exist_ok=True)
        try:
            fill()
        except FileNotFoundError:
            if not tries_left or target.parent.is_dir():
                raise
        else:
            return


def _prune(folder: Path, top: Path) -> None:
    """Remove empty folders upwards, below `top`."""
    while folder != top:
        try:
            folder.rmdir()
        except FileNotFoundError:
            pass
        except OSError:  # not empty
            return
        folder = folder.parent


def _is_name(name: str) -> bool:
    return all(_PART.fullmatch(part) and len(part) <= _LONGEST_PART for part in name.split("/"))


def _checked(name: str) -> str:
    if not _is_name(name):
        raise ValueError("not the name of an artifact")
    return name


@contextmanager
def _disk_errors() -> Iterator[None]:
    """Say in our words that the disk is full or broken."""
    try:
        yield
    except OSError as error:
        raise BackendAway from error
