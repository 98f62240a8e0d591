"""Files on a `modal.Volume`, which every container sees as it was when it last looked.

A container's writes are seen by others once it commits, and by those only once they reload; a
reload fails while one of the volume's files is open. So: what is put is committed at once; what is
missing is looked for again after a reload, or copied where somebody is being given another file just
then; and what is listed or removed is so on the Volume itself as well as in what this container
happens to see of it.
"""

import contextlib
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import modal

from service.errors import BackendAway, FileNotFound
from service.ports import ArtifactStore, Stored

__all__ = ["VolumeArtifacts", "place_of", "reload"]

# Where `service.backends.disk` puts things below its folder, which is where the Volume is mounted.
_KEPT: Final = "kept"
_WORK: Final = "work"
_INCOMING: Final = "incoming"
_RELOADS: Final = 20
_QUICK_RELOADS: Final = 4
_PAUSE_SECONDS: Final = 0.25
_COPY_SECONDS: Final = (
    3600.0  # a copy of a file is kept for so long: its reader opens it at once, or ranges of it later
)
_ABANDONED: Final = timedelta(hours=1)  # what has been coming in for so long comes no more


class VolumeArtifacts:
    """`ArtifactStore` over a mounted Volume."""

    def __init__(
        self, folder: Path, mounted: ArtifactStore, volume: modal.Volume, clock: Callable[[], datetime]
    ) -> None:
        """Take where `volume` is mounted, the store of files there, and what gives the time, UTC."""
        self._folder = folder
        self._mounted = mounted
        self._volume = volume
        self._clock = clock
        self._looking = threading.Lock()
        self._copies = Path(tempfile.gettempdir(), f"film-copies-{secrets.token_hex(8)}")

    @contextmanager
    def workspace(self, job_id: str, attempt: int) -> Iterator[Path]:
        """Give an empty folder for an attempt's temporary files; it is gone afterwards, whatever happens."""
        place = f"{_WORK}/{job_id}.{attempt}"  # one level: folders of jobs would stay when all attempts are gone
        folder = self._folder / place
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            self._clear(place)

    def put(self, name: str, file: Path) -> Stored:
        """Take a file in, whole or not at all; it is gone from where it was."""
        stored = self._mounted.put(name, file)
        with _away():
            self._volume.commit()
        return stored

    def path(self, name: str) -> Path:
        """Give where a stored file can be read.

        Raises:
            FileNotFound: If there is none of that name.
        """
        with contextlib.suppress(FileNotFound):
            return self._mounted.path(name)
        with self._looking, _away():
            try:
                reload(self._volume, tries=_QUICK_RELOADS)
            except RuntimeError:
                return self._copy(name)
            return self._mounted.path(name)

    def remove(self, prefix: str) -> None:
        """Remove a file, or all files below a name."""
        self._mounted.remove(prefix)
        self._delete(f"{_KEPT}/{prefix}")
        above = prefix.rpartition("/")[0]
        if "/" in above and not self._list(f"{_KEPT}/{above}"):
            self._delete(f"{_KEPT}/{above}")

    def names(self, prefix: str) -> Iterator[Stored]:
        """Give the files below a name."""
        for entry in self._list(f"{_KEPT}/{prefix}", recursive=True):
            if entry.type != modal.types.FileEntryType.FILE:
                continue
            yield Stored(name=_below(entry.path, _KEPT), size_bytes=entry.size, stored_at=_time_of(entry))

    def sweep_workspaces(self, is_live: Callable[[str, int], bool]) -> int:
        """Remove what dead attempts left: `is_live` is asked with job id and attempt. Give how many were removed."""
        places = {_below(entry.path, _WORK) for entry in self._list(_WORK)}
        places |= {folder.name for folder in self._folder.glob(f"{_WORK}/*")}
        dead = [place for place in places if not _is_live(place, is_live)]
        for place in dead:
            self._clear(f"{_WORK}/{place}")
        for entry in self._list(_INCOMING):
            if self._clock() - _time_of(entry) > _ABANDONED:
                self._delete(entry.path)
        return len(dead)

    def _clear(self, place: str) -> None:
        """Remove a folder, here and for everybody."""
        shutil.rmtree(self._folder / place, ignore_errors=True)
        self._delete(place)

    def _copy(self, name: str) -> Path:
        """Give a copy of a file, since this container can't look while it gives others away."""
        copy = self._copies / name
        copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        oldest = time.time() - _COPY_SECONDS
        for old in [file for file in self._copies.rglob("*") if file.is_file() and file.stat().st_mtime < oldest]:
            old.unlink()
        if copy.is_file():
            return copy
        partial = copy.with_name(f".{secrets.token_hex(6)}")
        try:
            with partial.open("wb") as file:
                self._volume.read_file_into_fileobj(place_of(name), file)
            return partial.replace(copy)
        except (modal.exception.NotFoundError, FileNotFoundError) as error:
            raise FileNotFound from error
        finally:
            partial.unlink(missing_ok=True)

    def _list(self, path: str, *, recursive: bool = False) -> list[modal.types.FileEntry]:
        """Give what is in a folder of the Volume, as it is now for everybody."""
        with _away(), contextlib.suppress(modal.exception.NotFoundError, FileNotFoundError):
            return self._volume.listdir(path, recursive=recursive)
        return []

    def _delete(self, path: str) -> None:
        """Remove what is at a path of the Volume, for everybody."""
        with _away(), contextlib.suppress(modal.exception.NotFoundError, FileNotFoundError):
            self._volume.remove_file(path, recursive=True)


def place_of(name: str) -> str:
    """Give the path on the Volume of the artifact of a name."""
    return f"/{_KEPT}/{name}"


def _below(path: str, place: str) -> str:
    return path.lstrip("/").removeprefix(f"{place}/")


def _is_live(place: str, is_live: Callable[[str, int], bool]) -> bool:
    job_id, _, attempt = place.rpartition(".")
    return attempt.isdecimal() and is_live(job_id, int(attempt))


def _time_of(entry: modal.types.FileEntry) -> datetime:
    return datetime.fromtimestamp(entry.mtime, UTC)


def reload(volume: modal.Volume, *, tries: int = _RELOADS) -> None:
    """See what others have committed, as soon as no file of the volume is open here.

    Raises:
        RuntimeError: If one stays open for `tries` quarters of a second.
    """
    for patience in range(tries, -1, -1):
        try:
            volume.reload()
        except RuntimeError:
            if not patience:
                raise
            time.sleep(_PAUSE_SECONDS)
        else:
            return


@contextmanager
def _away() -> Generator[None, None, None]:
    """Say in our words that the platform doesn't answer."""
    try:
        yield
    except (modal.exception.Error, OSError, RuntimeError) as error:
        raise BackendAway("files can't be reached at the moment; try again") from error
