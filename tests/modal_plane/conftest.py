"""The planes that these tests share."""

from collections.abc import Iterator
from pathlib import Path

import modal
import pytest

from tests.modal_plane.fixture import Plane

APPS = Path(__file__).parent / "apps"


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """A strict plane, whose schedules are held, with the sample app."""
    with Plane(tmp_path_factory.mktemp("plane"), period_scale=0.0) as plane:
        plane.deploy(APPS / "sample.py")
        modal.Dict.from_name("seen", create_if_missing=True, client=plane.client).hydrate()
        yield plane
