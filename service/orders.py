"""What callers can do: upload, submit, look, cancel."""

import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from service.accounts import Caller, Hold
from service.errors import AlreadyEnded, BackendAway, Cancelled, RequestNotFound
from service.intake import Intake
from service.jobs import Failure, Job, Options, Order, Outcome, State, new_job_id
from service.ports import ArtifactStore, Dispatcher, JobIndex, JobStore, Ledger
from service.runs import Runs

__all__ = ["Orders", "Terms"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What the house grants.

    Attributes:
        minimum_hold: Credits that a new job sets aside until its exact price is known.
        jobs_per_key: Jobs of one key that may wait or run at once.
        keep: How long a result is kept after its job's end.
    """

    minimum_hold: Decimal
    jobs_per_key: int
    keep: timedelta


class Orders:
    """The counter of the shop."""

    def __init__(  # noqa: PLR0913 (one argument a port)
        self,
        *,
        jobs: JobStore,
        index: JobIndex,
        ledger: Ledger,
        artifacts: ArtifactStore,
        dispatcher: Dispatcher,
        intake: Intake,
        runs: Runs,
        terms: Terms,
        clock: Callable[[], datetime],
    ) -> None:
        """Take the ports."""
        self._jobs = jobs
        self._index = index
        self._ledger = ledger
        self._artifacts = artifacts
        self._dispatcher = dispatcher
        self._intake = intake
        self._runs = runs
        self._terms = terms
        self._clock = clock

    def upload(self, data_url: str) -> str:
        """Keep a file that requests may name later, and give the path and query of a link to it.

        Raises:
            BadRequest: If it is no `data:` URL that holds something.
        """
        return self._intake.upload(data_url)

    def submit(self, caller: Caller, options: Options) -> Job:
        """Take an order; it is durable when this returns.

        Raises:
            BadSource: If `input_video` is nothing that we take.
            BadWebhook: If `webhook_url` isn't.
            InsufficientCredits: If the account has fewer credits than the minimum hold.
            TooManyJobs: If too many jobs of the key haven't ended.
        """
        now = self._clock()
        job_id = new_job_id()
        if options.webhook_url is not None:
            self._intake.check_webhook(options.webhook_url)
        hold = Hold(
            job_id=job_id,
            account_id=caller.account_id,
            key_id=caller.key_id,
            credits=self._terms.minimum_hold,
            created_at=now,
        )
        # Held first: what comes after can be undone, or is undone by the next sweep where we die
        # in between, which finds a hold without a job.
        self._ledger.hold(hold, most_open=self._terms.jobs_per_key)
        try:
            source = self._intake.source(job_id, options.input_video)
            order = Order(
                job_id=job_id,
                account_id=caller.account_id,
                key_id=caller.key_id,
                created_at=now,
                options=replace(options, input_video=source),
            )
            self._jobs.create(order)
        except BaseException:
            self._artifacts.remove(f"sources/{job_id}")
            self._jobs.remove(job_id)  # it may be there although we weren't told; closing its hold would make it free
            self._ledger.close(job_id, spent=Decimal(0))
            raise
        _log.info("queued", extra={"job": job_id, "account": caller.account_id, "key": caller.key_id})
        try:
            self._dispatcher.dispatch(job_id)
        except BackendAway:
            # The order stands, and who is told that it failed orders again; the sweep dispatches it later.
            _log.warning("not dispatched", extra={"job": job_id})
        return Job(order=order)

    def begin(self, job_id: str, account_id: str, options: Options) -> Job:
        """Take an order of whoever runs the house: nothing is checked, held or paid.

        Args:
            job_id: A new one.
            account_id: Who may ask for it.
            options: With an `input_video` as orders hold it: an address, or the name of an artifact.
        """
        order = Order(job_id=job_id, account_id=account_id, key_id="", created_at=self._clock(), options=options)
        self._jobs.create(order)
        _log.info("queued", extra={"job": job_id, "account": account_id})
        self._dispatcher.dispatch(job_id)
        return Job(order=order)

    def find(self, caller: Caller, job_id: str) -> Job:
        """Give a job of the caller's account; where it has ended, its credits are settled.

        Raises:
            RequestNotFound: If it is unknown, expired, or somebody else's.
        """
        job = self._jobs.get(job_id)
        if job is None or job.order.account_id != caller.account_id or self.has_expired(job):
            raise RequestNotFound(job_id)
        if job.outcome is not None:
            # The worker that ended it may not have come to this yet, and who is told of the end may
            # look at the balance, or order again with what came back.
            self._runs.pay(job)
        return job

    def has_expired(self, job: Job) -> bool:
        """Say whether a job's time to be looked at is over, swept away already or not."""
        return job.outcome is not None and self._clock() >= self.expires_at(job)

    def expires_at(self, job: Job) -> datetime:
        """Say until when an ended job can be looked at."""
        assert job.outcome is not None, "only what has ended expires"
        return job.outcome.ended_at + self._terms.keep

    def ahead(self, job: Job) -> int | None:
        """Count the jobs that wait before this one; None where it doesn't wait, or there is no telling."""
        return self._index.ahead(job) if job.state is State.QUEUED else None

    def cancel(self, caller: Caller, job_id: str) -> Job:
        """End a job before it ends by itself; its credits go back.

        Raises:
            RequestNotFound: As `find`.
            AlreadyEnded: If it has ended.
        """
        job = self.find(caller, job_id)
        error = Cancelled()
        outcome = Outcome(ended_at=self._clock(), failure=Failure(code=error.code, message=str(error)))
        if not self._runs.end(job, outcome):
            raise AlreadyEnded
        with contextlib.suppress(BackendAway):
            self._dispatcher.cancel(job_id)
        return replace(job, outcome=outcome)

    def balance(self, caller: Caller) -> Decimal:
        """Give the caller's spendable credits."""
        return self._ledger.balance(caller.account_id)
