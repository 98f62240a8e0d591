"""Connections, transactions, and what becomes of a database's errors."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import unquote

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from service.backends.sql.schema import prepare
from service.errors import BackendAway

__all__ = ["AWAY", "Database"]

_log = logging.getLogger(__name__)

AWAY: Final = (exc.OperationalError, exc.InterfaceError, exc.InternalError, exc.DisconnectionError, exc.TimeoutError)
"""What the database raises where it can't be helped here: gone, locked, full, stopped. Anything else is our mistake."""

_WRITES: Final = "film_writes"  # the execution option that marks a transaction which will write
_BUSY_SECONDS: Final = 30  # longest that SQLite waits for another writer
_CONNECT_SECONDS: Final = 10
_SILENCE_MILLISECONDS: Final = 30_000  # a connection whose packets nobody acknowledges is given up
_CONNECTIONS: Final = 20  # of one process; threads beyond them wait for one


class Database:
    """A database with the tables in it, made where they aren't there. Safe to use from many threads at once."""

    def __init__(self, engine: sa.Engine) -> None:
        """Take the engine, and see to it that the tables are there.

        Raises:
            BackendAway: If the database can't be reached.
            WrongSchema: If its tables are of another version.
        """
        self._engine = engine
        self._writing = engine.execution_options(**{_WRITES: True})
        self._reading = engine.execution_options(isolation_level="AUTOCOMMIT")
        if engine.dialect.name == "sqlite":
            sa.event.listen(engine, "connect", _set_up_sqlite)
            sa.event.listen(engine, "begin", _begin_sqlite)
        try:
            with self._translated():
                prepare(self._writing)
        except BaseException:
            engine.dispose()
            raise

    @classmethod
    def in_file(cls, path: Path) -> Self:
        """Open the SQLite database in a file, which is made where it isn't there; its folder must be."""
        url = sa.URL.create("sqlite", database=str(path))
        wait = {"timeout": _BUSY_SECONDS}
        return cls(_engine(url, connect_args=wait))

    @classmethod
    def at(cls, url: str) -> Self:
        """Connect to a PostgreSQL database: `postgresql://user:password@host/name`.

        Raises:
            ValueError: If `url` isn't such a URL.
        """
        connect_args = {
            "application_name": "film-service",
            "connect_timeout": _CONNECT_SECONDS,
            "tcp_user_timeout": _SILENCE_MILLISECONDS,
            "prepare_threshold": None,  # poolers between us and the server don't know prepared statements
        }
        # What locks a row and then looks has to see what was committed before it got the lock.
        return cls(
            _engine(_parse(url), connect_args=connect_args, pool_pre_ping=True, isolation_level="READ COMMITTED")
        )

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Give a connection that only reads. Each statement sees what is there at its own moment, and costs one trip.

        Raises:
            BackendAway: If the database can't be reached, or doesn't do its work.
        """
        with self._translated(), self._reading.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """Give a connection whose transaction is committed at the end, whole or not at all.

        Raises:
            BackendAway: If the database can't be reached, or doesn't do its work.
        """
        with self._translated(), self._writing.begin() as connection:
            yield connection

    def insert(self, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
        """Give an INSERT that can say what to do where the row is there already."""
        return sqlite.insert(table) if self._engine.dialect.name == "sqlite" else postgresql.insert(table)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except AWAY as error:
            cause = getattr(error, "orig", None) or error
            _log.warning(
                "database away",
                extra={
                    "error": type(cause).__name__,
                    "sqlstate": getattr(cause, "sqlstate", None),
                    "cause": str(cause),
                },
            )
            raise BackendAway from error


def _engine(url: sa.URL, **options: Any) -> sa.Engine:
    return sa.create_engine(
        url,
        hide_parameters=True,  # an error's text is logged, and what callers sent has no place there
        pool_size=_CONNECTIONS,
        max_overflow=0,
        pool_timeout=_BUSY_SECONDS,
        **options,
    )


def _parse(text: str) -> sa.URL:
    """Read a PostgreSQL URL; nothing of it is in the error, for a password may be anywhere in a wrong one."""
    try:
        url = sa.make_url(text)
    except (exc.ArgumentError, ValueError):
        url = None
    if url is None or url.drivername not in {"postgresql", "postgres"} or "@" in (url.host or ""):
        raise ValueError(
            "the database's URL must have the form postgresql://user:password@host/name, "
            "with what is special in user and password percent-encoded"
        ) from None
    # As libpq has it, but SQLAlchemy not: the folder of a socket stands percent-encoded in the host's place.
    return url.set(drivername="postgresql+psycopg", host=None if url.host is None else unquote(url.host))


def _set_up_sqlite(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    """Leave BEGIN to us, and turn on what SQLite has turned off for the sake of its past."""
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.close()


def _begin_sqlite(connection: sa.Connection) -> None:
    # A transaction that reads first and then writes can't wait for another writer: SQLite refuses it at once.
    # So whoever will write says so at the beginning, and waits there; who only reads needs no transaction.
    if connection.get_execution_options().get(_WRITES, False):
        connection.exec_driver_sql("BEGIN IMMEDIATE")
