"""What the shop needs from the world outside, as small as it can be.

Backends hold no policy: which states are legal, who may claim, what is paid, all that is decided
above. Every implementation passes the same tests (`tests/contracts`). All methods may raise
`BackendAway`; all may be called from several threads and processes at once.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Protocol

from service.accounts import Account, Hold, Key, Usage
from service.jobs import Beat, Claim, Delivery, Job, Order, Outcome, State

__all__ = ["ArtifactStore", "Census", "Dispatcher", "JobIndex", "JobStore", "KeyStore", "Ledger", "Roster", "Stored"]


class JobStore(Protocol):
    """Jobs, each in parts that are written once. Create-if-absent is all that a backend must be able to do."""

    def create(self, order: Order) -> None:
        """Write a new job's order; one that is there stays."""
        ...

    def get(self, job_id: str) -> Job | None:
        """Give all that is known of a job, or None where there is none."""
        ...

    def claim(self, job_id: str, claim: Claim) -> bool:
        """Write claim n if it isn't there and the job has no outcome; say whether it was written."""
        ...

    def beat(self, job_id: str, beat: Beat) -> bool:
        """Write an attempt's sign of life; say whether the job is still that attempt's: no outcome, no later claim."""
        ...

    def end(self, job_id: str, outcome: Outcome) -> bool:
        """Write the outcome if there is none; say whether it was written. A job that doesn't exist has no end."""
        ...

    def deliver(self, job_id: str, delivery: Delivery) -> bool:
        """Write delivery n: if it isn't there, or, with its answer, over its own beginning; say whether it was."""
        ...

    def remove(self, job_id: str) -> None:
        """Forget a job and all its parts; nothing happens where there is none."""
        ...


@dataclass(frozen=True, kw_only=True)
class Census:
    """How many jobs there are.

    Attributes:
        by_state: Count of each state; every state is there.
        oldest_queued_at: When the longest waiting one was submitted; None where none waits.
        frames_per_second: Output frames a second, summed over the beats of those that are PROCESSING.
    """

    by_state: Mapping[State, int]
    oldest_queued_at: datetime | None
    frames_per_second: float


class JobIndex(Protocol):
    """Finding jobs other than by their id."""

    def free(self, now: datetime, lease: timedelta, limit: int) -> Sequence[Job]:
        """Give jobs that may be claimed (`Job.is_free`), the longest waiting first."""
        ...

    def ended(self, before: datetime, limit: int) -> Sequence[Job]:
        """Give jobs that ended before a moment, the earliest first."""
        ...

    def undelivered(self, now: datetime, limit: int) -> Sequence[Job]:
        """Give ended jobs with a webhook whose delivery isn't done, the earliest ended first."""
        ...

    def ahead(self, job: Job) -> int | None:
        """Count the QUEUED jobs that were submitted before this one; None where that would cost too much."""
        ...

    def census(self, now: datetime, lease: timedelta) -> Census:
        """Count all jobs; those not seen alive for a lease add nothing to the frames a second."""
        ...


class KeyStore(Protocol):
    """Accounts and their keys."""

    def add(self, account: Account, key: Key) -> None:
        """Write a key, and its account where that isn't there yet."""
        ...

    def find(self, digest: str) -> Key | None:
        """Give the key of that digest, good or not, or None."""
        ...

    def keys(self, account_id: str | None = None) -> Sequence[Key]:
        """Give all keys, or one account's, in the order in which they were made."""
        ...

    def revoke(self, key_id: str, at: datetime) -> bool:
        """Revoke a key; False where there is none. The first revocation stands."""
        ...


class Ledger(Protocol):
    """Credits: every one granted is spendable, held by an open job, or spent. Nothing else ever happens to it."""

    def grant(self, account_id: str, credits: Decimal, at: datetime) -> Decimal:
        """Add credits (a negative number takes some) and give the new balance.

        Raises:
            NotFound: If there is no such account.
            InsufficientCredits: If the balance would fall below 0.
        """
        ...

    def balance(self, account_id: str) -> Decimal:
        """Give the spendable credits: what is held isn't among them.

        Raises:
            NotFound: If there is no such account.
        """
        ...

    def hold(self, hold: Hold, *, most_open: int) -> None:
        """Set credits aside for a new job.

        Raises:
            InsufficientCredits: If fewer are spendable.
            TooManyJobs: If `most_open` holds of that key are open already.
        """
        ...

    def change(self, job_id: str, credits: Decimal) -> None:
        """Make an open hold as large as `credits`; nothing happens where it is closed.

        Raises:
            CreditsExceeded: If the difference isn't spendable; the message says how much is needed and there.
        """
        ...

    def close(self, job_id: str, *, spent: Decimal, frames: int = 0, completed: bool = False) -> bool:
        """Close a hold: `spent` of it is gone, the rest spendable again; False where it was closed already.

        Never more is gone than was held. Jobs that COMPLETED count into the key's usage.
        """
        ...

    def open_holds(self, before: datetime, limit: int) -> Sequence[Hold]:
        """Give open holds made before a moment, the earliest first."""
        ...

    def usage(self, account_id: str | None = None) -> Sequence[Usage]:
        """Give what was done with each key that something was done with, of all accounts or one."""
        ...


class Roster(Protocol):
    """Which workers are alive."""

    def sign(self, worker: str, at: datetime) -> None:
        """Note that a worker is alive."""
        ...

    def leave(self, worker: str) -> None:
        """Note that a worker is gone in good order."""
        ...

    def alive(self, since: datetime) -> int | None:
        """Count the workers seen since a moment; None where workers come when there is work."""
        ...


class Dispatcher(Protocol):
    """Gets a job to a worker."""

    def dispatch(self, job_id: str) -> None:
        """See to it that somebody begins the job. May be called again for the same job."""
        ...

    def cancel(self, job_id: str) -> None:
        """Stop whoever works on a job that has ended. Best effort: a worker notices by itself as well."""
        ...


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A file in the artifact store."""

    name: str
    size_bytes: int
    stored_at: datetime


class ArtifactStore(Protocol):
    """Files: uploads, sources, results. Names are like `results/ID/1/clip.mp4`; a file is written once.

    A name is made of parts of letters, digits, `.`, `-` and `_`, none of which begins with a dot.
    """

    def workspace(self, job_id: str, attempt: int) -> AbstractContextManager[Path]:
        """Give an empty folder for an attempt's temporary files; it is gone afterwards, whatever happens."""
        ...

    def put(self, name: str, file: Path) -> Stored:
        """Take a file in, whole or not at all; it is gone from where it was."""
        ...

    def path(self, name: str) -> Path:
        """Give where a stored file can be read.

        Raises:
            FileNotFound: If there is none of that name.
        """
        ...

    def remove(self, prefix: str) -> None:
        """Remove a file, or all files below a name."""
        ...

    def names(self, prefix: str) -> Iterator[Stored]:
        """Give the files below a name."""
        ...

    def sweep_workspaces(self, is_live: Callable[[str, int], bool]) -> int:
        """Remove what dead attempts left: `is_live` is asked with job id and attempt. Give how many were removed."""
        ...
