"""A worker: takes jobs, one after the other, until it is told to end."""

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from typing import Final

from service.jobs import Job
from service.shop import Shop
from service.worker.run import Fetch, run_job
from service.worker.runners import SegmentRunner
from service.worker.stopping import Reason, Stop

__all__ = ["Worker"]

_log = logging.getLogger(__name__)

_POLL_SECONDS: Final = 0.25
_SIGN_SECONDS: Final = 1.0
_AWAY_SECONDS: Final = 2.0  # a database that doesn't answer isn't asked more often
_OBEY_SECONDS: Final = 3.0  # that stopping may take; longer than that takes only a network in mid-frame, or what hangs
_GONE_SECONDS: Final = 0.7  # the same where whoever started us is gone
_STUCK: Final = 75  # exit code, EX_TEMPFAIL: start me again


class Worker:
    """One worker, in the main thread of its process: one job at a time."""

    def __init__(
        self, shop: Shop, fetcher: Fetch, runner: SegmentRunner, *, leave: Callable[[int], object] = os._exit
    ) -> None:
        """Take the shop, and how jobs are done.

        Args:
            shop: Where jobs come from.
            fetcher: Gets sources.
            runner: Makes pieces.
            leave: Ends the process at once, when the work doesn't stop though it must.
        """
        self.name = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._shop = shop
        self._fetcher = fetcher
        self._runner = runner
        self._leave = leave
        self._ending = threading.Event()
        self._ended = threading.Event()
        self._current: tuple[Job, Stop] | None = None
        self._obey_seconds = _OBEY_SECONDS
        self._must_end_at: float | None = None  # by time.monotonic

    def run(self) -> None:
        """Work until told to end."""
        watch = threading.Thread(target=self._watch, name="roster", daemon=True)
        watch.start()
        _log.info("worker begins", extra={"worker": self.name})
        try:
            while self._must_end_at is None:
                self._ending.wait(self._take_one())
        finally:
            self._ended.set()
            watch.join()
            self._sign_off()
        _log.info("worker ends", extra={"worker": self.name})

    def end(self, *, within_seconds: float) -> None:
        """Take no more jobs; give the current one back where it takes longer than so many seconds.

        Only notes that, so it may be called by a signal's handler and from any thread: an event, set by
        a handler just while it is looked at, would wait for itself.
        """
        self._must_end_at = time.monotonic() + within_seconds

    def abandon(self) -> None:
        """End at once: whoever started us is gone."""
        self._obey_seconds = _GONE_SECONDS
        self.end(within_seconds=0)

    def _take_one(self) -> float:
        """Do a job where there is one; give for how long to wait until the next look."""
        try:
            job = self._shop.runs.take_next(self.name)
        except Exception:  # noqa: BLE001 (whatever it was, the next time may do better)
            _log.warning("no jobs can be looked for", extra={"worker": self.name}, exc_info=True)
            return _AWAY_SECONDS
        if job is None:
            return _POLL_SECONDS
        stop = Stop()
        self._current = job, stop
        try:
            run_job(job, shop=self._shop, fetcher=self._fetcher, runner=self._runner, stop=stop)
        finally:
            self._current = None
        return 0.0

    def _watch(self) -> None:
        """Sign the roster, sweep, and see to it that work which is to stop does."""
        signed = swept = asked_at = -float("inf")
        while not self._ended.wait(_POLL_SECONDS / 2):
            now = time.monotonic()
            if self._must_end_at is not None:
                self._ending.set()
            if self._must_end_at is not None and now >= self._must_end_at and self._current is not None:
                self._current[1].request(Reason.HAND_BACK)
            current = self._current
            if current is None or not current[1].requested():
                asked_at = now
            elif now - asked_at > self._obey_seconds:
                self._leave_stuck(*current)
            if now - signed >= _SIGN_SECONDS:
                signed = now
                self._quietly(lambda: self._shop.roster.sign(self.name, self._shop.clock()))
            if now - swept >= self._shop.settings.sweep_seconds:
                swept = now
                self._quietly(lambda: self._shop.artifacts.sweep_workspaces(self._shop.runs.is_live))

    def _leave_stuck(self, job: Job, stop: Stop) -> None:
        """End the process in the middle of its work; its ffmpegs end with it, and its files are swept away."""
        assert job.claim is not None, "it is being worked on"
        _log.warning("work doesn't stop; the worker ends", extra={"job": job.job_id, "worker": self.name})
        attempt = job.claim.attempt
        if stop.reason is Reason.HAND_BACK:
            self._quietly(lambda: self._shop.runs.hand_back(job))
        self._sign_off()
        here = (job.job_id, attempt)
        self._quietly(
            lambda: self._shop.artifacts.sweep_workspaces(
                lambda *found: found != here and self._shop.runs.is_live(*found)
            )
        )
        self._leave(_STUCK)

    def _sign_off(self) -> None:
        self._quietly(lambda: self._shop.roster.leave(self.name))

    def _quietly(self, do: Callable[[], object]) -> None:
        """Do what isn't worth ending for."""
        try:
            do()
        except Exception:  # noqa: BLE001 (whatever it was, the next time may do better)
            _log.warning("a chore failed", extra={"worker": self.name}, exc_info=True)
