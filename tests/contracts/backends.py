"""Every backend that there is, by the ports that it implements.

To have another one tested, add its factory to the tables of its ports: a context manager that is
given the test's request, and gives an empty backend.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import pytest

from service.backends.disk import DiskArtifacts
from service.backends.modal import DictJobs, ElasticRoster
from service.backends.sql import Database, SqlIndex, SqlJobs, SqlKeys, SqlLedger, SqlRoster
from service.ports import ArtifactStore, JobIndex, JobStore, KeyStore, Ledger, Roster
from tests.service.fakes import MemoryIndex, MemoryJobs, MemoryKeys, MemoryLedger, MemoryRoster

__all__ = ["ARTIFACTS", "COUNTERS", "ROSTERS", "SHELVES", "Counter", "Shelf"]

T = TypeVar("T")
Factory = Callable[[pytest.FixtureRequest], AbstractContextManager[T]]


@dataclass(frozen=True, kw_only=True)
class Shelf:
    """Where jobs are kept and found."""

    jobs: JobStore
    index: JobIndex


@dataclass(frozen=True, kw_only=True)
class Counter:
    """Where keys and credits are kept."""

    keys: KeyStore
    ledger: Ledger


@contextmanager
def _memory_shelf(_: pytest.FixtureRequest) -> Iterator[Shelf]:
    jobs = MemoryJobs()
    yield Shelf(jobs=jobs, index=MemoryIndex(jobs))


@contextmanager
def _memory_counter(_: pytest.FixtureRequest) -> Iterator[Counter]:
    keys = MemoryKeys()
    yield Counter(keys=keys, ledger=MemoryLedger(keys))


@contextmanager
def _memory_roster(_: pytest.FixtureRequest) -> Iterator[Roster]:
    yield MemoryRoster()


@contextmanager
def _sqlite(request: pytest.FixtureRequest) -> Iterator[Database]:
    folder: Path = request.getfixturevalue("tmp_path")
    database = Database.in_file(folder / "film.db")
    yield database
    database.close()


@contextmanager
def _postgresql(request: pytest.FixtureRequest) -> Iterator[Database]:
    database = Database.at(request.getfixturevalue("postgres_url"))
    yield database
    database.close()


def _sql(opened: Factory[Database], make: Callable[[Database], T]) -> Factory[T]:
    @contextmanager
    def factory(request: pytest.FixtureRequest) -> Iterator[T]:
        with opened(request) as database:
            yield make(database)

    return factory


def _sql_shelf(database: Database) -> Shelf:
    return Shelf(jobs=SqlJobs(database), index=SqlIndex(database))


def _sql_counter(database: Database) -> Counter:
    return Counter(keys=SqlKeys(database), ledger=SqlLedger(database))


@contextmanager
def _dict_shelf(request: pytest.FixtureRequest) -> Iterator[Shelf]:
    jobs = DictJobs(request.getfixturevalue("entries"))
    yield Shelf(jobs=jobs, index=jobs)


@contextmanager
def _elastic_roster(_: pytest.FixtureRequest) -> Iterator[Roster]:
    yield ElasticRoster()


@contextmanager
def _disk(request: pytest.FixtureRequest) -> Iterator[ArtifactStore]:
    folder: Path = request.getfixturevalue("tmp_path")
    yield DiskArtifacts(folder / "files", request.getfixturevalue("clock"))


SHELVES: Final[dict[str, Factory[Shelf]]] = {
    "memory": _memory_shelf,
    "sqlite": _sql(_sqlite, _sql_shelf),
    "postgresql": _sql(_postgresql, _sql_shelf),
    "modal": _dict_shelf,
}
COUNTERS: Final[dict[str, Factory[Counter]]] = {
    "memory": _memory_counter,
    "sqlite": _sql(_sqlite, _sql_counter),
    "postgresql": _sql(_postgresql, _sql_counter),
}
ROSTERS: Final[dict[str, Factory[Roster]]] = {
    "memory": _memory_roster,
    "sqlite": _sql(_sqlite, SqlRoster),
    "postgresql": _sql(_postgresql, SqlRoster),
    "modal": _elastic_roster,
}
ARTIFACTS: Final[dict[str, Factory[ArtifactStore]]] = {
    "disk": _disk,
}
