"""What has to be done now and then, by anybody, any number of times: expire, recover, settle."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

from service.jobs import Job
from service.ports import ArtifactStore, Dispatcher, JobIndex, JobStore, Ledger
from service.runs import Runs

__all__ = ["Upkeep"]

_log = logging.getLogger(__name__)

_AT_ONCE = 200  # jobs or holds seen to in one sweep; the rest waits for the next
# Between a hold and its job, or a job's end and its settlement, lie milliseconds. What is older was left by the dead.
_GRACE = timedelta(minutes=1)
_BIRTH = timedelta(minutes=15)  # from a hold to its job, a body of any size may have to be decoded and stored


class Upkeep:
    """Sweeps up after time and accidents. Every step can be repeated and run by several at once."""

    def __init__(  # noqa: PLR0913 (one argument a port)
        self,
        *,
        jobs: JobStore,
        index: JobIndex,
        ledger: Ledger,
        artifacts: ArtifactStore,
        dispatcher: Dispatcher,
        runs: Runs,
        keep: timedelta,
        keep_uploads: timedelta,
        clock: Callable[[], datetime],
    ) -> None:
        """Take the ports, and how long results and uploads are kept."""
        self._jobs = jobs
        self._index = index
        self._ledger = ledger
        self._artifacts = artifacts
        self._dispatcher = dispatcher
        self._runs = runs
        self._keep = keep
        self._keep_uploads = keep_uploads
        self._clock = clock

    def sweep(self) -> None:
        """Do everything once."""
        self._runs.give_up_lost()
        self.recover()
        self.settle()
        self.expire()
        self.tidy()
        self._artifacts.sweep_workspaces(self._runs.is_live)

    def recover(self) -> int:
        """Dispatch again what nobody works on although it should be; give how many."""
        now = self._clock()
        stray = [
            job
            for job in self._index.free(now, self._runs.rules.lease, _AT_ONCE)
            if job.claim is not None or now - job.order.created_at > _GRACE
        ]
        for job in stray:
            self._dispatcher.dispatch(job.job_id)
        return len(stray)

    def settle(self) -> int:
        """Close holds whose job has ended, or was never made; give how many."""
        now, closed = self._clock(), 0
        for hold in self._ledger.open_holds(now - _GRACE, _AT_ONCE):
            job = self._jobs.get(hold.job_id)
            if job is None:
                if now - hold.created_at > _BIRTH:
                    closed += self._ledger.close(hold.job_id, spent=Decimal(0))
            elif job.outcome is not None:
                self._runs.settle(job)
                closed += 1
        if closed:
            _log.warning("settled late", extra={"holds": closed})
        return closed

    def expire(self) -> int:
        """Remove ended jobs whose time is over, their files first; give how many."""
        expired = self._index.ended(self._clock() - self._keep, _AT_ONCE)
        for job in expired:
            self._runs.settle(job)  # or its hold would be taken for one whose job was never made
            self._remove_files(job)
            self._jobs.remove(job.job_id)
            _log.info("expired", extra={"job": job.job_id})
        return len(expired)

    def tidy(self) -> int:
        """Remove files that belong to nothing: old uploads, results and sources without a job; give how many."""
        now = self._clock()
        stale = [old.name for old in self._artifacts.names("uploads") if now - old.stored_at > self._keep_uploads]
        for place in ("results", "sources"):
            settled = (old for old in self._artifacts.names(place) if now - old.stored_at > _GRACE)
            stale += [old.name for old in settled if not self._is_wanted(old.name)]
        for name in stale:
            self._artifacts.remove(name)
        return len(stale)

    def _is_wanted(self, name: str) -> bool:
        """Say whether the job of a result or source still needs it."""
        place, job_id = name.split("/")[:2]
        job = self._jobs.get(job_id)
        if job is None:
            return False
        if place == "sources" or job.outcome is None:
            return job.outcome is None
        return job.outcome.result is not None and job.outcome.result.artifact == name

    def _remove_files(self, job: Job) -> None:
        self._artifacts.remove(f"sources/{job.job_id}")
        self._artifacts.remove(f"results/{job.job_id}")
