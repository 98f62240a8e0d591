"""What workers do with a job: take it, show that they live, price it, end it. Here is every rule of a job's life."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from service.errors import Expired, JobError, WorkerLost
from service.jobs import Beat, Failure, Job, Outcome, Result
from service.ports import ArtifactStore, JobIndex, JobStore, Ledger

__all__ = ["Rules", "Runs"]

_log = logging.getLogger(__name__)

_LOOKED_AT = 16  # free jobs looked at in one go: several workers may be after the first one


@dataclass(frozen=True, kw_only=True)
class Rules:
    """How long things may take.

    Attributes:
        lease: A worker that gives no sign of life for so long has lost its job.
        retries: How often a job is begun again after its worker was lost.
        queue: Longest that a job may wait for its first worker.
    """

    lease: timedelta
    retries: int
    queue: timedelta


class Runs:
    """The workshop's side of the shop."""

    def __init__(  # noqa: PLR0913 (one argument a port)
        self,
        *,
        jobs: JobStore,
        index: JobIndex,
        ledger: Ledger,
        artifacts: ArtifactStore,
        rules: Rules,
        clock: Callable[[], datetime],
    ) -> None:
        """Take the ports."""
        self._jobs = jobs
        self._index = index
        self._ledger = ledger
        self._artifacts = artifacts
        self._clock = clock
        self.rules = rules

    def take_next(self, worker: str) -> Job | None:
        """Claim the job that has waited longest, or give None where none is free."""
        for job in self._index.free(self._clock(), self.rules.lease, _LOOKED_AT):
            taken = self.take(job.job_id, worker)
            if taken is not None:
                return taken
        return None

    def take(self, job_id: str, worker: str) -> Job | None:
        """Claim a job; None where it isn't free, or can't be begun again and so was ended."""
        now = self._clock()
        job = self._jobs.get(job_id)
        if job is None or not job.is_free(now, self.rules.lease) or self._give_up(job, now):
            return None
        claim = job.next_claim(worker, now)
        if not self._jobs.claim(job_id, claim):
            return None
        _log.info("processing", extra={"job": job_id, "worker": worker, "attempt": claim.attempt, "lost": claim.lost})
        return job.with_claim(claim)

    def give_up_lost(self) -> int:
        """End the free jobs that nobody may begin any more; give how many there were."""
        now = self._clock()
        return sum(self._give_up(job, now) for job in self._index.free(now, self.rules.lease, _LOOKED_AT))

    def _give_up(self, job: Job, now: datetime) -> bool:
        """End a free job whose workers were lost too often, or that waited too long."""
        if job.next_claim("", now).lost > self.rules.retries:
            self.fail(job, WorkerLost())
            return True
        if job.claim is None and now - job.order.created_at > self.rules.queue:
            self.fail(job, Expired())
            return True
        return False

    def is_live(self, job_id: str, attempt: int) -> bool:
        """Say whether an attempt is its job's latest and may still go on: its workspace is needed."""
        job = self._jobs.get(job_id)
        return job is not None and job.outcome is None and job.claim is not None and job.claim.attempt == attempt

    def beat(self, job: Job, beat: Beat) -> bool:
        """Show that the worker of `job` lives; False where the job isn't its any more, and it should stop."""
        return self._jobs.beat(job.job_id, beat)

    def hand_back(self, job: Job) -> None:
        """Give a job back unfinished, in good order: the next worker may begin at once, and it counts as no loss."""
        assert job.claim is not None, "only who has it can give it back"
        self._jobs.beat(job.job_id, Beat(attempt=job.claim.attempt, at=self._clock(), handed_back=True))
        _log.info("handed back", extra={"job": job.job_id, "worker": job.claim.worker, "attempt": job.claim.attempt})

    def price(self, job: Job, credits: Decimal) -> None:
        """Make the hold the job's exact price.

        Raises:
            CreditsExceeded: If the account doesn't have it.
        """
        self._ledger.change(job.job_id, credits)

    def complete(self, job: Job, result: Result, *, cost: Decimal, began_at: datetime) -> bool:
        """End a job well; False where it had ended already, and then the result is removed."""
        now = self._clock()
        seconds = max(0.0, (now - began_at).total_seconds())
        return self.end(job, Outcome(ended_at=now, result=result, cost=cost, inference_seconds=seconds))

    def fail(self, job: Job, error: JobError | Failure) -> bool:
        """End a job badly; False where it had ended already."""
        failure = error if isinstance(error, Failure) else Failure(code=error.code, message=str(error))
        return self.end(job, Outcome(ended_at=self._clock(), failure=failure))

    def end(self, job: Job, outcome: Outcome) -> bool:
        """End a job, once: whoever is first. The credits follow, and so do the files that nobody needs any more.

        Where we die between the end and what follows, the next sweep does the rest (`service.upkeep`).
        """
        won = self._jobs.end(job.job_id, outcome)
        if not won:
            self._discard(outcome)
            return False
        extra = {"job": job.job_id, "attempt": job.claim.attempt if job.claim else 0, "cost": str(outcome.cost)}
        if outcome.failure is not None:
            extra["code"] = outcome.failure.code
        _log.info(outcome.state.lower(), extra=extra)
        self.settle(replace(job, outcome=outcome))
        return True

    def settle(self, job: Job) -> None:
        """Do what follows from a job's end; doing it again changes nothing."""
        self.pay(job)
        self._artifacts.remove(f"sources/{job.job_id}")

    def pay(self, job: Job) -> None:
        """Close an ended job's hold; doing it again changes nothing."""
        outcome = job.outcome
        assert outcome is not None, "only what has ended is paid"
        frames = outcome.result.frames if outcome.result else 0
        self._ledger.close(job.job_id, spent=outcome.cost, frames=frames, completed=outcome.result is not None)

    def _discard(self, outcome: Outcome) -> None:
        if outcome.result is not None:
            self._artifacts.remove(outcome.result.artifact)
