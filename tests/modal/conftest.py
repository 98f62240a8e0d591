"""The app as it is deployed, once for all tests that leave it alone: its containers take long to start."""

import time
from collections.abc import Iterator

import pytest

from tests.modal.shop import KEEP_SECONDS, Shop
from tests.modal_plane.fixture import ROOT, Plane
from tests.postgres import empty_database


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory, postgres_server: str) -> Iterator[Shop]:
    """Deploy this project's `modal_app.py`, with credits in PostgreSQL."""
    with Plane(tmp_path_factory.mktemp("deployed"), period_scale=0.0) as plane, empty_database(postgres_server) as url:
        shop = Shop(plane, ROOT, url)
        began = time.monotonic()
        shop.deploy(
            environment={"FILM_GPU_CONTAINERS": "1"}, settings={"keep_seconds": KEEP_SECONDS, "lease_seconds": 5}
        )
        print(f"deployed in {time.monotonic() - began:.1f} s")  # noqa: T201 (a figure that people wait for)
        yield shop
