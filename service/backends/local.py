"""Workers on this machine: child processes that look for jobs by themselves, and are started again when they die.

Each has a pipe from us as its standard input. When we end, however that is, it closes, and they end too.
"""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

__all__ = ["Crew", "PollingDispatcher", "Starter"]

_log = logging.getLogger(__name__)

_FIRST_PAUSE_SECONDS: Final = 0.5
_LONGEST_PAUSE_SECONDS: Final = 30.0
_SOUND_SECONDS: Final = 30.0  # who lived for so long didn't die of how it was started
_OBEY_SECONDS: Final = 3.0  # after being told to end at once
_GLANCE_SECONDS: Final = 0.05


class PollingDispatcher:
    """A dispatcher for workers that look for jobs several times a second: nothing has to be done."""

    def dispatch(self, job_id: str) -> None:
        """Leave it to the workers to find the job."""

    def cancel(self, job_id: str) -> None:
        """Leave it to the worker to notice at its next beat."""


class Starter:
    """Whoever started this process as a worker of a crew: it holds the other side of our standard input."""

    def __init__(self) -> None:
        """Begin to listen. While nothing else is asked for, the end of the starter is ours at once."""
        self._do: Callable[[], object] = lambda: os._exit(1)
        threading.Thread(target=self._listen, name="starter", daemon=True).start()

    def when_gone(self, do: Callable[[], object]) -> None:
        """Say what is to be done instead, in another thread."""
        self._do = do

    def _listen(self) -> None:
        while os.read(sys.stdin.fileno(), 1):  # not by sys.stdin, whose lock the end of the process would wait for
            pass
        self._do()


class _Place:
    """One worker's place: who fills it now, and when it may be filled again."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self.started = 0.0
        self.pause = 0.0
        self.due = 0.0


class Crew:
    """A number of worker processes; one thread tends it."""

    def __init__(self, command: Sequence[str], count: int) -> None:
        """Take the command that runs one worker, and how many there are to be."""
        self._command = list(command)
        self._places = [_Place() for _ in range(count)]

    def tend(self) -> None:
        """Start whoever is missing; those that die at once again and again are waited with longer and longer."""
        for place in self._places:
            now = time.monotonic()
            if place.process is not None and place.process.poll() is not None:
                self._bury(place, now)
            if place.process is None and now >= place.due:
                self._fill(place, now)

    def end(self, *, within_seconds: float, hurry: Callable[[], bool]) -> None:
        """Ask all to end, wait for them, and end those that don't.

        Args:
            within_seconds: How long their jobs may still take.
            hurry: Asked all the time; True where there is no more time at all.
        """
        self._signal(signal.SIGTERM)
        if not self._wait(within_seconds + _OBEY_SECONDS, unless=hurry):
            self._signal(signal.SIGTERM)
            if not self._wait(_OBEY_SECONDS, unless=lambda: False):
                self._signal(signal.SIGKILL)
                self._wait(_OBEY_SECONDS, unless=lambda: False)

    def _fill(self, place: _Place, now: float) -> None:
        place.started = now
        try:
            # A session of its own: Ctrl-C in a terminal reaches us, and we end it in good order.
            place.process = subprocess.Popen(  # noqa: S603 (our own command)
                self._command, stdin=subprocess.PIPE, start_new_session=True
            )
        except OSError as error:  # no memory, no more processes: that may pass
            self._postpone(place, now)
            _log.error("worker not started", extra={"error": error.strerror, "pause": place.pause})

    def _postpone(self, place: _Place, now: float) -> None:
        sound = now - place.started >= _SOUND_SECONDS
        place.pause = 0.0 if sound else min(max(_FIRST_PAUSE_SECONDS, 2 * place.pause), _LONGEST_PAUSE_SECONDS)
        place.due = now + place.pause

    def _bury(self, place: _Place, now: float) -> None:
        assert place.process is not None, "there is somebody to bury"
        self._postpone(place, now)
        _log.warning(
            "worker died", extra={"pid": place.process.pid, "status": place.process.returncode, "pause": place.pause}
        )
        self._close(place)

    def _signal(self, number: int) -> None:
        for place in self._places:
            if place.process is not None:
                place.process.send_signal(number)  # does nothing where it has ended

    def _wait(self, seconds: float, *, unless: Callable[[], bool]) -> bool:
        """Say whether all have ended within so many seconds."""
        deadline = time.monotonic() + seconds
        while True:
            for place in self._places:
                if place.process is not None and place.process.poll() is not None:
                    self._close(place)
            if all(place.process is None for place in self._places):
                return True
            if time.monotonic() > deadline or unless():
                return False
            time.sleep(_GLANCE_SECONDS)

    def _close(self, place: _Place) -> None:
        assert place.process is not None, "there is somebody"
        assert place.process.stdin is not None, "each has a pipe"
        place.process.stdin.close()
        place.process = None
