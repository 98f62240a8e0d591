"""Files on a Volume: what every store does, tried in a container; and what several containers see of one another."""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import modal
import pytest

from tests.contracts import test_artifact_store as contract
from tests.modal_plane.fixture import Plane

APP = Path(__file__).parent / "apps" / "desks.py"

Desk = Any  # an instance of a class that is known to the plane only

TESTS = [name for name, _ in inspect.getmembers(contract, inspect.isfunction) if name.startswith("test_")]


@pytest.fixture(scope="module")
def plane(shop_plane: Plane) -> Plane:
    shop_plane.deploy(APP)
    return shop_plane


@pytest.fixture(scope="module")
def judged(plane: Plane) -> dict[str, list[str]]:
    """Give what was wrong with each run of each contract test, by the test's name."""
    found: dict[str, list[str]] = {}
    for name, wrong in plane.function("desks", "judge").remote():
        found.setdefault(name.partition("[")[0], []).append(wrong)
    return found


@pytest.fixture
def shelf(plane: Plane) -> Iterator[modal.Volume]:
    shelf = modal.Volume.from_name("shelf-of-desks", client=plane.client)
    yield shelf
    for file in _files(shelf):
        shelf.remove_file(file)


@pytest.fixture
def writer(plane: Plane, shelf: modal.Volume) -> Desk:
    del shelf
    return plane.cls("desks", "Desk")(name="writer")


@pytest.fixture
def reader(plane: Plane, shelf: modal.Volume) -> Desk:
    del shelf
    return plane.cls("desks", "Desk")(name="reader")


def _files(shelf: modal.Volume) -> list[str]:
    return sorted(entry.path for entry in shelf.listdir("/", recursive=True) if entry.type.name == "FILE")


@pytest.mark.parametrize("name", TESTS)
def test_a_volume_is_a_store_as_any_other(judged: dict[str, list[str]], name: str) -> None:
    assert judged[name]
    assert "".join(judged[name]) == ""


def test_what_is_put_in_one_container_is_found_in_all(writer: Desk, reader: Desk) -> None:
    assert reader.read.remote("results/a/1/clip.mp4") is None
    writer.put.remote("results/a/1/clip.mp4", b"content")
    assert reader.read.remote("results/a/1/clip.mp4") == b"content"
    assert reader.names.remote("results") == ["results/a/1/clip.mp4"]


def test_what_is_removed_in_one_container_is_gone_for_everybody(
    writer: Desk, reader: Desk, shelf: modal.Volume
) -> None:
    writer.put.remote("uploads/b/source.mp4", b"content")
    reader.remove.remote("uploads/b/source.mp4")
    assert shelf.listdir("kept/uploads") == []
    assert reader.read.remote("uploads/b/source.mp4") is None
    assert writer.names.remote("uploads") == []
    writer.put.remote("uploads/c/source.mp4", b"content")
    assert writer.names.remote("uploads") == ["uploads/c/source.mp4"]


def test_a_new_file_is_found_while_another_one_is_being_given_away(writer: Desk, reader: Desk) -> None:
    writer.put.remote("results/d/1/clip.mp4", b"first")
    reader.hold.remote("results/d/1/clip.mp4")
    writer.put.remote("results/e/1/clip.mp4", b"second")
    assert reader.read.remote("results/e/1/clip.mp4") == b"second"
    assert reader.read.remote("results/e/1/clip.mp4") == b"second"
    assert reader.read.remote("results/f/1/clip.mp4") is None
    reader.let_go.remote()
    assert reader.read.remote("results/e/1/clip.mp4") == b"second"


def test_what_a_dead_container_left_is_swept_elsewhere(writer: Desk, reader: Desk, shelf: modal.Volume) -> None:
    writer.die_at_work.remote("dead", 1)
    writer.die_at_work.remote("alive", 2)
    assert reader.sweep.remote([("alive", 2)]) == 1
    assert _files(shelf) == ["work/alive.2/piece"]
    assert reader.sweep.remote([]) == 1
    assert shelf.listdir("work") == []
