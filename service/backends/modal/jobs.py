"""Jobs in a `modal.Dict`, whose only compare-and-set is create-if-absent.

A job is several entries, each written once but for beats and answers:

    ID/order   ID/claim/1 …   ID/beat/1 …   ID/outcome   ID/delivery/1 …

There is no index, so finding jobs other than by id reads the whole Dict; only the sweep and the
metrics do. An entry that nobody reads or writes is forgotten by Modal after 7 days; ours are removed
an hour after their job's end.
"""

from collections import defaultdict
from collections.abc import Generator, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import modal

from service.errors import BackendAway
from service.jobs import Beat, Claim, Delivery, Job, Order, Outcome, State
from service.ports import Census

__all__ = ["DictJobs"]

Entry = Mapping[str, Any]
_ORDER, _CLAIM, _BEAT, _OUTCOME, _DELIVERY = "order", "claim", "beat", "outcome", "delivery"
_READERS = 32  # calls that wait for the platform at once


class DictJobs:
    """`JobStore` and `JobIndex` in one Dict."""

    def __init__(self, entries: modal.Dict) -> None:
        """Keep jobs in `entries`."""
        self._entries = entries
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="dict")

    def create(self, order: Order) -> None:
        """Write a new job's order."""
        with _away():
            self._entries.put(f"{order.job_id}/{_ORDER}", order.to_json(), skip_if_exists=True)

    def get(self, job_id: str) -> Job | None:
        """Give all that is known of a job, or None where there is none."""
        # A poll waits for the platform once: nearly every job has one attempt, or none yet.
        found = self._read_all(job_id, (_ORDER, _OUTCOME, f"{_CLAIM}/1", f"{_BEAT}/1", f"{_CLAIM}/2", f"{_DELIVERY}/1"))
        if _ORDER not in found:
            return None
        for number in count(2):
            if f"{_CLAIM}/{number}" not in found:
                break
            found |= self._read_all(job_id, (f"{_BEAT}/{number}", f"{_CLAIM}/{number + 1}"))
        for number in count(1):
            if f"{_DELIVERY}/{number}" not in found:
                break
            found |= self._read_all(job_id, (f"{_DELIVERY}/{number + 1}",))
        return _assemble(found)

    def claim(self, job_id: str, claim: Claim) -> bool:
        """Write claim n if it isn't there and the job has no outcome; say whether it was written.

        A job that ends between the two gets a claim all the same: its worker is told by its first beat.
        """
        if self._read_all(job_id, (_ORDER, _OUTCOME)).keys() != {_ORDER}:
            return False
        return self._create(job_id, f"{_CLAIM}/{claim.attempt}", claim.to_json())

    def beat(self, job_id: str, beat: Beat) -> bool:
        """Write an attempt's sign of life; say whether the job is still that attempt's."""
        if self._read_all(job_id, (_ORDER, _OUTCOME, f"{_CLAIM}/{beat.attempt + 1}")).keys() != {_ORDER}:
            return False
        with _away():
            self._entries.put(f"{job_id}/{_BEAT}/{beat.attempt}", beat.to_json())
        return True

    def end(self, job_id: str, outcome: Outcome) -> bool:
        """Write the outcome if there is none; say whether it was written."""
        if self._read(job_id, _ORDER) is None:
            return False
        return self._create(job_id, _OUTCOME, outcome.to_json())

    def deliver(self, job_id: str, delivery: Delivery) -> bool:
        """Write delivery n: if it isn't there, or, with its answer, over its own beginning; say whether it was."""
        name = f"{_DELIVERY}/{delivery.attempt}"
        if self._create(job_id, name, delivery.to_json()):
            return True
        if delivery.status is None and not delivery.done:
            return False
        with _away():
            self._entries.put(f"{job_id}/{name}", delivery.to_json())
        return True

    def remove(self, job_id: str) -> None:
        """Forget a job and all its parts; nothing happens where there is none."""
        # The order first: without it the job can't be found, and what a death leaves is swept with the next scan.
        with _away():
            self._entries.pop(f"{job_id}/{_ORDER}", None)
        for part, along in ((_CLAIM, _BEAT), (_DELIVERY, None)):
            for number in count(1):
                with _away():
                    if along is not None:
                        self._entries.pop(f"{job_id}/{along}/{number}", None)
                    if self._entries.pop(f"{job_id}/{part}/{number}", None) is None:
                        break
        with _away():
            self._entries.pop(f"{job_id}/{_OUTCOME}", None)

    def free(self, now: datetime, lease: timedelta, limit: int) -> Sequence[Job]:
        """Give jobs that may be claimed, the longest waiting first."""
        free = (job for job in self._scan() if job.is_free(now, lease))
        return sorted(free, key=lambda job: job.order.created_at)[:limit]

    def ended(self, before: datetime, limit: int) -> Sequence[Job]:
        """Give jobs that ended before a moment, the earliest first."""
        return [job for job in self._ended() if job.outcome and job.outcome.ended_at < before][:limit]

    def undelivered(self, now: datetime, limit: int) -> Sequence[Job]:
        """Give ended jobs with a webhook whose delivery isn't done, the earliest ended first."""
        del now
        return [
            job
            for job in self._ended()
            if job.order.options.webhook_url is not None and not (job.delivery and job.delivery.done)
        ][:limit]

    def ahead(self, job: Job) -> None:
        """Give None, for no telling: every poll would read the whole Dict."""
        del job

    def census(self, now: datetime, lease: timedelta) -> Census:
        """Count all jobs; those not seen alive for a lease add nothing to the frames a second."""
        by_state = dict.fromkeys(State, 0)
        oldest: datetime | None = None
        pace = 0.0
        for job in self._scan():
            by_state[job.state] += 1
            if job.state is State.QUEUED:
                oldest = min(oldest or job.order.created_at, job.order.created_at)
            if job.state is State.PROCESSING and not job.is_free(now, lease):
                pace += job.frames_per_second
        return Census(by_state=by_state, oldest_queued_at=oldest, frames_per_second=pace)

    def _ended(self) -> list[Job]:
        ended = (job for job in self._scan() if job.outcome is not None)
        return sorted(ended, key=lambda job: job.outcome.ended_at if job.outcome else job.order.created_at)

    def _scan(self) -> Iterable[Job]:
        """Read the whole Dict. Writes go on meanwhile, so a job may be seen as it was a moment ago."""
        found: dict[str, dict[str, Entry]] = defaultdict(dict)
        with _away():
            for key, value in self._entries.items():
                job_id, _, name = str(key).partition("/")
                found[job_id][name] = value
        for job_id, entries in found.items():
            if _ORDER in entries:
                yield _assemble(entries)
            elif self._read(job_id, _ORDER) is None:  # left by a removal that was cut short, or written after it
                for name in entries:
                    with _away():
                        self._entries.pop(f"{job_id}/{name}", None)

    def _read_all(self, job_id: str, names: Sequence[str]) -> dict[str, Entry]:
        """Read several entries at once, and give those that are there."""
        entries = self._readers.map(lambda name: self._read(job_id, name), names)
        return {name: entry for name, entry in zip(names, entries, strict=True) if entry is not None}

    def _read(self, job_id: str, name: str) -> Entry | None:
        with _away():
            entry: Entry | None = self._entries.get(f"{job_id}/{name}")
            return entry

    def _create(self, job_id: str, name: str, value: Entry) -> bool:
        with _away():
            return bool(self._entries.put(f"{job_id}/{name}", value, skip_if_exists=True))


@contextmanager
def _away() -> Generator[None, None, None]:
    """Say in our words that the platform doesn't answer."""
    try:
        yield
    except (modal.exception.Error, OSError) as error:
        raise BackendAway("jobs can't be reached at the moment; try again") from error


def _last(entries: Mapping[str, Entry], part: str) -> int:
    """Give the highest number of a part, 0 where there is none."""
    numbers = (name.partition("/") for name in entries)
    return max((int(number) for kind, _, number in numbers if kind == part), default=0)


def _assemble(entries: Mapping[str, Entry]) -> Job:
    claim, delivery = _last(entries, _CLAIM), _last(entries, _DELIVERY)
    beat = entries.get(f"{_BEAT}/{claim}")
    outcome = entries.get(_OUTCOME)
    return Job(
        order=Order.from_json(entries[_ORDER]),
        claim=Claim.from_json(entries[f"{_CLAIM}/{claim}"]) if claim else None,
        beat=None if beat is None else Beat.from_json(beat),
        outcome=None if outcome is None else Outcome.from_json(outcome),
        delivery=Delivery.from_json(entries[f"{_DELIVERY}/{delivery}"]) if delivery else None,
    )
