"""Which workers are alive."""

from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa

from service.backends.sql.engine import Database
from service.backends.sql.tables import workers

__all__ = ["SqlRoster"]

_FORGOTTEN_AFTER: Final = timedelta(days=1)  # workers that died don't leave, and nobody asks about them for so long


class SqlRoster:
    """A `service.ports.Roster`."""

    def __init__(self, database: Database) -> None:
        """Take the database."""
        self._database = database

    def sign(self, worker: str, at: datetime) -> None:
        """Note that a worker is alive, and forget those that haven't been for long."""
        row = self._database.insert(workers).values(worker=worker, seen_at=at)
        with self._database.write() as connection:
            connection.execute(workers.delete().where(workers.c.seen_at < at - _FORGOTTEN_AFTER))
            connection.execute(row.on_conflict_do_update(index_elements=[workers.c.worker], set_={"seen_at": at}))

    def leave(self, worker: str) -> None:
        """Note that a worker is gone in good order."""
        with self._database.write() as connection:
            connection.execute(workers.delete().where(workers.c.worker == worker))

    def alive(self, since: datetime) -> int | None:
        """Count the workers seen since a moment."""
        with self._database.read() as connection:
            statement = sa.select(sa.func.count()).where(workers.c.seen_at >= since)
            return connection.execute(statement).scalar_one()
