"""Volumes: content that is published once, and views of it that containers write in.

A Volume's head says which file has which content. Content lies in `objects/`, one read-only
file each, and is never written again; replacing a file is giving it new content in the head.

A `View` is the folder that a container sees: a hard link for each published file, so that
starting a container copies nothing however large the files are. What the container writes is
its own (`guest/sitecustomize.py` breaks the link before Python code writes; the missing write
permission stops other programs), until a commit makes the written file content of the Volume.
"""

import contextlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tests.modal_plane.errors import Illegal, InUse, Missing, PlaneError
from tests.modal_plane.ids import fresh_id
from tests.modal_plane.processes import Held

__all__ = ["Changes", "Entry", "Snapshot", "View", "Volume"]

OPEN_FILES = "there are open files preventing the operation"  # the client looks for these words
READ_ONLY = 0o555


class Stamp(NamedTuple):
    """What tells a file apart from one that took its place, or was written to."""

    inode: int
    mtime_ns: int
    size: int

    @classmethod
    def of(cls, found: os.stat_result) -> "Stamp":
        return cls(found.st_ino, found.st_mtime_ns, found.st_size)


class Entry(NamedTuple):
    """A published file: the name of its content, and how that lies on disk."""

    content: str
    stamp: Stamp


@dataclass
class Snapshot:
    """A tree of published files, by their paths in the Volume."""

    files: dict[str, Entry] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)

    def copy(self) -> "Snapshot":
        return Snapshot(dict(self.files), set(self.folders))

    def apply(self, changes: "Changes") -> list[Entry]:
        """Make changes, and give the files that are no longer there."""
        gone = [self.files.pop(path) for path in changes.removed if path in self.files]
        for path in sorted(changes.removed_folders, reverse=True):
            if not any(other.startswith(f"{path}/") for other in (*self.files, *self.folders)):
                self.folders.discard(path)
        for path, entry in changes.written.items():
            if path in self.files:
                gone.append(self.files[path])
            self.files[path] = entry
        for path in (*changes.made_folders, *changes.written):
            above = _folders_above(path) if path in changes.written else [*_folders_above(path), path]
            gone += [self.files.pop(folder) for folder in above if folder in self.files]
            self.folders.update(above)
        return gone


@dataclass
class Changes:
    """What a commit or an upload does to a tree."""

    written: dict[str, Entry] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)
    made_folders: set[str] = field(default_factory=set)
    removed_folders: set[str] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.written or self.removed or self.made_folders or self.removed_folders)


class Volume:
    """The published state of one Volume."""

    def __init__(self, root: Path) -> None:
        self.root, self._objects, self._saved = root, root / "objects", root / "head.json"
        self._objects.mkdir(parents=True, exist_ok=True)
        self.head = Snapshot()
        if self._saved.exists():
            saved = json.loads(self._saved.read_text())
            self.head.files = {path: Entry(name, Stamp(*stamp)) for path, (name, stamp) in saved["files"].items()}
            self.head.folders = set(saved["folders"])

    def spare(self) -> Path:
        """Name a file beside the content that nobody else uses."""
        return self._objects / fresh_id("part")

    def keep(self, part: Path) -> Entry:
        """Take a file as content, from now on read-only."""
        part.chmod(part.stat().st_mode & READ_ONLY)
        place = part.with_name(fresh_id("ob"))
        part.rename(place)
        return Entry(place.name, Stamp.of(place.stat()))

    def publish(self, changes: Changes) -> None:
        """Make changes the head; for each file the last one to come wins."""
        if not changes:
            return
        for entry in self.head.apply(changes):
            (self._objects / entry.content).unlink(missing_ok=True)  # views hold their own links to it
        saved = {"files": self.head.files, "folders": sorted(self.head.folders)}
        partial = self._saved.with_suffix(".partial")
        partial.write_text(json.dumps(saved))
        partial.replace(self._saved)

    def content(self, path: str) -> Path:
        """Give the content of a file.

        Raises:
            Missing: If no file of that path is published.
            PlaneError: If it was written to since, which no container should be able to do.
        """
        path = inside(path)
        if path not in self.head.files:
            raise Missing(f"file '{path}' not found")
        entry = self.head.files[path]
        place = self._objects / entry.content
        if Stamp.of(place.stat()) != entry.stamp:
            raise PlaneError(f"the published content of '{path}' was changed in place")
        return place

    def entries(self, path: str, *, recursive: bool) -> Iterator[tuple[str, Stamp | None]]:
        """List what is published at or under a path; folders have no stamp.

        Raises:
            Missing: If nothing is.
        """
        path = inside(path)
        if path in self.head.files:
            yield path, self.head.files[path].stamp
            return
        if path and path not in self.head.folders:
            raise Missing(f"path '{path}' not found")
        start = f"{path}/" if path else ""
        for name in sorted((*self.head.files, *self.head.folders)):
            if name.startswith(start) and name != path and (recursive or "/" not in name[len(start) :]):
                yield name, self.head.files[name].stamp if name in self.head.files else None

    def remove(self, path: str, *, recursive: bool) -> None:
        """Remove a file, or a folder with all that it holds.

        Raises:
            Missing: If nothing of that path is published.
            Illegal: If it is a folder and removing isn't recursive.
        """
        path = inside(path)
        if path in self.head.files:
            self.publish(Changes(removed={path}))
            return
        below = {name for name, _ in self.entries(path, recursive=True)}
        if not recursive:
            raise Illegal(f"'{path}' is a folder")
        folders = {name for name in below if name in self.head.folders} | ({path} if path else set())
        self.publish(Changes(removed=below - folders, removed_folders=folders))


