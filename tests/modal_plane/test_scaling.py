"""How many containers there are."""

from pathlib import Path
from typing import Any

import modal
import pytest

from tests.modal_plane.fixture import Plane, eventually

Function = Any  # it is known to the plane only

APPS = Path(__file__).parent / "apps"


@pytest.fixture(scope="module")
def ready(plane: Plane) -> Function:
    plane.deploy(APPS / "standing.py")
    return plane.function("standing", "ready")


def test_a_minimum_of_containers_waits_for_inputs_and_a_buffer_joins_it_for_the_next(
    plane: Plane,
    ready: Function,
) -> None:
    eventually(lambda: [each.ready for each in plane.containers("ready")] == [True])
    call = ready.spawn(1.0)
    eventually(lambda: len(plane.containers("ready")) == 2)
    call.get()
    eventually(lambda: len(plane.containers("ready")) == 1)


def test_a_map_gets_as_many_containers_as_the_app_allows(plane: Plane) -> None:
    wide = plane.function("sample", "wide")
    ids = set(wide.map([0.4] * 6))
    assert len(ids) == 2
    assert {each.id for each in plane.containers("wide")} == ids


def test_a_container_takes_as_many_inputs_at_once_as_it_may(plane: Plane) -> None:
    together = plane.function("sample", "together")
    calls = [together.spawn(0.5) for _ in range(4)]
    eventually(lambda: [len(each.running) for each in plane.containers("together")] == [4])
    assert len({call.get() for call in calls}) == 1


def test_a_container_ends_when_it_was_idle_for_long_and_runs_its_hooks_once(plane: Plane) -> None:
    brief = plane.cls("sample", "Brief")()
    brief.run.remote()
    brief.run.remote()
    eventually(lambda: not plane.containers("Brief"))
    assert plane.logs("Brief").split() == ["entered", "ran", "ran", "left"]


def test_an_app_that_is_stopped_is_gone_and_its_calls_end(plane: Plane, ready: Function) -> None:
    call = ready.spawn(60)
    plane.modal("app", "stop", "--yes", "standing")
    with pytest.raises(modal.exception.RemoteError):
        call.get(timeout=5)
    with pytest.raises(modal.exception.NotFoundError):
        plane.function("standing", "ready").hydrate()
    eventually(lambda: not plane.containers("ready"))
