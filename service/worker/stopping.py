"""Stopping work that is under way, whatever it waits for.

Whoever works looks at `Stop.check` between steps. What blocks in the middle of one (ffmpeg that
indexes a clip, an address that doesn't answer) is interrupted as Ctrl-C would: by a signal to the
main thread, whose handler raises `Stopped`. That happens within `Stop.interruptible` only, where all
that is half done can be cleaned up; never while books are kept. In other threads than the
main one no handler runs, and there it is the looking that stops.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from types import FrameType
from typing import ClassVar

__all__ = ["Reason", "Stop", "Stopped"]

_SIGNAL = signal.SIGUSR2  # SIGUSR1 is Modal's own


class Reason(Enum):
    """Why work stops."""

    NOT_OURS = "not ours"  # cancelled, superseded or expired: whoever ended it has seen to the rest
    TOO_LONG = "too long"  # it may not run any longer
    TOO_LARGE = "too large"  # what it writes is more than it may
    HAND_BACK = "hand back"  # the worker ends, and the job is somebody else's


class Stopped(BaseException):
    """Work was stopped. Passes through what handles errors, as KeyboardInterrupt does."""

    def __init__(self, reason: Reason) -> None:
        """Say why."""
        super().__init__(reason.value)
        self.reason = reason


class Stop:
    """Asks one job's work to stop; any thread may ask, the first reason counts."""

    _armed: ClassVar["Stop | None"] = None  # whose work the signal interrupts

    def __init__(self) -> None:
        """Ask for nothing yet."""
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._reason: Reason | None = None

    @property
    def reason(self) -> Reason | None:
        """Why work is to stop; None while it isn't."""
        return self._reason

    def requested(self) -> bool:
        """Say whether work is to stop."""
        return self._event.is_set()

    def request(self, reason: Reason) -> None:
        """Ask. Nothing changes where somebody has asked already."""
        with self._lock:
            if self._reason is not None:
                return
            self._reason = reason
            self._event.set()
        if Stop._armed is self:
            signal.pthread_kill(threading.main_thread().ident or 0, _SIGNAL)

    def check(self) -> None:
        """Stop here if that was asked for.

        Raises:
            Stopped: If so.
        """
        if self._reason is not None:
            raise Stopped(self._reason)

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Let the block be interrupted, at its latest when it has ended.

        Raises:
            Stopped: From anywhere within, once it is asked for.
        """
        if threading.current_thread() is not threading.main_thread():
            self.check()
            yield
            self.check()
            return
        # It stays: a signal may come late, and would end the process by default.
        signal.signal(_SIGNAL, _interrupt)
        Stop._armed = self
        try:
            self.check()  # asked for before anybody could know that a signal is wanted
            yield
        finally:
            Stop._armed = None
        self.check()

    @classmethod
    def interrupt(cls) -> None:
        """Do what the signal asks for, where it still concerns anybody."""
        armed = cls._armed
        if armed is not None:
            cls._armed = None  # once: what cleans up isn't interrupted
            armed.check()


def _interrupt(number: int, frame: FrameType | None) -> None:
    del number, frame
    Stop.interrupt()
