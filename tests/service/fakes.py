"""The ports in memory, each as small as it can be, and a clock that tests turn.

`MemoryJobs` keeps a job as a Dict that knows nothing but create-if-absent would, so what passes on
it needs nothing more.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from service.accounts import Account, Hold, Key, Usage, plain
from service.errors import CreditsExceeded, InsufficientCredits, NotFound, TooManyJobs
from service.jobs import Beat, Claim, Delivery, Job, Order, Outcome, State
from service.ports import Census

__all__ = [
    "Clock",
    "MemoryDispatcher",
    "MemoryIndex",
    "MemoryJobs",
    "MemoryKeys",
    "MemoryLedger",
    "MemoryRoster",
]


class Clock:
    """A clock that stands still until it is turned."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 29, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, seconds: float) -> datetime:
        self.now += timedelta(seconds=seconds)
        return self.now


class MemoryJobs:
    """A JobStore over create-if-absent."""

    def __init__(self) -> None:
        self._parts: dict[tuple[str, str, int], Any] = {}
        self._lock = threading.Lock()

    def create(self, order: Order) -> None:
        self._create(order.job_id, "order", 0, order)

    def get(self, job_id: str) -> Job | None:
        with self._lock:
            parts = {(kind, n): part for (of, kind, n), part in self._parts.items() if of == job_id}
        if ("order", 0) not in parts:
            return None
        claim, delivery = (max((n for kind, n in parts if kind == of), default=0) for of in ("claim", "delivery"))
        return Job(
            order=parts["order", 0],
            claim=parts.get(("claim", claim)),
            beat=parts.get(("beat", claim)),
            outcome=parts.get(("outcome", 0)),
            delivery=parts.get(("delivery", delivery)),
        )

    def claim(self, job_id: str, claim: Claim) -> bool:
        job = self.get(job_id)
        if job is None or job.outcome is not None:
            return False
        return self._create(job_id, "claim", claim.attempt, claim)

    def beat(self, job_id: str, beat: Beat) -> bool:
        job = self.get(job_id)
        if job is None or job.outcome is not None or job.claim is None or job.claim.attempt > beat.attempt:
            return False
        with self._lock:
            self._parts[job_id, "beat", beat.attempt] = beat
        return True

    def end(self, job_id: str, outcome: Outcome) -> bool:
        return self.get(job_id) is not None and self._create(job_id, "outcome", 0, outcome)

    def deliver(self, job_id: str, delivery: Delivery) -> bool:
        if self.get(job_id) is None:
            return False
        if self._create(job_id, "delivery", delivery.attempt, delivery):
            return True
        if delivery.status is None and not delivery.done:
            return False
        with self._lock:
            self._parts[job_id, "delivery", delivery.attempt] = delivery
        return True

    def remove(self, job_id: str) -> None:
        with self._lock:
            for place in [place for place in self._parts if place[0] == job_id]:
                del self._parts[place]

    def all(self) -> list[Job]:
        with self._lock:
            ids = [job_id for job_id, kind, _ in self._parts if kind == "order"]
        return [job for job in map(self.get, ids) if job is not None]

    def _create(self, job_id: str, kind: str, number: int, part: object) -> bool:
        with self._lock:
            there = (job_id, kind, number) in self._parts
            self._parts.setdefault((job_id, kind, number), part)
        return not there


class MemoryIndex:
    """A JobIndex that looks at every job."""

    def __init__(self, jobs: MemoryJobs) -> None:
        self._jobs = jobs

    def free(self, now: datetime, lease: timedelta, limit: int) -> Sequence[Job]:
        free = [job for job in self._jobs.all() if job.is_free(now, lease)]
        return sorted(free, key=lambda job: job.order.created_at)[:limit]

    def ended(self, before: datetime, limit: int) -> Sequence[Job]:
        ended = [(job.outcome.ended_at, job.job_id, job) for job in self._jobs.all() if job.outcome]
        return [job for at, _, job in sorted(ended, key=lambda item: item[:2]) if at < before][:limit]

    def undelivered(self, now: datetime, limit: int) -> Sequence[Job]:
        ended = self.ended(now + timedelta(microseconds=1), limit=1_000_000)
        untold = [job for job in ended if not (job.delivery and job.delivery.done)]
        return [job for job in untold if job.order.options.webhook_url is not None][:limit]

    def ahead(self, job: Job) -> int | None:
        waiting = [other for other in self._jobs.all() if other.state is State.QUEUED]
        return sum(other.order.created_at < job.order.created_at for other in waiting)

    def census(self, now: datetime, lease: timedelta) -> Census:
        jobs = self._jobs.all()
        states = [job.state for job in jobs]
        queued = [job.order.created_at for job in jobs if job.state is State.QUEUED]
        return Census(
            by_state={state: states.count(state) for state in State},
            oldest_queued_at=min(queued, default=None),
            frames_per_second=sum(job.frames_per_second for job in jobs if not job.is_free(now, lease)),
        )


