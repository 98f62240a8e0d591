"""Jobs, one a row: every write is one conditional UPDATE, so that of several only one comes through."""

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from service.backends.sql.engine import Database
from service.backends.sql.tables import jobs
from service.jobs import Beat, Claim, Delivery, Job, Order, Outcome

__all__ = ["SqlJobs", "job_of", "job_parts"]

job_parts = (jobs.c.placed, jobs.c.claim, jobs.c.beat, jobs.c.outcome, jobs.c.delivery)
"""The columns that a job is made of."""


class SqlJobs:
    """A `service.ports.JobStore`."""

    def __init__(self, database: Database) -> None:
        """Take the database."""
        self._database = database

    def create(self, order: Order) -> None:
        """Write a new job's order; one that is there stays."""
        row = {
            "job_id": order.job_id,
            "created_at": order.created_at,
            "placed": order.to_json(),
            "attempt": 0,
            "told": order.options.webhook_url is None,
            "tries": 0,
            "answered": False,
        }
        with self._database.write() as connection:
            connection.execute(self._database.insert(jobs).values(row).on_conflict_do_nothing())

    def get(self, job_id: str) -> Job | None:
        """Give all that is known of a job, or None where there is none."""
        if "\0" in job_id or not job_id.isascii():
            return None  # PostgreSQL refuses to look for it
        with self._database.read() as connection:
            row = connection.execute(sa.select(*job_parts).where(jobs.c.job_id == job_id)).one_or_none()
        return None if row is None else job_of(row)

    def claim(self, job_id: str, claim: Claim) -> bool:
        """Write claim n if it isn't there and the job has no outcome; say whether it was written."""
        return self._update(
            job_id,
            jobs.c.ended_at.is_(None) & (jobs.c.attempt < claim.attempt),
            attempt=claim.attempt,
            claim=claim.to_json(),
            claimed_at=claim.claimed_at,
            beat=None,
            seen_at=claim.claimed_at,
        )

    def beat(self, job_id: str, beat: Beat) -> bool:
        """Write an attempt's sign of life; say whether the job is still that attempt's: no outcome, no later claim."""
        at = sa.literal(beat.at, jobs.c.seen_at.type)
        latest = sa.case((jobs.c.claimed_at > at, jobs.c.claimed_at), else_=at)
        return self._update(
            job_id,
            jobs.c.ended_at.is_(None) & (jobs.c.attempt == beat.attempt),
            beat=beat.to_json(),
            seen_at=None if beat.handed_back else latest,
        )

    def end(self, job_id: str, outcome: Outcome) -> bool:
        """Write the outcome if there is none; say whether it was written."""
        return self._update(
            job_id,
            jobs.c.ended_at.is_(None),
            outcome=outcome.to_json(),
            ended_at=outcome.ended_at,
            completed=outcome.result is not None,
        )

    def deliver(self, job_id: str, delivery: Delivery) -> bool:
        """Write delivery n: if it isn't there, or, with its answer, over its own beginning; say whether it was."""
        answered = delivery.done or delivery.status is not None
        may = jobs.c.tries < delivery.attempt
        if answered:
            may |= (jobs.c.tries == delivery.attempt) & jobs.c.answered.is_(sa.false())
        return self._update(
            job_id,
            may,
            delivery=delivery.to_json(),
            tries=delivery.attempt,
            answered=answered,
            told=delivery.done,
        )

    def remove(self, job_id: str) -> None:
        """Forget a job; nothing happens where there is none."""
        with self._database.write() as connection:
            connection.execute(jobs.delete().where(jobs.c.job_id == job_id))

    def _update(self, job_id: str, condition: sa.ColumnElement[bool], **values: Any) -> bool:
        with self._database.write() as connection:
            statement = jobs.update().where(jobs.c.job_id == job_id, condition).values(**values)
            return connection.execute(statement).rowcount == 1


def job_of(row: Iterable[Any]) -> Job:
    """Make a job of the columns in `job_parts`."""
    order, claim, beat, outcome, delivery = row
    return Job(
        order=Order.from_json(order),
        claim=None if claim is None else Claim.from_json(claim),
        beat=None if beat is None else Beat.from_json(beat),
        outcome=None if outcome is None else Outcome.from_json(outcome),
        delivery=None if delivery is None else Delivery.from_json(delivery),
    )
