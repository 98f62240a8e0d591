"""The planes that these tests share, since starting one takes seconds."""

from collections.abc import Iterator
from pathlib import Path

import modal
import pytest

from tests.modal_plane.fixture import Plane

APPS = Path(__file__).parent / "apps"


def _with_sample(plane: Plane) -> Plane:
    plane.deploy(APPS / "sample.py", {"PYTHONPATH": str(APPS / "packages")})
    modal.Dict.from_name("seen", create_if_missing=True, client=plane.client).hydrate()
    return plane


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """Strict, schedules held: what the tests of an app should run on."""
    with Plane(tmp_path_factory.mktemp("plane"), period_scale=0.0, max_crashes=1) as plane:
        yield _with_sample(plane)


@pytest.fixture(scope="session")
def lenient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """Commits at exit as the service does, has endpoints, and lets five minutes pass in three seconds."""
    settings: dict[str, object] = {
        "commit_at_exit": True,
        "period_scale": 0.01,
        "web_timeout_seconds": 1.0,
        "max_crashes": 1,
    }
    settings |= {"proxy_token": "wk-1:ws-2"}
    with Plane(tmp_path_factory.mktemp("lenient"), **settings) as plane:
        plane.deploy(APPS / "pages.py")
        yield _with_sample(plane)


@pytest.fixture(scope="session")
def linked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """As on a machine without namespaces, and commits behind containers' backs."""
    settings: dict[str, object] = {"isolation": "links", "commit_every_seconds": 0.2, "period_scale": 0.0}
    with Plane(tmp_path_factory.mktemp("linked"), **settings) as plane:
        yield _with_sample(plane)
