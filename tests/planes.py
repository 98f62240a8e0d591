"""A control plane that all tests of one run share: starting one takes seconds."""

from collections.abc import Iterator

import modal
import pytest

from tests.modal_plane.fixture import Plane

__all__ = ["entries", "shop_plane"]


@pytest.fixture(scope="session")
def shop_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """Start a plane that is strict about Volumes, and whose schedules tests fire."""
    with Plane(tmp_path_factory.mktemp("shop-plane"), period_scale=0.0) as plane:
        yield plane


@pytest.fixture
def entries(shop_plane: Plane) -> Iterator[modal.Dict]:
    """Give an empty Dict of the test's own."""
    with modal.Dict.ephemeral(client=shop_plane.client) as made:
        yield made
