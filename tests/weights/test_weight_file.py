"""The file format: what is written comes back, and nothing else is taken for it."""

import dataclasses
import errno
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from film.errors import NoSpace, OptionError, TargetUnwritable, UnknownModel, WeightsError, WeightsMismatch
from film.network.config import FilmConfig
from film.weights import WeightSet, load, save

Tensors = dict[str, np.ndarray]

_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=8,
)


@st.composite
def _weight_sets(draw: st.DrawFn) -> WeightSet:
    specialized = draw(st.integers(1, 3))
    levels = draw(st.integers(specialized + 1, 5))
    per_predictor = st.lists(st.integers(1, 2), min_size=specialized + 1, max_size=specialized + 1).map(tuple)
    config = FilmConfig(
        pyramid_levels=levels,
        fusion_pyramid_levels=draw(st.integers(1, levels)),
        specialized_levels=specialized,
        sub_levels=draw(st.integers(1, specialized + 1)),
        filters=draw(st.integers(1, 3)),
        flow_convs=draw(per_predictor),
        flow_filters=tuple(2 * count for count in draw(per_predictor)),
        head=draw(st.sampled_from(("rgb", "blend"))),
        any_instant=draw(st.booleans()),
    )
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    scale = draw(st.sampled_from((0.0, 1e-40, 1.0, 1e38)))  # from denormal to nearly the largest
    tensors = {
        name: (random.uniform(-scale, scale, shape)).astype(np.float32)
        for name, shape in config.weight_shapes().items()
    }
    return WeightSet.of(
        draw(st.from_regex(r"[a-z0-9][a-z0-9_-]{0,63}", fullmatch=True)),
        config,
        tensors=tensors,
        version=draw(st.text(max_size=20)),
        training=draw(st.dictionaries(st.text(), _JSON, max_size=4)),
    )


