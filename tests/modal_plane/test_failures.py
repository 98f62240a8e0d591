"""What becomes of inputs whose code or container fails."""

from pathlib import Path

import modal
import pytest

from tests.modal_plane.fixture import Plane, eventually


@pytest.fixture
def seen(plane: Plane) -> modal.Dict:
    return modal.Dict.from_name("seen", client=plane.client)


def test_a_failing_input_is_tried_again_as_the_app_says(plane: Plane) -> None:
    assert plane.function("sample", "flaky").remote("third-time", 3) == 3
    with pytest.raises(ValueError, match="try 3"):
        plane.function("sample", "flaky").remote("never", 9)


def test_an_input_that_takes_too_long_fails_and_takes_its_container_along(plane: Plane) -> None:
    with pytest.raises(modal.exception.FunctionTimeoutError):
        plane.function("sample", "too_slow").remote("too-slow")


def test_a_timeout_counts_against_the_retries(plane: Plane) -> None:
    assert plane.function("sample", "slow_at_first").remote("slow") == 2


def test_the_input_of_a_container_that_is_killed_is_run_again(plane: Plane, seen: modal.Dict) -> None:
    call = plane.function("sample", "wait_once").spawn("killed")
    eventually(lambda: "killed/1" in seen)
    (before,) = plane.containers("wait_once")
    plane.kill(before)
    assert call.get(timeout=20) == 2
    assert before.id not in {each.id for each in plane.containers()}


def test_an_input_that_keeps_killing_its_container_fails_in_the_end(plane: Plane) -> None:
    with pytest.raises(modal.exception.InternalFailure, match="exited with status -9"):
        plane.function("sample", "dies").remote("deadly")


def test_what_a_container_has_started_dies_with_it(plane: Plane) -> None:
    pid = plane.function("sample", "brood").remote()
    process = Path(f"/proc/{pid}/cmdline")
    assert b"sleep" in process.read_bytes()
    plane.kill(plane.containers("brood")[0])
    eventually(lambda: not process.exists() or not process.read_bytes())
