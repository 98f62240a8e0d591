"""What a container's processes hold open, read from /proc; nothing is held where there is none."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

__all__ = ["Held", "held_files", "kill_session", "session_pids"]

PROC = Path("/proc")
SESSION = 3  # which field of /proc/PID/stat it is, counted from the one after the name
ACCESS = 0o3  # the bits of a descriptor's flags that say how it was opened; 0 is for reading


class Held(NamedTuple):
    """A file that some process has open or stands in."""

    device: int
    inode: int
    writable: bool


def session_pids(session: int) -> list[int]:
    """List the processes of a session, however they were started."""
    found = []
    for stat in PROC.glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[SESSION]) == session:
                found.append(int(stat.parent.name))
    return found


def kill_session(session: int) -> None:
    """Kill what a container has left behind."""
    for pid in session_pids(session):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def held_files(session: int) -> Iterator[Held]:
    """Name the open files and current folders of a session's processes."""
    for pid in session_pids(session):
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