@given(weights=_weight_sets())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_saved_is_what_is_loaded(weights: WeightSet, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save(path, weights)
    loaded = load(path)
    assert (loaded.name, loaded.config, loaded.version) == (weights.name, weights.config, weights.version)
    assert (loaded.training, loaded.sha256) == (weights.training, weights.sha256)
    assert list(loaded.tensors) == list(weights.config.weight_shapes())
    for name, tensor in weights.tensors.items():
        assert loaded.tensors[name].dtype == np.float32
        assert loaded.tensors[name].tobytes() == tensor.tobytes()


def test_the_digest_covers_names_shapes_and_bytes_in_the_networks_order(
    small: FilmConfig, small_tensors: Tensors
) -> None:
    backwards = dict(reversed(small_tensors.items()))
    weights = WeightSet.of("mine", small, tensors=backwards, version="1", training={})
    assert weights.sha256 == _digest(small_tensors)


def test_a_second_save_replaces_the_first_and_leaves_nothing_beside_it(
    tmp_path: Path, small: FilmConfig, small_tensors: Tensors
) -> None:
    path = tmp_path / "weights.safetensors"
    save(path, WeightSet.of("mine", small, tensors=small_tensors, version="1", training={}))
    save(path, WeightSet.of("mine", small, tensors=small_tensors, version="2", training={}))
    assert load(path).version == "2"
    assert [entry.name for entry in tmp_path.iterdir()] == ["weights.safetensors"]


def test_a_full_disk_is_said_so_and_leaves_the_old_file(
    tmp_path: Path, small: FilmConfig, small_tensors: Tensors, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "weights.safetensors"
    save(path, WeightSet.of("mine", small, tensors=small_tensors, version="1", training={}))

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(NoSpace, match="the disk is full"):
        save(path, WeightSet.of("mine", small, tensors=small_tensors, version="2", training={}))
    assert load(path).version == "1"
    assert [entry.name for entry in tmp_path.iterdir()] == ["weights.safetensors"]


def test_a_folder_that_is_not_there_is_not_written_to(
    tmp_path: Path, small: FilmConfig, small_tensors: Tensors
) -> None:
    weights = WeightSet.of("mine", small, tensors=small_tensors, version="1", training={})
    with pytest.raises(TargetUnwritable, match="No such file or directory"):
        save(tmp_path / "nowhere" / "weights.safetensors", weights)


@pytest.mark.parametrize("name", ["", "Mine", "../mine", "a/b", ".hidden", "a" * 65, "mine.safetensors", "mine\n"])
def test_a_name_that_could_not_be_a_files_name_is_refused(name: str, small: FilmConfig, small_tensors: Tensors) -> None:
    with pytest.raises(OptionError, match="can't be named"):
        WeightSet.of(name, small, tensors=small_tensors, version="1", training={})


def test_training_that_json_cannot_hold_is_refused(tmp_path: Path, small: FilmConfig, small_tensors: Tensors) -> None:
    weights = WeightSet.of("mine", small, tensors=small_tensors, version="1", training={"when": object()})
    with pytest.raises(OptionError, match="JSON"):
        save(tmp_path / "weights.safetensors", weights)


def test_tensors_other_than_the_digests_are_not_saved(
    tmp_path: Path, small: FilmConfig, small_tensors: Tensors
) -> None:
    weights = WeightSet.of("mine", small, tensors=small_tensors, version="1", training={})
    with pytest.raises(WeightsMismatch, match="SHA-256"):
        save(tmp_path / "weights.safetensors", dataclasses.replace(weights, sha256="0" * 64))


def _replaced(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Tensors], Tensors]:
    return lambda tensors: {**tensors, name: change(tensors[name])}


def _with_nan(tensor: np.ndarray) -> np.ndarray:
    return np.concatenate([tensor[:-2], np.array([np.nan, np.inf], np.float32)])


# In the small network weight 3 is the second convolution's bias, of 4 channels.
_FAULTS: dict[str, tuple[Callable[[Tensors], Tensors], str]] = {
    "missing": (
        lambda tensors: {name: tensor for name, tensor in tensors.items() if name != "features/stage_0/b/bias"},
        r"weight 3 \(features/stage_0/b/bias\) is missing: the configuration needs 28 weights, 27 are there",
    ),
    "unknown": (lambda tensors: {**tensors, "extra": np.zeros(1, np.float32)}, r"1 tensor\(s\) aren't part .*: extra"),
    "misshapen": (
        _replaced("features/stage_0/b/bias", lambda bias: bias[:-1]),
        r"weight 3 \(features/stage_0/b/bias\) should be of shape \(4,\), not \(3,\)",
    ),
    "not float32": (
        _replaced("features/stage_0/b/bias", lambda bias: bias.astype(np.float16)),
        r"weight 3 \(features/stage_0/b/bias\) should be float32, not float16",
    ),
    "not finite": (
        _replaced("features/stage_0/b/bias", _with_nan),
        r"weight 3 \(features/stage_0/b/bias\) has 2 value\(s\) that aren't finite",
    ),
}


@pytest.mark.parametrize(("fault", "message"), _FAULTS.values(), ids=list(_FAULTS))
def test_a_file_whose_tensors_are_wrong_says_which_and_how(
    fault: Callable[[Tensors], Tensors], message: str, tmp_path: Path, small: FilmConfig, small_tensors: Tensors
) -> None:
    path = tmp_path / "weights.safetensors"
    _write(path, fault(small_tensors), small)
    with pytest.raises(WeightsMismatch, match=message) as caught:
        load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(("fault", "message"), _FAULTS.values(), ids=list(_FAULTS))
def test_wrong_tensors_do_not_become_a_weight_set(
    fault: Callable[[Tensors], Tensors], message: str, small: FilmConfig, small_tensors: Tensors
) -> None:
    with pytest.raises(WeightsMismatch, match=message):
        WeightSet.of("mine", small, tensors=fault(small_tensors), version="1", training={})


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"film_format": "2"}, "format '2' is not known"),
        ({"film_format": None}, "has no film_format"),
        ({"sha256": None}, "lacks sha256"),
        ({"name": "../x"}, "can't be named"),
        ({"config": "{"}, "config isn't JSON"),
        ({"training": "[]"}, "training should be a JSON object"),
        ({"config": '{"filters": 4}'}, "not a FILM configuration"),
        ({"sha256": "0" * 64}, "altered or damaged"),
    ],
)
def test_wrong_metadata_is_refused(
    metadata: dict[str, str | None], message: str, tmp_path: Path, small: FilmConfig, small_tensors: Tensors
) -> None:
    path = tmp_path / "weights.safetensors"
    _write(path, small_tensors, small, **metadata)
    with pytest.raises(WeightsMismatch, match=message):
        load(path)


