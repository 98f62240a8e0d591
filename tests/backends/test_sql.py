"""What is SQL's own: connections, errors, the schema, and that the process may die."""

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import exc

from service.backends.sql import Database, SqlIndex, SqlJobs, SqlKeys, SqlLedger
from service.backends.sql.columns import to_micros
from service.backends.sql.engine import AWAY
from service.backends.sql.tables import VERSION, metadata, schema_version
from service.errors import BackendAway, BadRequest, WrongSchema
from tests.service.fakes import Clock
from tests.service.samples import all_at_once, claim, hold, key_of, order

OURS = {
    exc.DBAPIError,
    exc.DatabaseError,
    exc.DataError,
    exc.IntegrityError,
    exc.NotSupportedError,
    exc.ProgrammingError,
}
"""Errors that mean that we asked for nonsense; nobody is helped by trying again."""


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "sqlite":
        opened = Database.in_file(tmp_path / "film.db")
    else:
        opened = Database.at(request.getfixturevalue("postgres_url"))
    yield opened
    opened.close()


def _python(code: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True)


def test_every_error_of_a_database_is_away_or_our_mistake() -> None:
    def below(kind: type[exc.DBAPIError]) -> set[type[exc.DBAPIError]]:
        return {kind}.union(*map(below, kind.__subclasses__()))

    known = below(exc.DBAPIError)
    assert {kind for kind in known if not issubclass(kind, AWAY)} == OURS


def test_a_server_that_does_not_answer_is_away_and_its_password_stays_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(BackendAway) as caught:
        Database.at("postgresql://film:s3cret@127.0.0.1:1/film")
    said = caplog.text + repr([vars(record) for record in caplog.records]) + repr(caught.value)
    error: BaseException | None = caught.value
    while error is not None:
        said += str(error)
        error = error.__cause__ or error.__context__
    assert "database away" in said
    assert "s3cret" not in said


@pytest.mark.parametrize(
    "url",
    [
        "",
        "s3cret",
        "sqlite:///s3cret",
        "mysql://film:s3cret@host/film",
        "postgresql+asyncpg://film:s3cret@host/film",
        "postgresql://film:p@s3cret@host/film",
        "postgresql://film:s3cret@host:port/film",
    ],
)
def test_a_url_that_is_none_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(ValueError, match="must have the form") as caught:
        Database.at(url)
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_server_that_goes_away_is_away_and_comes_back(postgres_url: str, clock: Clock) -> None:
    database = Database.at(postgres_url)
    try:
        jobs = SqlJobs(database)
        jobs.create(order("job", clock()))

        def break_off() -> None:
            with database.write() as connection:
                connection.execute(sa.text("SELECT pg_terminate_backend(pg_backend_pid())"))

        with pytest.raises(BackendAway):
            break_off()
        assert jobs.get("job") is not None
    finally:
        database.close()


def test_a_folder_that_is_not_there_is_away(tmp_path: Path) -> None:
    with pytest.raises(BackendAway):
        Database.in_file(tmp_path / "missing" / "film.db")


def test_a_transaction_that_fails_leaves_nothing(database: Database, clock: Clock) -> None:
    def fail() -> None:
        with database.write() as connection:
            connection.execute(schema_version.delete())
            raise RuntimeError("halfway")

    with pytest.raises(RuntimeError, match="halfway"):
        fail()
    with database.read() as connection:
        assert connection.execute(sa.select(schema_version.c.version)).scalar_one() == VERSION
    assert clock() is not None


@pytest.mark.parametrize(("version", "word"), [(VERSION + 1, "newer"), (VERSION - 1, "older")])
def test_a_database_of_another_version_is_left_alone(tmp_path: Path, version: int, word: str) -> None:
    file = tmp_path / "film.db"
    first = Database.in_file(file)
    with first.write() as connection:
        connection.execute(schema_version.update().values(version=version))
    first.close()
    with pytest.raises(WrongSchema, match=f"schema is {word} than this version of the service: {version}"):
        Database.in_file(file)


def test_tables_are_made_once_by_threads_that_start_at_once(postgres_url: str, tmp_path: Path) -> None:
    for opener in (lambda _: Database.at(postgres_url), lambda _: Database.in_file(tmp_path / "film.db")):
        opened = all_at_once(opener, range(8))
        assert [one for one in opened if not isinstance(one, Database)] == []
        for one in opened:
            if isinstance(one, Database):
                with one.read() as connection:
                    assert connection.execute(sa.select(schema_version.c.version)).scalars().all() == [VERSION]
                one.close()


def test_tables_are_made_once_by_processes_that_start_at_once(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from service.backends.sql import Database;"
        "Database.in_file(pathlib.Path(sys.argv[1])).close()"
    )
    started = [_python(code, str(tmp_path / "film.db")) for _ in range(4)]
    assert [process.communicate(timeout=120)[0] for process in started] == [""] * 4
    assert [process.returncode for process in started] == [0] * 4


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path, clock: Clock) -> None:
    code = (
        "import sys, time, pathlib; from datetime import datetime, UTC\n"
        "from service.backends.sql import Database, SqlJobs\n"
        "from tests.service.samples import order\n"
        "jobs = SqlJobs(Database.in_file(pathlib.Path(sys.argv[1])))\n"
        "jobs.create(order('job', datetime(2026, 3, 29, 12, tzinfo=UTC)))\n"
        "print('written', flush=True); time.sleep(600)"
    )
    with _python(code, str(tmp_path / "film.db")) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        os.kill(process.pid, signal.SIGKILL)
    database = Database.in_file(tmp_path / "film.db")
    try:
        job = SqlJobs(database).get("job")
        assert job is not None
        assert job.order == order("job", clock())
    finally:
        database.close()


