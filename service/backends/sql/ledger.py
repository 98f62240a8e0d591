"""Credits. Every change locks its account's row first, so that of several at once each sees what the last one left.

PostgreSQL locks the row, SQLite the whole file (`BEGIN IMMEDIATE`). Nothing else is locked before
an account, and never two of them, so no two changes wait for each other.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import sqlalchemy as sa

from service.accounts import Hold, Usage, plain
from service.backends.sql.columns import to_micros
from service.backends.sql.engine import Database
from service.backends.sql.tables import accounts, holds, usages
from service.errors import CreditsExceeded, InsufficientCredits, NotFound, TooManyJobs

__all__ = ["SqlLedger"]

_TRY_AGAIN_AFTER: Final = timedelta(seconds=5)  # jobs end every few seconds, as a rule of thumb

_totals = (accounts.c.granted, accounts.c.balance, accounts.c.held, accounts.c.spent)


class SqlLedger:
    """A `service.ports.Ledger`."""

    def __init__(self, database: Database) -> None:
        """Take the database."""
        self._database = database

    def grant(self, account_id: str, credits: Decimal, at: datetime) -> Decimal:  # noqa: ARG002 (others keep a journal)
        """Add credits (a negative number takes some) and give the new balance."""
        to_micros(credits)
        with self._database.write() as connection:
            account = _lock(connection, account_id)
            to_micros(account.granted + credits)  # of the totals the largest
            balance: Decimal = account.balance + credits
            if balance < 0:
                raise InsufficientCredits(f"the account has {plain(account.balance)} credits to take from")
            _write(connection, account_id, granted=account.granted + credits, balance=balance)
        return balance

    def balance(self, account_id: str) -> Decimal:
        """Give the spendable credits."""
        with self._database.read() as connection:
            statement = sa.select(accounts.c.balance).where(accounts.c.account_id == account_id)
            balance: Decimal | None = connection.execute(statement).scalar()
        if balance is None:
            raise NotFound(f"there is no account {account_id}")
        return balance

    def hold(self, hold: Hold, *, most_open: int) -> None:
        """Set credits aside for a new job."""
        to_micros(hold.credits)
        with self._database.write() as connection:
            account = _lock(connection, hold.account_id)
            if account.balance < hold.credits:
                raise InsufficientCredits
            of_key = sa.select(sa.func.count()).where(holds.c.key_id == hold.key_id)
            if connection.execute(of_key).scalar_one() >= most_open:
                raise TooManyJobs(retry_at=hold.created_at + _TRY_AGAIN_AFTER)
            connection.execute(holds.insert().values({c.name: getattr(hold, c.name) for c in holds.c}))
            _write(
                connection,
                hold.account_id,
                balance=account.balance - hold.credits,
                held=account.held + hold.credits,
            )

    def change(self, job_id: str, credits: Decimal) -> None:
        """Make an open hold as large as `credits`; nothing happens where it is closed."""
        to_micros(credits)
        with self._database.write() as connection:
            account, hold = _lock_hold(connection, job_id)
            if hold is None:
                return
            more = credits - hold.credits
            if more > account.balance:
                there = account.balance + hold.credits
                raise CreditsExceeded(f"insufficient credits: needs {plain(credits)}, has {plain(there)}")
            connection.execute(holds.update().where(holds.c.job_id == job_id).values(credits=credits))
            _write(connection, hold.account_id, balance=account.balance - more, held=account.held + more)

    def close(self, job_id: str, *, spent: Decimal, frames: int = 0, completed: bool = False) -> bool:
        """Close a hold: `spent` of it is gone, the rest spendable again; False where it was closed already."""
        with self._database.read() as connection:  # a closed hold never opens again: nobody needs to wait for a lock
            if connection.execute(sa.select(holds.c.job_id).where(holds.c.job_id == job_id)).first() is None:
                return False
        with self._database.write() as connection:
            account, hold = _lock_hold(connection, job_id)
            if hold is None:
                return False
            spent = min(spent, hold.credits)
            connection.execute(holds.delete().where(holds.c.job_id == job_id))
            _write(
                connection,
                hold.account_id,
                balance=account.balance + hold.credits - spent,
                held=account.held - hold.credits,
                spent=account.spent + spent,
            )
            if completed:
                self._count(connection, hold, frames=frames, spent=spent)
        return True

    def open_holds(self, before: datetime, limit: int) -> Sequence[Hold]:
        """Give open holds made before a moment, the earliest first."""
        with self._database.read() as connection:
            early = sa.select(holds).where(holds.c.created_at < before).order_by(holds.c.created_at).limit(limit)
            return [Hold(**row) for row in connection.execute(early).mappings()]

    def usage(self, account_id: str | None = None) -> Sequence[Usage]:
        """Give what was done with each key, of all accounts or one."""
        statement = sa.select(usages.c.key_id, usages.c.jobs, usages.c.frames, usages.c.credits)
        statement = statement.order_by(usages.c.key_id)
        if account_id is not None:
            statement = statement.where(usages.c.account_id == account_id)
        with self._database.read() as connection:
            return [Usage(**row) for row in connection.execute(statement).mappings()]

    def _count(self, connection: sa.Connection, hold: Any, *, frames: int, spent: Decimal) -> None:
        one = {"key_id": hold.key_id, "account_id": hold.account_id, "jobs": 1, "frames": frames, "credits": spent}
        row = self._database.insert(usages).values(one)
        added = {name: usages.c[name] + row.excluded[name] for name in ("jobs", "frames", "credits")}
        connection.execute(row.on_conflict_do_update(index_elements=[usages.c.key_id], set_=added))


def _lock(connection: sa.Connection, account_id: str) -> Any:
    """Give an account's totals, which nobody else changes until the transaction ends."""
    statement = sa.select(*_totals).where(accounts.c.account_id == account_id).with_for_update()
    row = connection.execute(statement).one_or_none()
    if row is None:
        raise NotFound(f"there is no account {account_id}")
    return row


def _lock_hold(connection: sa.Connection, job_id: str) -> tuple[Any, Any]:
    """Give an open hold and its account's totals, both locked; no hold where it is closed."""
    statement = sa.select(holds).where(holds.c.job_id == job_id)
    hold = connection.execute(statement).one_or_none()
    if hold is None:
        return None, None
    account = _lock(connection, hold.account_id)
    # Looked at again, for somebody may have closed it while we waited for the account.
    return account, connection.execute(statement).one_or_none()


def _write(connection: sa.Connection, account_id: str, **totals: Decimal) -> None:
    connection.execute(accounts.update().where(accounts.c.account_id == account_id).values(**totals))