class View:
    """What one container sees of a Volume, and has written there."""

    def __init__(self, volume: Volume, root: Path) -> None:
        self.volume, self.root = volume, root
        root.mkdir(parents=True)
        self._base = Snapshot()
        self.reload([])

    def reload(self, held: Iterable[Held]) -> None:
        """See what is published now; what was written here and not committed stays.

        Raises:
            InUse: If files or folders of this view are among those that are held open.
        """
        files, folders = self._found()
        mine = {(found.st_dev, found.st_ino) for found in (*files.values(), *folders.values())}
        if any((file.device, file.inode) in mine for file in held):
            raise InUse(OPEN_FILES)
        changes, head = self._changes(files, set(folders)), self.volume.head
        for path in sorted(head.folders - self._base.folders):
            (self.root / path).mkdir(parents=True, exist_ok=True)
        for path in self._base.files.keys() - head.files.keys() - changes.paths:
            (self.root / path).unlink()
        for path in sorted(self._base.folders - head.folders, reverse=True):
            if (self.root / path).is_dir() and not any((self.root / path).iterdir()):
                (self.root / path).rmdir()
        for path in head.files.keys() - changes.paths:
            if self._base.files.get(path) != head.files[path]:
                self._place(path)
        self._base = head.copy()

    def commit(self, held: Iterable[Held]) -> None:
        """Publish what was written here since the last commit, and nothing that isn't in this view.

        A file that is still open for writing is published as it is now, by a copy.
        """
        writing = {(file.device, file.inode) for file in held if file.writable}
        files, folders = self._found()
        ours = self._changes(files, set(folders))
        changes = Changes({}, ours.removed, ours.made_folders, ours.removed_folders)
        for path in ours.written:
            open_still = (files[path].st_dev, files[path].st_ino) in writing
            with contextlib.suppress(FileNotFoundError):  # a partial file, renamed since we looked
                changes.written[path] = self._publish(self.root / path, copied=open_still)
        self.volume.publish(changes)
        self._base.apply(changes)

    def _publish(self, file: Path, *, copied: bool) -> Entry:
        part = self.volume.spare()
        if copied:
            shutil.copy2(file, part)
            return self.volume.keep(part)
        os.link(file, part)
        return self.volume.keep(part)

    def _place(self, path: str) -> None:
        part = self.volume.spare()
        os.link(self.volume.content(path), part)
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        part.replace(self.root / path)

    def _found(self) -> tuple[dict[str, os.stat_result], dict[str, os.stat_result]]:
        """List the files and the folders of the view, the root among them as ""."""
        files: dict[str, os.stat_result] = {}
        folders = {"": self.root.stat()}
        for place, names, _ in os.walk(self.root):
            for entry in os.scandir(place):
                path = os.path.relpath(entry.path, self.root)
                if entry.is_symlink():
                    raise Illegal(f"'{path}' is a symbolic link, which the plane doesn't keep in Volumes")
                with contextlib.suppress(FileNotFoundError):  # removed since we looked
                    (folders if entry.name in names else files)[path] = entry.stat()
        return files, folders

    def _changes(self, files: dict[str, os.stat_result], folders: set[str]) -> "_Ours":
        base = self._base
        written = {
            path for path, found in files.items() if path not in base.files or base.files[path].stamp != Stamp.of(found)
        }
        return _Ours(
            written,
            base.files.keys() - files.keys(),
            folders - {""} - base.folders,
            base.folders - folders,
        )


class _Ours(NamedTuple):
    """How a view differs from what it was made from."""

    written: set[str]
    removed: set[str]
    made_folders: set[str]
    removed_folders: set[str]

    @property
    def paths(self) -> set[str]:
        return self.written | self.removed


def inside(path: str) -> str:
    """Give a path in a Volume as its head has it: relative, without "." or an end slash.

    Raises:
        Illegal: If it leads out of the Volume.
    """
    path = os.path.normpath(path.lstrip("/") or ".")
    if path.split("/")[0] == "..":
        raise Illegal(f"'{path}' leads out of the Volume")
    return "" if path == "." else path


def _folders_above(path: str) -> list[str]:
    return [str(folder) for folder in Path(path).parents if str(folder) != "."]
