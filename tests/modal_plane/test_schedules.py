"""Functions with a Period."""

import modal
import pytest

from tests.modal_plane.fixture import Plane, PlaneFailed, eventually


def test_a_held_schedule_runs_when_it_is_fired(plane: Plane) -> None:
    seen = modal.Dict.from_name("seen", client=plane.client)
    assert "sweeps" not in seen
    plane.fire("sweep")
    assert seen["sweeps"] == 1


def test_a_scheduled_function_that_fails_is_told_with_its_logs(plane: Plane) -> None:
    modal.Dict.from_name("seen", client=plane.client)["dusty"] = True
    with pytest.raises(PlaneFailed, match="no broom"):
        plane.fire("sweep")


def test_only_functions_with_a_schedule_are_fired(plane: Plane) -> None:
    with pytest.raises(PlaneFailed, match="no scheduled function wait"):
        plane.fire("wait")


def test_time_can_be_made_to_pass_faster(lenient: Plane) -> None:
    seen = modal.Dict.from_name("seen", client=lenient.client)
    eventually(lambda: seen.get("sweeps", 0) >= 2)