@pytest.mark.parametrize(
    ("name", "value"),
    [("pyramid_levels", 10**9), ("filters", 1.5), ("flow_convs", [1] * 100), ("flow_convs", 3), ("filters", "4"),
     ("flow_filters", ["a", "b"]), ("head", "other"), ("filters", 0), ("unheard_of", 1), ("filters", None)],
)  # fmt: skip
def test_a_forged_configuration_is_refused_at_once(
    name: str, value: object, tmp_path: Path, small: FilmConfig, small_tensors: Tensors
) -> None:
    path = tmp_path / "weights.safetensors"
    _write(path, small_tensors, small, config=json.dumps({**small.to_json(), name: value}))
    with pytest.raises(WeightsMismatch, match=r"weights\.safetensors"):
        load(path)


@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_file_cut_anywhere_is_refused(
    data: st.DataObject, tmp_path: Path, small: FilmConfig, small_tensors: Tensors
) -> None:
    path = tmp_path / "weights.safetensors"
    _write(path, small_tensors, small)
    content = path.read_bytes()
    path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(WeightsMismatch):
        load(path)


@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_flipped_byte_in_any_tensor_is_noticed(
    data: st.DataObject, tmp_path: Path, small: FilmConfig, small_tensors: Tensors
) -> None:
    path = tmp_path / "weights.safetensors"
    _write(path, small_tensors, small)
    content = bytearray(path.read_bytes())
    tensors_begin = 8 + int.from_bytes(content[:8], "little")  # the safetensors layout: length, header, tensors
    content[data.draw(st.integers(tensors_begin, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    with pytest.raises(WeightsMismatch):
        load(path)


@pytest.mark.parametrize("content", [b"", b"no weights here", b"\xff" * 64, b"\x02\0\0\0\0\0\0\0{}"])
def test_a_file_of_another_kind_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(content)
    with pytest.raises(WeightsMismatch, match=r"weights\.safetensors"):
        load(path)


def test_a_file_that_is_not_there_is_an_unknown_model(tmp_path: Path) -> None:
    with pytest.raises(UnknownModel, match="there is no weight file"):
        load(tmp_path / "none.safetensors")


def test_a_folder_is_not_a_weight_file(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="can't be read: Is a directory"):
        load(tmp_path)


def _digest(tensors: Mapping[str, np.ndarray]) -> str:
    """The format's digest, written down a second time: name, line end, shape, line end, bytes; tensor by tensor."""
    parts = [
        f"{name}\n{','.join(map(str, t.shape))}\n".encode() + t.astype("<f4").tobytes() for name, t in tensors.items()
    ]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def _write(path: Path, tensors: Tensors, network: FilmConfig, /, **changes: str | None) -> None:
    """Write a weight file by safetensors alone, with metadata changed or (None) left out."""
    metadata: dict[str, Any] = {
        "film_format": "1",
        "name": "mine",
        "version": "1",
        "config": json.dumps(network.to_json()),
        "training": "{}",
        "sha256": _digest(tensors),
    }
    metadata |= changes
    safetensors.numpy.save_file(tensors, path, {key: value for key, value in metadata.items() if value is not None})
