"""A clock that stands still."""

import pytest

from tests.service.fakes import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()
