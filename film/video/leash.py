"""Processes that don't outlive us, however we end.

Linux kills a process with its parent where the process asks for that (`PR_SET_PDEATHSIG`), and
util-linux's `setpriv` asks for it before it becomes the command. What the kernel takes for the parent
is the *thread* that started it, so all are started by one thread, which lives as long as we do.
Elsewhere, and without `setpriv`, processes are started as they are.
"""

import queue
import shutil
import subprocess
import sys
import threading
from concurrent.futures import Future
from functools import lru_cache
from typing import Final

__all__ = ["start_leashed", "why_not_run"]

_NOT_RUN: Final = (126, 127)  # what a `setpriv` ends with whose command can't be started
_TRIAL_SECONDS = 20  # far above what `setpriv` takes, even on a busy machine


def start_leashed(command: list[str], *, stdin: int, stdout: int) -> subprocess.Popen[bytes]:
    """Start `command` in a session of its own, its pipes unbuffered, its standard error one of them.

    Args:
        command: A binary and its arguments.
        stdin: As `subprocess.Popen` takes it.
        stdout: The same.

    Raises:
        OSError: If the binary isn't there. One that can't be run may be noticed only later (`why_not_run`).
    """
    setpriv = shutil.which("setpriv") if sys.platform == "linux" else None
    if setpriv is None or not _can_leash(setpriv):
        return _start(command, stdin, stdout)
    binary = shutil.which(command[0])
    if binary is None:  # let the system say what is wrong with it
        return _start(command, stdin, stdout)
    return _starter.start([setpriv, "--pdeathsig", "KILL", "--", binary, *command[1:]], stdin, stdout)


def why_not_run(status: int, line: str) -> str | None:
    """Say why a command wasn't started after all.

    Args:
        status: Its exit status.
        line: The first of its log; ffmpeg's own ones begin with `[`.
    """
    if status not in _NOT_RUN or line.startswith("["):
        return None
    # What the system knows for no program, `setpriv` hands to a shell, whose complaints lead astray.
    return line.rpartition(": ")[2] if line.startswith("setpriv: ") else "it is no program of this machine's"


def _start(command: list[str], stdin: int, stdout: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command, stdin=stdin, stdout=stdout, stderr=subprocess.PIPE, bufsize=0, start_new_session=True
    )


@lru_cache(maxsize=8)
def _can_leash(setpriv: str) -> bool:
    """Say whether this `setpriv` knows the option: BusyBox's doesn't, and a sandbox may forbid it."""
    try:
        trial = subprocess.run(
            [setpriv, "--pdeathsig", "KILL", "--", setpriv, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TRIAL_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return trial.returncode == 0


class _Starter:
    """The thread that starts processes; made when it is first needed, and anew in a forked process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._orders: queue.SimpleQueue[tuple[tuple[list[str], int, int], Future[subprocess.Popen[bytes]]]]

    def start(self, command: list[str], stdin: int, stdout: int) -> subprocess.Popen[bytes]:
        started: Future[subprocess.Popen[bytes]] = Future()
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._orders = queue.SimpleQueue()
                self._thread = threading.Thread(target=self._serve, name="ffmpeg-starter", daemon=True)
                self._thread.start()
            self._orders.put(((command, stdin, stdout), started))
        return started.result()

    def _serve(self) -> None:
        while True:
            order, started = self._orders.get()
            try:
                started.set_result(_start(*order))
            except BaseException as error:  # noqa: BLE001 (raised again where it is waited for)
                started.set_exception(error)
            del started  # or the last process would be held until the next is started


_starter = _Starter()
