"""A shop of fakes, whose clock the tests turn."""

from pathlib import Path

import pytest

from tests.service.fakes import Clock
from tests.service.house import House, in_memory


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def house(tmp_path: Path, clock: Clock) -> House:
    return in_memory(tmp_path, clock)
