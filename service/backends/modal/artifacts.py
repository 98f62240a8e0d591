"""Files on a `modal.Volume`, which every container sees as it was when it last looked.

A container's writes are seen by others once it commits, and by those only once they reload; a
reload fails while one of the volume's files is open. So: what is put is committed at once; what is
missing is looked for again after a reload; and what is listed or removed is so on the Volume
itself, whatever this container happens to see of it.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import modal

from service.errors import FileNotFound
from service.ports import ArtifactStore, Stored

__all__ = ["VolumeArtifacts", "place_of", "reload"]

# Where `service.backends.disk` puts things below its folder, which is where the Volume is mounted.
_KEPT: Final = "kept"
_WORK: Final = "work"
_RELOADS = 20
_PAUSE_SECONDS = 0.25


class VolumeArtifacts:
    """`ArtifactStore` over a mounted Volume."""

    def __init__(self, mounted: ArtifactStore, volume: modal.Volume) -> None:
        """Take the store of files in the folder that `volume` is mounted at."""
        self._mounted = mounted
        self._volume = volume
        self._looking = threading.Lock()

    @contextmanager
    def workspace(self, job_id: str, attempt: int) -> Iterator[Path]:
        """Give an empty folder for an attempt's temporary files; it is gone afterwards, whatever happens."""
        try:
            with self._mounted.workspace(job_id, attempt) as folder:
                yield folder
        finally:
            self._delete(f"{_WORK}/{job_id}/{attempt}")

    def put(self, name: str, file: Path) -> Stored:
        """Take a file in, whole or not at all; it is gone from where it was."""
        stored = self._mounted.put(name, file)
        self._volume.commit()
        return stored

    def path(self, name: str) -> Path:
        """Give where a stored file can be read.

        Raises:
            FileNotFound: If there is none of that name.
        """
        with contextlib.suppress(FileNotFound):
            return self._mounted.path(name)
        with self._looking:
            reload(self._volume)
            return self._mounted.path(name)

    def remove(self, prefix: str) -> None:
        """Remove a file, or all files below a name."""
        self._delete(f"{_KEPT}/{prefix}")

    def names(self, prefix: str) -> Iterator[Stored]:
        """Give the files below a name."""
        for entry in self._list(f"{_KEPT}/{prefix}"):
            stored_at = datetime.fromtimestamp(entry.mtime, UTC)
            yield Stored(name=_below(entry.path, _KEPT), size_bytes=entry.size, stored_at=stored_at)

    def sweep_workspaces(self, is_live: Callable[[str, int], bool]) -> int:
        """Remove what dead attempts left: `is_live` is asked with job id and attempt. Give how many were removed."""
        found = {tuple(_below(entry.path, _WORK).split("/")[:2]) for entry in self._list(_WORK)}
        dead = [place for place in found if not is_live(place[0], int(place[1]))]
        for job_id, attempt in dead:
            self._delete(f"{_WORK}/{job_id}/{attempt}")
        return len(dead)

    def _list(self, path: str) -> Iterator[modal.types.FileEntry]:
        """Give the files below a path of the Volume, as it is now for everybody."""
        with contextlib.suppress(modal.exception.NotFoundError, FileNotFoundError):
            for entry in self._volume.iterdir(path, recursive=True):
                if entry.type == modal.types.FileEntryType.FILE:
                    yield entry

    def _delete(self, path: str) -> None:
        """Remove what is at a path of the Volume, for everybody."""
        with contextlib.suppress(modal.exception.NotFoundError, FileNotFoundError):
            self._volume.remove_file(path, recursive=True)


def place_of(name: str) -> str:
    """Give the path on the Volume of the artifact of a name."""
    return f"/{_KEPT}/{name}"


def _below(path: str, place: str) -> str:
    return path.lstrip("/").removeprefix(f"{place}/")


def reload(volume: modal.Volume) -> None:
    """See what others have committed, as soon as no file of the volume is open here.

    Raises:
        RuntimeError: If one stays open for seconds.
    """
    for patience in range(_RELOADS, -1, -1):
        try:
            volume.reload()
        except RuntimeError:
            if not patience:
                raise
            time.sleep(_PAUSE_SECONDS)
        else:
            return
