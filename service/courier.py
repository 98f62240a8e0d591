"""Sees to it that webhooks are told of every end, across restarts and by several couriers at once.

Attempt n is written down before it is made, by whoever manages to (create-if-absent), and again with
its answer. An attempt without an answer failed: its courier died, or nobody answered. When the next
one is due follows from the last one alone, so any courier knows it.
"""

import logging
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Final

from service.jobs import Delivery, Job
from service.ports import JobIndex, JobStore
from service.webhooks import Undelivered, Webhooks

__all__ = ["Courier"]

_log = logging.getLogger(__name__)

# Seconds from one attempt to the next. All eight fit in the hour that a job is kept, each with a tenth more.
_PAUSES: Final = (5, 30, 120, 300, 600, 900, 1080)
_JITTER: Final = 0.1  # share of a pause by which it is longer, at most: receivers that come back aren't stormed
_GRACE: Final = timedelta(seconds=5)  # beyond its time limit, until an attempt without an answer has failed

_LOOKED_AT: Final = 2000  # undelivered jobs; most of them wait for their next attempt
_AT_ONCE: Final = 32  # attempts in one go: what ends meanwhile, with new hope, comes before the rest
_THREADS: Final = 8


class Courier:
    """Delivers what is due."""

    def __init__(  # noqa: PLR0913 (one argument a port)
        self,
        *,
        jobs: JobStore,
        index: JobIndex,
        webhooks: Webhooks,
        body_of: Callable[[Job], Mapping[str, Any]],
        attempts: int,
        seconds: float,
        clock: Callable[[], datetime],
    ) -> None:
        """Take the ports and the rules.

        Args:
            jobs: Where attempts are written down.
            index: Finds who is to be told.
            webhooks: Does the telling.
            body_of: Gives what is told of an ended job.
            attempts: Most attempts for a job.
            seconds: Longest that one takes: what `webhooks` was given.
            clock: Gives the time, UTC.
        """
        self._jobs = jobs
        self._index = index
        self._webhooks = webhooks
        self._body_of = body_of
        self._attempts = attempts
        self._answered_by = timedelta(seconds=seconds) + _GRACE
        self._clock = clock

    def deliver_due(self) -> int:
        """Try all that is due, several at a time; give how many were tried."""
        now = self._clock()
        due = [job for job in self._index.undelivered(now, _LOOKED_AT) if self._due_at(job) <= now]
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="courier") as threads:
            return sum(threads.map(self._try, _in_turn(due)[:_AT_ONCE]))

    def _due_at(self, job: Job) -> datetime:
        """Say when the next attempt may be made."""
        assert job.outcome is not None, "only what has ended is told"
        last = job.delivery
        if last is None:
            return job.outcome.ended_at
        pause = _pause(job.job_id, last.attempt)
        return last.at + (pause if last.status is not None else max(pause, self._answered_by))

    def _try(self, job: Job) -> bool:
        """Make the next attempt; False where there is none to make, or another courier makes it."""
        try:
            last = job.delivery
            if last is not None and last.attempt >= self._attempts:  # its courier died over the last one
                self._jobs.deliver(job.job_id, replace(last, done=True))
                _log.warning("webhook given up", extra={"job": job.job_id, "attempt": last.attempt})
                return False
            begun = Delivery(attempt=1 if last is None else last.attempt + 1, at=self._clock())
            if not self._jobs.deliver(job.job_id, begun):
                return False
            self._note(job, replace(begun, status=self._tell(job, begun)))
        except Exception:  # noqa: BLE001 (one job's trouble, or a store that is away, mustn't keep the others waiting)
            _log.exception("webhook not tried", extra={"job": job.job_id})
            return False
        return True

    def _tell(self, job: Job, begun: Delivery) -> int | None:
        """Post, and give the answer's status; None where there was none."""
        url = job.order.options.webhook_url
        assert url is not None, "only those with a webhook are undelivered"
        try:
            return self._webhooks.post(
                url, self._body_of(job), job_id=job.job_id, account_id=job.order.account_id, at=begun.at
            )
        except Undelivered as error:
            _log.info("webhook unanswered", extra={"job": job.job_id, "attempt": begun.attempt, "reason": str(error)})
        except Exception:  # noqa: BLE001 (the attempt failed, as if nobody had answered)
            _log.exception("webhook not made", extra={"job": job.job_id, "attempt": begun.attempt})
        return None

    def _note(self, job: Job, tried: Delivery) -> None:
        """Write down how an attempt went."""
        taken = tried.status is not None and HTTPStatus.OK <= tried.status < HTTPStatus.MULTIPLE_CHOICES
        refused = tried.status == HTTPStatus.GONE
        over = tried.attempt >= self._attempts
        if tried.status is None and not over:
            return  # that it has begun is all there is to know of it
        self._jobs.deliver(job.job_id, replace(tried, done=taken or refused or over))
        event = "delivered" if taken else "refused" if refused else "given up" if over else "failed"
        extra = {"job": job.job_id, "attempt": tried.attempt, "status": tried.status}
        _log.log(logging.INFO if taken else logging.WARNING, "webhook %s", event, extra=extra)


def _pause(job_id: str, attempt: int) -> timedelta:
    """Give the time from attempt `attempt` to the next, with a jitter that every courier agrees on."""
    seconds = _PAUSES[min(attempt, len(_PAUSES)) - 1]
    share = zlib.crc32(f"{job_id}:{attempt}".encode()) / 2**32
    return timedelta(seconds=seconds * (1 + _JITTER * share))


def _in_turn(due: list[Job]) -> list[Job]:
    """Order jobs: those tried least come first, and of each account one after the other accounts' ones."""
    due = sorted(due, key=lambda job: job.delivery.attempt if job.delivery else 0)
    turns: Counter[str] = Counter()
    turn: dict[str, int] = {}
    for job in due:
        turns[job.order.account_id] += 1
        turn[job.job_id] = turns[job.order.account_id]
    return sorted(due, key=lambda job: turn[job.job_id])
