"""Dicts: the only place in Modal where one of several writers can win."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import modal
import pytest

from tests.modal_plane.fixture import Plane


@pytest.fixture
def box(plane: Plane) -> Iterator[modal.Dict]:
    with modal.Dict.ephemeral(client=plane.client) as box:
        yield box


def test_of_many_who_put_a_key_only_if_it_is_new_one_wins(box: modal.Dict) -> None:
    with ThreadPoolExecutor(16) as threads:
        won = list(threads.map(lambda number: box.put("lock", number, skip_if_exists=True), range(48)))
    assert won.count(True) == 1
    assert box["lock"] == won.index(True)


def test_of_many_who_pop_a_key_one_gets_it(box: modal.Dict) -> None:
    box["once"] = "value"
    with ThreadPoolExecutor(16) as threads:
        got = list(threads.map(lambda _: box.pop("once", None), range(48)))
    assert sorted(filter(None, got)) == ["value"]


def test_entries_are_put_found_counted_and_removed(box: modal.Dict) -> None:
    assert box.put("a", {"x": [1, 2]})
    assert not box.put("a", 2, skip_if_exists=True)
    box.update({"b": 3, 5: "a number for a key"})
    assert box["a"] == {"x": [1, 2]}
    assert (box.len(), "b" in box, "z" in box, box.get("z", 9)) == (3, True, False, 9)
    assert dict(box.items())[5] == "a number for a key"
    assert set(box.keys()) == {"a", "b", 5}
    assert sorted(map(str, box.values())) == ["3", "a number for a key", "{'x': [1, 2]}"]
    assert box.pop("b") == 3
    with pytest.raises(KeyError):
        box["b"]
    box.clear()
    assert box.len() == 0


def test_iterating_isn_t_disturbed_by_those_who_write(box: modal.Dict) -> None:
    box.update(dict.fromkeys(range(50), "old"))
    walked = []
    for key, value in box.items():
        box[key] = "new"
        box.put(f"more {key}", "new")
        walked.append((key, value))
    assert sorted(walked) == [(number, "old") for number in range(50)]
    assert box.len() == 100


def test_values_may_be_megabytes(box: modal.Dict) -> None:
    box["large"] = b"x" * 3_000_000
    assert len(box["large"]) == 3_000_000


def test_a_named_dict_is_there_for_whoever_knows_the_name(plane: Plane) -> None:
    modal.Dict.from_name("named", create_if_missing=True, client=plane.client)["key"] = "value"
    assert modal.Dict.from_name("named", client=plane.client)["key"] == "value"
    with pytest.raises(modal.exception.NotFoundError):
        modal.Dict.from_name("unheard-of", client=plane.client).len()
