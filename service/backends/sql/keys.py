"""Accounts and their keys."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

import sqlalchemy as sa

from service.accounts import Account, Key
from service.backends.sql.engine import Database
from service.backends.sql.tables import accounts, keys

__all__ = ["SqlKeys"]

_parts = [column for column in keys.c if column is not keys.c.number]


class SqlKeys:
    """A `service.ports.KeyStore`."""

    def __init__(self, database: Database) -> None:
        """Take the database."""
        self._database = database

    def add(self, account: Account, key: Key) -> None:
        """Write a key, and its account where that isn't there yet."""
        none = Decimal(0)
        row = {
            "account_id": account.account_id,
            "created_at": account.created_at,
            "granted": none,
            "balance": none,
            "held": none,
            "spent": none,
        }
        with self._database.write() as connection:
            connection.execute(self._database.insert(accounts).values(row).on_conflict_do_nothing())
            connection.execute(keys.insert().values({part.name: getattr(key, part.name) for part in _parts}))

    def find(self, digest: str) -> Key | None:
        """Give the key of that digest, good or not, or None."""
        with self._database.read() as connection:
            row = connection.execute(sa.select(*_parts).where(keys.c.digest == digest)).mappings().one_or_none()
        return None if row is None else Key(**row)

    def keys(self, account_id: str | None = None) -> Sequence[Key]:
        """Give all keys, or one account's, in the order in which they were made."""
        statement = sa.select(*_parts).order_by(keys.c.number)
        if account_id is not None:
            statement = statement.where(keys.c.account_id == account_id)
        with self._database.read() as connection:
            return [Key(**row) for row in connection.execute(statement).mappings()]

    def revoke(self, key_id: str, at: datetime) -> bool:
        """Revoke a key; False where there is none. The first revocation stands."""
        first = sa.func.coalesce(keys.c.revoked_at, sa.literal(at, keys.c.revoked_at.type))
        with self._database.write() as connection:
            statement = keys.update().where(keys.c.key_id == key_id).values(revoked_at=first)
            return connection.execute(statement).rowcount == 1
