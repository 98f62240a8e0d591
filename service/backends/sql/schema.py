"""Making the tables, by however many processes start at once."""

import contextlib
import sqlite3
import time
from typing import Final

import sqlalchemy as sa
from sqlalchemy import exc

from service.backends.sql.tables import VERSION, metadata, schema_version
from service.errors import WrongSchema

__all__ = ["prepare"]

_LOCK: Final = 0x66696C6D  # an arbitrary number, by which those who make the tables know each other: "film"
_PATIENCE_SECONDS: Final = 30.0
_PAUSE_SECONDS: Final = 0.05
_PRIMARY_CODE: Final = 0xFF  # of an extended error code of SQLite


def prepare(engine: sa.Engine) -> None:
    """Make the tables where there are none.

    Raises:
        WrongSchema: If there are tables of another version; they are left as they are.
    """
    if engine.dialect.name == "sqlite":
        _use_wal(engine)
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
        if not sa.inspect(connection).has_table(schema_version.name):
            metadata.create_all(connection)
            connection.execute(schema_version.insert().values(version=VERSION))
        found = connection.execute(sa.select(schema_version.c.version)).scalar()
    if found != VERSION:
        than = "newer" if found is not None and found > VERSION else "older"
        raise WrongSchema(f"the database's schema is {than} than this version of the service: {found}, not {VERSION}")


def _use_wal(engine: sa.Engine) -> None:
    """Let readers and the writer work at once: written into the file for good.

    SQLite doesn't wait for its lock here as it does elsewhere, so we do.
    """
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            with contextlib.closing(engine.raw_connection()) as connection:
                connection.cursor().execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & _PRIMARY_CODE == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() > deadline:
                raise exc.OperationalError("PRAGMA journal_mode", None, error) from error
            time.sleep(_PAUSE_SECONDS)
        else:
            return
