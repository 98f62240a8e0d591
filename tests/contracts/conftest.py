"""One fixture a port, over every backend that implements it."""

from collections.abc import Iterator

import pytest

from service.ports import ArtifactStore, JobIndex, JobStore, KeyStore, Ledger, Roster
from tests.contracts.backends import ARTIFACTS, COUNTERS, ROSTERS, SHELVES, Counter, Shelf
from tests.service.fakes import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=sorted(SHELVES))
def shelf(request: pytest.FixtureRequest) -> Iterator[Shelf]:
    with SHELVES[request.param](request) as opened:
        yield opened


@pytest.fixture
def jobs(shelf: Shelf) -> JobStore:
    return shelf.jobs


@pytest.fixture
def index(shelf: Shelf) -> JobIndex:
    return shelf.index


@pytest.fixture(params=sorted(COUNTERS))
def counter(request: pytest.FixtureRequest) -> Iterator[Counter]:
    with COUNTERS[request.param](request) as opened:
        yield opened


@pytest.fixture
def keys(counter: Counter) -> KeyStore:
    return counter.keys


@pytest.fixture
def ledger(counter: Counter) -> Ledger:
    return counter.ledger


@pytest.fixture(params=sorted(ROSTERS))
def roster(request: pytest.FixtureRequest) -> Iterator[Roster]:
    with ROSTERS[request.param](request) as opened:
        yield opened


@pytest.fixture(params=sorted(ARTIFACTS))
def artifacts(request: pytest.FixtureRequest) -> Iterator[ArtifactStore]:
    with ARTIFACTS[request.param](request) as opened:
        yield opened
