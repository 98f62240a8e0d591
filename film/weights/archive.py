"""A SavedModel out of a tar.gz archive, which may have been made to do harm."""

import gzip
import re
import shutil
import tarfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO

from film.errors import WeightsMismatch
from film.weights.files import disk_errors

__all__ = ["unpack"]

_PARTS = re.compile(r"saved_model\.pb|variables/variables\.(?:index|data-[0-9]{5}-of-[0-9]{5})", re.ASCII)
_MEMBERS = 1000


class _BoundedGzip(gzip.GzipFile):
    """Unpacks up to a limit, so that a small archive can't fill the disk or the memory."""

    def __init__(self, path: Path, limit_bytes: int) -> None:
        super().__init__(path, "rb")
        self._left = limit_bytes

    def read(self, size: int | None = -1) -> bytes:
        content = super().read(size)
        self._left -= len(content)
        if self._left < 0:
            raise WeightsMismatch("it unpacks to more than is allowed")
        return content


def unpack(archive: Path, directory: Path, *, limit_bytes: int) -> None:
    """Unpack a SavedModel's own files, wherever in the archive they lie, into an empty folder.

    A member's name decides only which of the SavedModel's few files it is, never where it is
    written; so neither `..` nor absolute names nor links lead out of the folder.

    Args:
        archive: A tar.gz file.
        directory: Made anew; gets `saved_model.pb` and `variables/`.
        limit_bytes: What the archive may unpack to, in all.

    Raises:
        WeightsMismatch: If the archive is damaged, isn't a tar.gz, holds no SavedModel or several,
            or unpacks to more than the limit.
        NoSpace: If the disk is full.
        TargetUnwritable: If the folder can't be written.
    """
    with disk_errors(directory):
        shutil.rmtree(directory, ignore_errors=True)
        (directory / "variables").mkdir(parents=True)
    try:
        with _BoundedGzip(archive, limit_bytes) as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
            _unpack_members(tar, directory)
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise WeightsMismatch(f"the archive isn't a whole tar.gz: {error}") from error
    except WeightsMismatch as error:
        raise WeightsMismatch(f"the archive isn't a SavedModel's: {error}") from error
    if not (directory / "variables" / "variables.index").exists():
        raise WeightsMismatch("the archive isn't a SavedModel's: it has no variables/variables.index")


def _unpack_members(tar: tarfile.TarFile, directory: Path) -> None:
    for count, member in enumerate(tar):
        if count >= _MEMBERS:
            raise WeightsMismatch(f"it has more than {_MEMBERS} members")
        part = _part(member.name)
        if part is None or not member.isreg():
            continue
        if (directory / part).exists():
            raise WeightsMismatch(f"it has {part} twice")
        content = tar.extractfile(member)
        assert content is not None  # so it is for every regular file
        with disk_errors(directory / part), (directory / part).open("xb") as file:
            while chunk := _read(content):
                file.write(chunk)


def _read(content: IO[bytes]) -> bytes:
    """Read on; a damaged gzip stream is an `OSError` too, which mustn't be taken for the disk's."""
    try:
        return content.read(1024 * 1024)
    except gzip.BadGzipFile as error:
        raise tarfile.ReadError(str(error)) from error


def _part(name: str) -> str | None:
    """Say which of a SavedModel's files a member is, by the last one or two parts of its name."""
    parts = PurePosixPath(name).parts
    for path in ("/".join(parts[-2:]), *parts[-1:]):
        if _PARTS.fullmatch(path):
            return path
    return None
