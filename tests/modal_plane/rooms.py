"""Where a container lives: its folders on the machine, and how it sees them."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.modal_plane.errors import Illegal, Taken

__all__ = ["HOME", "Room", "can_isolate", "guest_environment"]

HOME = "/root"
GUEST = "/__modal/guest"
HANDED_OVER = "/__modal/plane"
MACHINE = ("/bin", "/dev", "/etc", "/lib", "/nix", "/opt", "/proc", "/run", "/sbin", "/sys", "/usr", "/var")


class Room:
    """Folders of one container, `home/` on the machine, to be mounted or linked where it expects them."""

    def __init__(self, home: Path, isolated: bool) -> None:  # there are two kinds of room
        self._home, self._isolated = home, isolated
        self._mounts: list[tuple[str, str, bool]] = []
        for name in ("fs", "tmp", "root", "plane", "mounts"):
            (home / name).mkdir(parents=True)
        self.place(home / "tmp", "/tmp")  # noqa: S108  # the container's own
        self.place(home / "root", HOME)
        self.place(home / "plane", HANDED_OVER)
        self.place(Path(__file__).parent / "guest", GUEST)
        for prefix in sorted({sys.prefix, sys.base_prefix}):
            if isolated and not prefix.startswith(MACHINE):
                self.place(Path(prefix), prefix)

    def place_uploads(self, tree: Path) -> None:
        """Give the container its own copy of what was uploaded for it."""
        for top in sorted(tree.iterdir()):
            if top.name == HOME.lstrip("/"):
                shutil.copytree(top, self._home / "root", dirs_exist_ok=True)
                continue
            if top.is_file():
                raise Illegal(f"{top.name}: files can be added to folders only")
            own = self._home / "added" / top.name
            shutil.copytree(top, own)
            self.place(own, f"/{top.name}")

    def place(self, source: Path, path: str, *, read_only: bool = False) -> None:
        """Let a folder appear at an absolute path in the container."""
        path = "/" + os.path.normpath(path).strip("/")
        if self._isolated:
            if path.startswith(MACHINE):
                raise Illegal(f"{path}: the plane can't place anything below {', '.join(MACHINE)}")
            self._mounts.append((str(source), path, read_only))
        elif path not in {"/tmp", HOME, GUEST, HANDED_OVER}:  # noqa: S108  # a name, not a file
            self._link(source, path)

    def _link(self, source: Path, path: str) -> None:
        """Let a path lead, for each process that follows it, to what lies beside its current folder."""
        here = self._home / "mounts" / path.lstrip("/")
        here.parent.mkdir(parents=True, exist_ok=True)
        here.symlink_to(source)
        target, link = f"/proc/self/cwd/../mounts{path}", Path(path)
        if link.is_symlink() and str(link.readlink()) == target:
            return
        if link.exists():
            raise Taken(f"{path} exists, and without namespaces containers share the machine's files")
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(target)

    def hand_over(self, name: str, data: bytes) -> str:
        """Write a file for the container, and give its path there."""
        (self._home / "plane" / name).write_bytes(data)
        return f"{HANDED_OVER}/{name}" if self._isolated else str(self._home / "plane" / name)

    def environment(self) -> dict[str, str]:
        """What a container finds before its image and its secrets add to it."""
        plain = guest_environment()
        if self._isolated:
            return {**plain, "HOME": HOME, "PYTHONPATH": f"{HOME}:{GUEST}"}
        home = str(self._home / "root")
        return {
            **plain,
            "HOME": home,
            "TMPDIR": str(self._home / "tmp"),
            "PYTHONPATH": f"{home}:{Path(__file__).parent / 'guest'}",
            "MODAL_PLANE_LINKS": "1",
        }

    def describe(self, **more: object) -> Path:
        """Write for `guest/launch.py` what to make of a process; give the file."""
        room = {
            "parent": os.getpid(),
            "root": str(self._home / "fs") if self._isolated else "",
            "mounts": self._mounts,
            "workdir": HOME if self._isolated else str(self._home / "root"),
            **more,
        }
        described = self._home / "room.json"
        described.write_text(json.dumps(room))
        return described


def guest_environment() -> dict[str, str]:
    """What all containers have in common."""
    inherited = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return {**inherited, "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1"}


def can_isolate(scratch: Path) -> bool:
    """Try whether this machine lets us give containers file systems of their own."""
    room = Room(scratch, isolated=True).describe(argv=[sys.executable, "-c", ""])
    launcher = Path(__file__).parent / "guest" / "launch.py"
    tried = subprocess.run([sys.executable, "-IS", str(launcher), str(room)], check=False, capture_output=True)
    shutil.rmtree(scratch)
    return tried.returncode == 0
