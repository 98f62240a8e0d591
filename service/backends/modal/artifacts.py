"""Files on a `modal.Volume`, which every container sees as it was when it last looked.

A container's writes are seen by others once it commits, and by those only once they reload; a
reload fails while one of the volume's files is open. So: what is put is committed at once; what is
missing is looked for again after a reload; and what is listed or removed is so on the Volume
itself, whatever this container happens to see of it.
"""

import contextlib
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import modal

from service.errors import FileNotFound
from service.ports import ArtifactStore, Stored

__all__ = ["VolumeArtifacts", "reload"]

WORK: Final = "work"
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
            self.remove(f"{WORK}/{job_id}.{attempt}")

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
        with contextlib.suppress(modal.exception.NotFoundError, FileNotFoundError):
            self._volume.remove_file(prefix, recursive=True)

    def names(self, prefix: str) -> Iterator[Stored]:
        """Give the files below a name."""
        try:
            entries = self._volume.listdir(prefix, recursive=True)
        except (modal.exception.NotFoundError, FileNotFoundError):
            return
        for entry in entries:
            if entry.type == modal.types.FileEntryType.FILE:
                stored_at = datetime.fromtimestamp(entry.mtime, UTC)
                yield Stored(name=entry.path.lstrip("/"), size_bytes=entry.size, stored_at=stored_at)

    def sweep_workspaces(self, keep: Mapping[str, int]) -> int:
        """Remove what dead attempts left; those of `keep`, job id to attempt, stay. Give how many were removed."""
        kept = {f"{job_id}.{attempt}" for job_id, attempt in keep.items()}
        dead = {stored.name.split("/")[1] for stored in self.names(WORK)} - kept
        for folder in dead:
            self.remove(f"{WORK}/{folder}")
        return len(dead)


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
