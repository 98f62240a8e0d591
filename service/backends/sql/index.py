"""Finding jobs: each question but the census has an index of its own (`tables`)."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from service.backends.sql.engine import Database
from service.backends.sql.jobs import job_of, job_parts
from service.backends.sql.tables import jobs
from service.jobs import Job, State
from service.ports import Census

__all__ = ["SqlIndex"]

_is_open = jobs.c.ended_at.is_(None)
_waits = sa.and_(_is_open, jobs.c.claimed_at.is_(None))


class SqlIndex:
    """A `service.ports.JobIndex` over what `SqlJobs` wrote."""

    def __init__(self, database: Database) -> None:
        """Take the database."""
        self._database = database

    def free(self, now: datetime, lease: timedelta, limit: int) -> Sequence[Job]:
        """Give jobs that may be claimed, the longest waiting first."""
        nobody_has_it = jobs.c.seen_at.is_(None) | (jobs.c.seen_at < now - lease)
        return self._jobs(_is_open & nobody_has_it, jobs.c.created_at, jobs.c.job_id, limit=limit)

    def ended(self, before: datetime, limit: int) -> Sequence[Job]:
        """Give jobs that ended before a moment, the earliest first."""
        return self._jobs(jobs.c.ended_at < before, jobs.c.ended_at, limit=limit)

    def undelivered(self, now: datetime, limit: int) -> Sequence[Job]:
        """Give jobs that ended by now with a webhook whose delivery isn't done, the earliest ended first."""
        untold = jobs.c.ended_at.is_not(None) & jobs.c.told.is_(sa.false()) & (jobs.c.ended_at <= now)
        return self._jobs(untold, jobs.c.ended_at, limit=limit)

    def ahead(self, job: Job) -> int | None:
        """Count the QUEUED jobs that were submitted before this one; of those of the same moment, some are."""
        place = (sa.literal(job.order.created_at, jobs.c.created_at.type), sa.literal(job.job_id))
        before = sa.tuple_(jobs.c.created_at, jobs.c.job_id) < sa.tuple_(*place)
        with self._database.read() as connection:
            return connection.execute(sa.select(sa.func.count()).where(_waits, before)).scalar_one()

    def census(self, now: datetime, lease: timedelta) -> Census:
        """Count all jobs, and add up the pace of those that are being made."""
        states = {
            State.QUEUED: _waits,
            State.PROCESSING: _is_open & jobs.c.claimed_at.is_not(None),
            State.COMPLETED: jobs.c.completed.is_(sa.true()),
            State.FAILED: jobs.c.completed.is_(sa.false()),
        }
        counts = [sa.func.count().filter(condition).label(state) for state, condition in states.items()]
        oldest = sa.select(sa.func.min(jobs.c.created_at)).where(_waits)
        alive = sa.select(*job_parts).where(_is_open, jobs.c.seen_at >= now - lease)
        with self._database.read() as connection:
            found = connection.execute(sa.select(*counts).select_from(jobs)).one()
            oldest_queued_at = connection.execute(oldest).scalar()
            pace = sum(job_of(row).frames_per_second for row in connection.execute(alive))
        return Census(
            by_state=dict(zip(states, found, strict=True)),
            oldest_queued_at=oldest_queued_at,
            frames_per_second=pace,
        )

    def _jobs(self, condition: sa.ColumnElement[bool], *order: sa.Column[Any], limit: int) -> Sequence[Job]:
        with self._database.read() as connection:
            statement = sa.select(*job_parts).where(condition).order_by(*order).limit(limit)
            return [job_of(row) for row in connection.execute(statement)]