class MemoryKeys:
    """A KeyStore."""

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self._keys: dict[str, Key] = {}
        self._lock = threading.Lock()

    def add(self, account: Account, key: Key) -> None:
        with self._lock:
            self.accounts.setdefault(account.account_id, account)
            self._keys[key.key_id] = key

    def find(self, digest: str) -> Key | None:
        return next((key for key in self.keys() if key.digest == digest), None)

    def keys(self, account_id: str | None = None) -> Sequence[Key]:
        with self._lock:
            return [key for key in self._keys.values() if account_id in {None, key.account_id}]

    def revoke(self, key_id: str, at: datetime) -> bool:
        with self._lock:
            key = self._keys.get(key_id)
            if key is not None:
                self._keys[key_id] = replace(key, revoked_at=key.revoked_at or at)
            return key is not None


@dataclass
class _Purse:
    granted: Decimal = Decimal(0)
    spent: Decimal = Decimal(0)
    holds: dict[str, Hold] = field(default_factory=dict)

    @property
    def balance(self) -> Decimal:
        return self.granted - self.spent - sum(hold.credits for hold in self.holds.values())


class MemoryLedger:
    """A Ledger of the accounts in a MemoryKeys."""

    def __init__(self, keys: MemoryKeys) -> None:
        self._keys = keys
        self._purses: dict[str, _Purse] = {}
        self._usage: dict[str, tuple[str, Usage]] = {}
        self._lock = threading.RLock()

    def grant(self, account_id: str, credits: Decimal, at: datetime) -> Decimal:  # noqa: ARG002 (the port's)
        with self._lock:
            purse = self._purse(account_id)
            if purse.balance + credits < 0:
                raise InsufficientCredits
            purse.granted += credits
            return purse.balance

    def balance(self, account_id: str) -> Decimal:
        with self._lock:
            return self._purse(account_id).balance

    def hold(self, hold: Hold, *, most_open: int) -> None:
        with self._lock:
            purse = self._purse(hold.account_id)
            if purse.balance < hold.credits:
                raise InsufficientCredits
            if sum(other.key_id == hold.key_id for other in purse.holds.values()) >= most_open:
                raise TooManyJobs(retry_at=hold.created_at + timedelta(seconds=5))
            purse.holds[hold.job_id] = hold

    def change(self, job_id: str, credits: Decimal) -> None:
        with self._lock:
            for purse in self._purses.values():
                if (hold := purse.holds.get(job_id)) is not None:
                    there = purse.balance + hold.credits
                    if credits > there:
                        raise CreditsExceeded(f"insufficient credits: needs {plain(credits)}, has {plain(there)}")
                    purse.holds[job_id] = replace(hold, credits=credits)

    def close(self, job_id: str, *, spent: Decimal, frames: int = 0, completed: bool = False) -> bool:
        with self._lock:
            for purse in self._purses.values():
                if (hold := purse.holds.pop(job_id, None)) is not None:
                    taken = min(spent, hold.credits)
                    purse.spent += taken
                    if completed:
                        self._count(hold, frames, taken)
                    return True
            return False

    def open_holds(self, before: datetime, limit: int) -> Sequence[Hold]:
        with self._lock:
            holds = [hold for purse in self._purses.values() for hold in purse.holds.values()]
        return sorted((hold for hold in holds if hold.created_at < before), key=lambda hold: hold.created_at)[:limit]

    def usage(self, account_id: str | None = None) -> Sequence[Usage]:
        with self._lock:
            return [usage for owner, usage in self._usage.values() if account_id in {None, owner}]

    def _purse(self, account_id: str) -> _Purse:
        if account_id not in self._keys.accounts:
            raise NotFound(f"there is no account {account_id}")
        return self._purses.setdefault(account_id, _Purse())

    def _count(self, hold: Hold, frames: int, taken: Decimal) -> None:
        none = Usage(key_id=hold.key_id, jobs=0, frames=0, credits=Decimal(0))
        _, old = self._usage.get(hold.key_id, ("", none))
        new = replace(old, jobs=old.jobs + 1, frames=old.frames + frames, credits=old.credits + taken)
        self._usage[hold.key_id] = (hold.account_id, new)


class MemoryRoster:
    """A Roster."""

    def __init__(self) -> None:
        self._seen: dict[str, datetime] = {}

    def sign(self, worker: str, at: datetime) -> None:
        self._seen[worker] = at

    def leave(self, worker: str) -> None:
        self._seen.pop(worker, None)

    def alive(self, since: datetime) -> int | None:
        return sum(at >= since for at in list(self._seen.values()))


class MemoryDispatcher:
    """A Dispatcher that remembers what it was asked."""

    def __init__(self) -> None:
        self.dispatched: list[str] = []
        self.cancelled: list[str] = []

    def dispatch(self, job_id: str) -> None:
        self.dispatched.append(job_id)

    def cancel(self, job_id: str) -> None:
        self.cancelled.append(job_id)