def test_sqlite_is_set_up_for_many_and_for_keeps(tmp_path: Path) -> None:
    database = Database.in_file(tmp_path / "film.db")
    try:
        with database.read() as connection:
            found = [
                connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            ]
        assert found == ["wal", 2, 1, 30_000]
    finally:
        database.close()


def test_sqlite_finds_jobs_by_their_indexes(tmp_path: Path, clock: Clock) -> None:
    database = Database.in_file(tmp_path / "film.db")
    asked: list[tuple[str, Any]] = []
    try:
        jobs, index = SqlJobs(database), SqlIndex(database)
        placed = order("job", clock())
        jobs.create(placed)
        job = jobs.get("job")
        assert job is not None

        def note(_c: object, _cursor: object, statement: str, parameters: Any, _x: object, _many: object) -> None:
            asked.append((statement, parameters))

        sa.event.listen(sa.Engine, "before_cursor_execute", note)  # of any kind: reading and writing are two
        jobs.get("job")
        jobs.claim("job", claim(1, clock()))
        index.free(clock(), timedelta(seconds=30), 5)
        index.ahead(job)
        index.ended(clock(), 5)
        index.undelivered(clock(), 5)
        sa.event.remove(sa.Engine, "before_cursor_execute", note)
        questions = [(text, values) for text, values in asked if not text.startswith("BEGIN")]
        assert len(questions) == 6
        with database.read() as connection:
            for text, values in questions:
                plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", values)]
                assert all("USING INDEX" in step or "USING COVERING INDEX" in step for step in plan), (text, plan)
    finally:
        database.close()


def test_times_come_back_in_utc_whatever_zone_they_went_in_with(database: Database) -> None:
    east = timezone(timedelta(hours=5, minutes=45))
    at = datetime(2026, 1, 1, 3, 30, 0, 1, tzinfo=east)
    SqlKeys(database).add(*key_of("acme", "key_1", at))
    found = SqlKeys(database).keys()[0].created_at
    assert found == at
    assert found.tzinfo is UTC


@pytest.mark.parametrize("credits", ["0.0000001", "NaN", "Infinity", "-Infinity", "9223372036854.775808", "1E+30"])
def test_credits_that_cannot_be_kept_exactly_are_refused(database: Database, clock: Clock, credits: str) -> None:
    SqlKeys(database).add(*key_of("acme", "key_1", clock()))
    ledger = SqlLedger(database)
    ledger.grant("acme", Decimal(5), clock())
    with pytest.raises(BadRequest):
        ledger.grant("acme", Decimal(credits), clock())
    with pytest.raises(BadRequest):
        ledger.hold(hold("job", clock(), credits), most_open=9)
    with pytest.raises(BadRequest):
        ledger.change("job", Decimal(credits))
    assert ledger.balance("acme") == 5


def test_more_credits_than_a_number_holds_are_refused(database: Database, clock: Clock) -> None:
    SqlKeys(database).add(*key_of("acme", "key_1", clock()))
    ledger = SqlLedger(database)
    most = Decimal("9223372036854.775807")
    assert to_micros(most) == 2**63 - 1
    ledger.grant("acme", most, clock())
    with pytest.raises(BadRequest):
        ledger.grant("acme", Decimal("0.000001"), clock())
    assert ledger.balance("acme") == most


def test_that_no_credit_is_lost_can_be_asked_in_one_query(database: Database, clock: Clock) -> None:
    SqlKeys(database).add(*key_of("acme", "key_1", clock()))
    ledger = SqlLedger(database)
    ledger.grant("acme", Decimal(5), clock())
    ledger.hold(hold("a", clock(), "2"), most_open=9)
    ledger.hold(hold("b", clock(), "1"), most_open=9)
    ledger.close("b", spent=Decimal("0.25"), completed=True)
    with database.read() as connection:
        totals = connection.execute(sa.text("SELECT granted, balance, held, spent FROM accounts")).one()
        unbalanced = sa.text("SELECT count(*) FROM accounts WHERE granted <> balance + held + spent")
        assert connection.execute(unbalanced).scalar_one() == 0
    assert totals == (5_000_000, 2_750_000, 2_000_000, 250_000)


def test_the_tables_are_what_their_version_says() -> None:
    """Whoever changes a table raises VERSION, and says here what the new one looks like."""
    columns = {table.name: [column.name for column in table.c] for table in metadata.sorted_tables}
    assert VERSION == 1
    assert {name: len(names) for name, names in columns.items()} == {
        "accounts": 6,
        "film_schema": 1,
        "holds": 5,
        "jobs": 15,
        "keys": 8,
        "usages": 5,
        "workers": 2,
    }
