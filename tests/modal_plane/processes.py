"""What a container's processes hold open, read from /proc; nothing is held where there is none."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

__all__ = ["Held", "held_files", "kill_all", "pids_of"]

PROC = Path("/proc")
SESSION = 3  # which field of /proc/PID/stat it is, counted from the one after the name
ACCESS = 0o3  # the bits of a descriptor's flags that say how it was opened; 0 is for reading


class Held(NamedTuple):
    """A file that some process has open or stands in."""

    device: int
    inode: int
    writable: bool


def pids_of(session: int, task_id: str) -> list[int]:
    """List the processes of a container: those of its session, and those that have left it but carry its id."""
    mark, found = f"MODAL_TASK_ID={task_id}".encode(), []
    for folder in PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended meanwhile, or is none of our business
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(fields[SESSION]) == session or mark in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found


def kill_all(session: int, task_id: str) -> None:
    """Kill what a container has left behind."""
    for pid in pids_of(session, task_id):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def held_files(session: int, task_id: str) -> Iterator[Held]:
    """Name the open files and current folders of a container's processes."""
    for pid in pids_of(session, task_id):
        folder = PROC / str(pid)
        with contextlib.suppress(OSError):
            here = (folder / "cwd").stat()
            yield Held(here.st_dev, here.st_ino, writable=False)
        with contextlib.suppress(OSError):
            yield from _descriptors(folder)


def _descriptors(folder: Path) -> Iterator[Held]:
    for descriptor in (folder / "fd").iterdir():
        with contextlib.suppress(OSError, StopIteration):
            opened = descriptor.stat()
            info = (folder / "fdinfo" / descriptor.name).read_text().splitlines()
            flags = next(line.split()[1] for line in info if line.startswith("flags:"))
            yield Held(opened.st_dev, opened.st_ino, writable=bool(int(flags, 8) & ACCESS))
