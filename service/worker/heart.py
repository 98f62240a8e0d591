"""A job's sign of life: once a second, in a thread of its own, until the job ends or isn't ours."""

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime
from types import TracebackType
from typing import Final, Self

from service.jobs import Beat, Job
from service.runs import Runs
from service.worker.stopping import Reason, Stop

__all__ = ["BEAT_SECONDS", "Heart"]

_log = logging.getLogger(__name__)

BEAT_SECONDS: Final = 1.0


class Heart:
    """Beats while its context lasts, and stops the work where that has lost its sense."""

    def __init__(self, runs: Runs, job: Job, stop: Stop, *, most_seconds: float, clock: Callable[[], datetime]) -> None:
        """Take whose life is shown, and how long it may last at most."""
        self._runs = runs
        self._job = job
        self._stop = stop
        self._most_seconds = most_seconds
        self._clock = clock
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heart", daemon=True)
        self._frames_done = self._frames_total = 0
        self.began_at: datetime | None = None

    def begin(self, frames_total: int) -> None:
        """Note that the first frame is begun, and how many there will be."""
        self.began_at = self._clock()
        self._frames_total = frames_total

    def count(self, frames: int) -> None:
        """Note that frames were made."""
        self._frames_done += frames

    def __enter__(self) -> Self:
        """Begin to beat."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Beat no more: when this returns, no beat comes after whatever is written next."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        started = heard = time.monotonic()
        while not self._over.wait(BEAT_SECONDS):
            if time.monotonic() - started > self._most_seconds:
                self._stop.request(Reason.TOO_LONG)
            try:
                if not self._runs.beat(self._job, self._beat()):
                    self._stop.request(Reason.NOT_OURS)
                heard = time.monotonic()
            except Exception:  # noqa: BLE001 (whatever it was, the next beat may do better)
                _log.warning("no beat", extra={"job": self._job.job_id}, exc_info=True)
                if time.monotonic() - heard > self._runs.rules.lease.total_seconds():
                    self._stop.request(Reason.NOT_OURS)  # others must take us for dead

    def _beat(self) -> Beat:
        assert self._job.claim is not None, "only a claimed job has a worker"
        return Beat(
            attempt=self._job.claim.attempt,
            at=self._clock(),
            frames_done=self._frames_done,
            frames_total=self._frames_total,
            began_at=self.began_at,
        )
