"""Calling what was deployed, as any client does."""

import concurrent.futures
import os
from pathlib import Path
from typing import Any

import modal
import pytest

from tests.modal_plane.fixture import Plane, eventually

APPS = Path(__file__).parent / "apps"


@pytest.fixture
def multiplier(plane: Plane) -> Any:
    return plane.cls("sample", "Multiplier")


def test_a_method_is_called_on_an_instance_with_its_parameters(multiplier: Any) -> None:
    assert multiplier().times.remote(3)[0] == 30
    assert multiplier(factor=7).times.remote(3)[0] == 21


def test_an_error_while_entering_is_raised_to_the_caller(plane: Plane) -> None:
    broken = plane.cls("sample", "Broken")
    with pytest.raises(LookupError, match="no weights here"):
        broken().run.remote()


def test_map_gives_results_in_order(multiplier: Any) -> None:
    assert [product for product, _ in multiplier().times.map(range(20))] == [10 * number for number in range(20)]


def test_a_map_with_failures_gives_them_where_they_are_asked_for(plane: Plane) -> None:
    results = list(plane.function("sample", "flaky").map(["a", "b"], [1, 9], return_exceptions=True))
    assert results[0] == 1
    assert isinstance(results[1], ValueError)


def test_a_spawned_call_is_fetched_by_its_id(plane: Plane) -> None:
    call = plane.function("sample", "wait").spawn(0.3)
    with pytest.raises(TimeoutError):
        call.get(timeout=0)
    again = modal.FunctionCall.from_id(call.object_id, client=plane.client)
    assert again.get(timeout=20).startswith("ta-")


def test_many_spawned_calls_from_many_threads_all_end(plane: Plane) -> None:
    together = plane.function("sample", "together")
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        calls = list(threads.map(lambda _: together.spawn(0.0), range(40)))
    assert all(call.get(timeout=20) for call in calls)


def test_a_cancelled_call_is_interrupted_and_its_container_works_on(plane: Plane) -> None:
    function, seen = plane.function("sample", "wait"), modal.Dict.from_name("seen", client=plane.client)
    call = function.spawn(60, "to-cancel")
    eventually(lambda: "to-cancel/1" in seen)
    (container,) = plane.containers("wait")
    call.cancel()
    with pytest.raises(modal.exception.RemoteError):
        call.get(timeout=10)
    assert function.remote(0) == container.id


def test_a_call_is_cancelled_together_with_its_container(plane: Plane) -> None:
    function, seen = plane.function("sample", "wait"), modal.Dict.from_name("seen", client=plane.client)
    call = function.spawn(60, "to-terminate")
    eventually(lambda: "to-terminate/1" in seen)
    running = next(each for each in plane.containers("wait") if each.running)
    call.cancel(terminate_containers=True)
    with pytest.raises(modal.exception.Error):
        call.get(timeout=10)
    eventually(lambda: running.id not in {each.id for each in plane.containers()})


def test_a_generator_gives_its_values_one_by_one(multiplier: Any) -> None:
    assert list(multiplier().countdown.remote_gen(3)) == [3, 2, 1]


def test_arguments_and_results_of_megabytes_go_through(multiplier: Any) -> None:
    large = os.urandom(5_000_000)
    assert multiplier().echo.remote(large) == large
    assert multiplier().echo.spawn(large[:20_000]).get() == large[:20_000]


def test_a_local_entrypoint_runs_with_the_app(plane: Plane) -> None:
    printed = plane.run(APPS / "sample.py", "--number", "4", extra={"PYTHONPATH": str(APPS / "packages")})
    assert "product: 40" in printed


def test_an_app_that_is_not_deployed_is_not_found(plane: Plane) -> None:
    with pytest.raises(modal.exception.NotFoundError):
        plane.function("nowhere", "nothing").remote()
