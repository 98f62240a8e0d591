"""The tables, and making them.

A job is one row. Its parts are JSON as they were written; what jobs are looked for by stands beside
them, in columns of its own with partial indexes, so that finding one costs the same however many
have ended.
"""

from typing import Final

import sqlalchemy as sa

from service.backends.sql.columns import PART, Credits, Moment

__all__ = ["VERSION", "accounts", "holds", "jobs", "keys", "metadata", "schema_version", "usages", "workers"]

VERSION: Final = 1
"""Of the schema below; a database with another one isn't touched."""

metadata = sa.MetaData()

schema_version = sa.Table("film_schema", metadata, sa.Column("version", sa.Integer, primary_key=True))

jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("job_id", sa.Text, primary_key=True),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("placed", PART, nullable=False, comment="the Order"),
    sa.Column("attempt", sa.Integer, nullable=False, comment="of the latest claim; 0 before the first"),
    sa.Column("claim", PART),
    sa.Column("claimed_at", Moment),
    sa.Column("beat", PART, comment="of the latest claim"),
    sa.Column("seen_at", Moment, comment="when who has the job was last seen alive; NULL where nobody has it"),
    sa.Column("outcome", PART),
    sa.Column("ended_at", Moment),
    sa.Column("completed", sa.Boolean, comment="whether it ended well; NULL before it ended"),
    sa.Column("told", sa.Boolean, nullable=False, comment="whether there is nobody to tell of the end any more"),
    sa.Column("tries", sa.Integer, nullable=False, comment="deliveries begun"),
    sa.Column("answered", sa.Boolean, nullable=False, comment="whether the latest delivery's answer is known"),
    sa.Column("delivery", PART),
)
_is_open = jobs.c.ended_at.is_(None)
_waits = sa.and_(_is_open, jobs.c.claimed_at.is_(None))
_has_ended = jobs.c.ended_at.is_not(None)
_is_untold = sa.and_(_has_ended, jobs.c.told.is_(sa.false()))
sa.Index("jobs_open", jobs.c.created_at, jobs.c.job_id, sqlite_where=_is_open, postgresql_where=_is_open)
sa.Index("jobs_queued", jobs.c.created_at, jobs.c.job_id, sqlite_where=_waits, postgresql_where=_waits)
sa.Index("jobs_ended", jobs.c.ended_at, sqlite_where=_has_ended, postgresql_where=_has_ended)
sa.Index("jobs_untold", jobs.c.ended_at, sqlite_where=_is_untold, postgresql_where=_is_untold)

accounts = sa.Table(
    "accounts",
    metadata,
    sa.Column("account_id", sa.Text, primary_key=True),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("granted", Credits, nullable=False),
    sa.Column("balance", Credits, nullable=False, comment="spendable"),
    sa.Column("held", Credits, nullable=False, comment="in open holds"),
    sa.Column("spent", Credits, nullable=False),
    sa.CheckConstraint("balance >= 0 AND held >= 0 AND spent >= 0", name="accounts_no_debt"),
    sa.CheckConstraint("granted = balance + held + spent", name="accounts_conserved"),
)

keys = sa.Table(
    "keys",
    metadata,
    sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("key_id", sa.Text, nullable=False, unique=True),
    sa.Column("account_id", sa.Text, sa.ForeignKey(accounts.c.account_id), nullable=False, index=True),
    sa.Column("digest", sa.Text, nullable=False, unique=True),
    sa.Column("hint", sa.Text, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("expires_at", Moment),
    sa.Column("revoked_at", Moment),
)

holds = sa.Table(
    "holds",  # the open ones
    metadata,
    sa.Column("job_id", sa.Text, primary_key=True),
    sa.Column("account_id", sa.Text, sa.ForeignKey(accounts.c.account_id), nullable=False),
    sa.Column("key_id", sa.Text, nullable=False, index=True),
    sa.Column("credits", Credits, nullable=False),
    sa.Column("created_at", Moment, nullable=False, index=True),
)

usages = sa.Table(
    "usages",
    metadata,
    sa.Column("key_id", sa.Text, primary_key=True),
    sa.Column("account_id", sa.Text, sa.ForeignKey(accounts.c.account_id), nullable=False, index=True),
    sa.Column("jobs", sa.BigInteger, nullable=False),
    sa.Column("frames", sa.BigInteger, nullable=False),
    sa.Column("credits", Credits, nullable=False),
)

workers = sa.Table(
    "workers",
    metadata,
    sa.Column("worker", sa.Text, primary_key=True),
    sa.Column("seen_at", Moment, nullable=False, index=True),
)
