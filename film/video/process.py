"""One running ffmpeg: its pipes, its log, and its end.

Its log is drained by a thread, because a full pipe would stop it. It gets a session of its
own, so that Ctrl-C in a terminal reaches us and not it: we end it in good order. When we
are killed ourselves, the system kills it (`film.video.leash`); where there is no such thing, its
pipes close, which ends it as soon as it reads or writes one.
"""

import contextlib
import fcntl
import re
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import IO, Self

from film.errors import FfmpegError, FfmpegFailed, FfmpegMissing, FilmError, NoSpace
from film.video.leash import start_leashed, why_not_run

__all__ = ["Child", "failure", "last_words"]

_TAIL_LINES = 40
_LINE_CHARACTERS = 4096  # a log line may quote metadata of any length
_PIPE_BYTES = 1 << 20  # Linux's default of 64 KiB costs a switch of process every few rows
_QUIT_SECONDS = 10
_ERROR = re.compile(r"\[(?:error|fatal|panic)\] (.+)")

# What ffmpeg prints when the target's disk takes no more; the second one is a limit on the
# size of a file (of the file system, or of the process).
_FULL = ("No space left on device", "File too large", "Disk quota exceeded")


class Child:
    """A running ffmpeg. Leaving the `with` block ends it, whatever it was doing."""

    def __init__(
        self,
        command: list[str],
        *,
        stdin: bool = False,
        stdout: bool = False,
        on_line: Callable[[str], None] | None = None,
    ) -> None:
        """Start `command`.

        Args:
            command: The binary and its arguments.
            stdin: Whether we write to it (`self.stdin`).
            stdout: Whether we read from it (`self.stdout`).
            on_line: Called with each line of its log, in a thread of its own.

        Raises:
            FfmpegMissing: If the binary can't be started.
        """
        try:
            self._process = start_leashed(
                command,
                stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                stdout=subprocess.PIPE if stdout else subprocess.DEVNULL,
            )
        except OSError as error:
            raise FfmpegMissing(f"ffmpeg ({command[0]}) doesn't run: {error.strerror}") from error
        self._binary = command[0]
        self.tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._on_line = on_line
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                _widen(pipe)
        self._drain = threading.Thread(target=self._read_log, name="ffmpeg-log", daemon=True)
        self._drain.start()

    @property
    def stdin(self) -> IO[bytes]:
        """Its standard input, unbuffered."""
        assert self._process.stdin is not None, "started without stdin=True"
        return self._process.stdin

    @property
    def stdout(self) -> IO[bytes]:
        """Its standard output, unbuffered."""
        assert self._process.stdout is not None, "started without stdout=True"
        return self._process.stdout

    def lines(self) -> Iterator[str]:
        """Give its standard output line by line, as text."""
        with open(self.stdout.fileno(), encoding="utf-8", errors="replace", closefd=False) as text:
            yield from text

    @property
    def disk_full(self) -> bool:
        """Whether its log says that a disk (or a limit on a file's size) was full."""
        return any(words in line for line in self.tail for words in _FULL)

    def wait(self) -> int:
        """Close its standard input, let it finish, and give its exit status.

        Raises:
            FfmpegMissing: If the binary never ran.
        """
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        status = self._process.wait()
        self._drain.join()
        if self.tail and (reason := why_not_run(status, self.tail[0])):
            raise FfmpegMissing(f"ffmpeg ({self._binary}) doesn't run: {reason}")
        return status

    def kill(self) -> None:
        """End it at once. Does nothing where it has ended already."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._drain.join(_QUIT_SECONDS)
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def _read_log(self) -> None:
        """Drain the log until ffmpeg closes it."""
        assert self._process.stderr is not None
        with (
            contextlib.suppress(OSError, ValueError),  # closed by kill() while we read
            open(self._process.stderr.fileno(), encoding="utf-8", errors="replace", closefd=False) as log,
        ):
            for text in log:
                line = text.rstrip()[:_LINE_CHARACTERS]
                if not line:
                    continue
                if not line.startswith("[Parsed_showinfo"):
                    self.tail.append(line)
                if self._on_line is not None:
                    self._on_line(line)

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End ffmpeg if it still runs."""
        self.kill()


def failure(child: Child, status: int, doing: str) -> FilmError:
    """Say why an ffmpeg that ended with `status` failed while `doing` something.

    Gives `NoSpace` where its log says so, else `FfmpegFailed` with its last words.
    """
    if child.disk_full or status == -signal.SIGXFSZ:
        return NoSpace(f"the disk is full (or the file reached a size limit) while {doing}; free some space")
    return _failed(last_words(child), status, doing)


def last_words(child: Child) -> str:
    """Give the first error of the log's end without its level and address, or an empty text.

    ffmpeg's first complaint names the cause; those that follow are its consequences.
    """
    return next((found[1].strip() for found in map(_ERROR.search, child.tail) if found), "")


def _failed(words: str, status: int, doing: str) -> FfmpegError:
    if status < 0:
        words = words or f"it was ended by signal {-status}"
    return FfmpegFailed(f"ffmpeg failed while {doing}: {words or f'it ended with status {status}'}")


def _widen(pipe: IO[bytes]) -> None:
    """Ask for a larger buffer between the two processes, where the system can."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # over the user's limit: the default works as well
            fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
