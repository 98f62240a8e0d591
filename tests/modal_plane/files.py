"""Uploads: blobs, and the files that functions' mounts are laid out from."""

import hashlib
import shutil
from collections.abc import Iterable
from pathlib import Path

from modal_proto import api_pb2 as api

__all__ = ["Files"]


class Files:
    """Content by name on disk."""

    def __init__(self, root: Path) -> None:
        self._blobs, self._sources, self._trees = root / "blobs", root / "sources", root / "trees"
        for folder in (self._blobs, self._sources, self._trees):
            folder.mkdir(parents=True, exist_ok=True)

    def blob(self, blob_id: str) -> Path:
        return self._blobs / Path(blob_id).name

    def source(self, sha256_hex: str) -> Path:
        return self._sources / Path(sha256_hex).name

    def tree(self, files: Iterable[api.MountFile]) -> Path:
        """Lay out the files of a function's mounts as folders, once for each distinct content."""
        files = sorted(files, key=lambda file: file.filename)
        listing = "".join(f"{file.filename}:{file.sha256_hex}\n" for file in files)
        tree = self._trees / hashlib.sha256(listing.encode()).hexdigest()[:32]
        if not tree.exists():
            partial = tree.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)
            for file in files:
                place = partial / file.filename.lstrip("/")
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(self.source(file.sha256_hex), place)
                place.chmod(file.mode or 0o644)
            partial.mkdir(exist_ok=True)
            partial.rename(tree)
        return tree
