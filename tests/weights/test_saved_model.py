"""Import: exactly the configuration's variables, in the released order, or a clear no."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from film.errors import OptionError, TargetExists, WeightsMismatch
from film.network.config import FilmConfig
from film.weights import find, import_saved_model, load, read_saved_model

from .conftest import write_saved_model

Variables = list[np.ndarray]


def test_an_imported_model_keeps_every_weight_under_its_name(
    saved_model: Path, small: FilmConfig, small_tensors: dict[str, np.ndarray], cache: Path
) -> None:
    path = import_saved_model(saved_model, name="mine", config=small, training={"licence": "MIT"})
    assert path == cache / "mine.safetensors"
    weights = find("mine")
    assert (weights.name, weights.config) == ("mine", small)
    assert weights.training == {"licence": "MIT", "source": str(saved_model)}
    assert list(weights.tensors) == list(small_tensors)
    for name, tensor in small_tensors.items():
        np.testing.assert_array_equal(weights.tensors[name], tensor)


def test_the_published_networks_82_weights_are_imported_in_their_order(published_model: Path) -> None:
    weights = load(import_saved_model(published_model, name="style"))
    assert weights.config == FilmConfig.published()
    assert sum(tensor.size for tensor in weights.tensors.values()) == 34_436_667
    assert [tensor.flat[0] for tensor in weights.tensors.values()] == list(range(82))
    assert weights.tensors["fusion/out/kernel"].shape == (1, 1, 64, 3)


def test_a_name_that_is_taken_is_refused_unless_overwriting_is_asked_for(saved_model: Path, small: FilmConfig) -> None:
    import_saved_model(saved_model, name="mine", config=small)
    with pytest.raises(TargetExists, match="there are weights named 'mine' already"):
        import_saved_model(saved_model, name="mine", config=small)
    import_saved_model(saved_model, name="mine", config=small, training={"licence": "MIT"}, overwrite=True)
    assert find("mine").training["licence"] == "MIT"


def test_the_bundled_sets_name_is_refused(saved_model: Path, small: FilmConfig) -> None:
    with pytest.raises(OptionError, match="'compact' is the bundled set's name"):
        import_saved_model(saved_model, name="compact", config=small)


def _swapped(variables: Variables) -> Variables:
    return [*variables[:2], variables[4], variables[3], variables[2], *variables[5:]]


_FAULTS: dict[str, tuple[Callable[[Variables], Variables], str]] = {
    # weight 2 is the second convolution's kernel, weight 4 the third's, with twice the channels
    "swapped": (
        _swapped,
        r"weight 2 \(features/stage_0/b/kernel\) should be of shape \(3, 3, 4, 4\), not \(3, 3, 4, 8\)",
    ),
    "one too few": (
        lambda variables: variables[:-1],
        r"weight 27 \(fusion/out/bias\) is missing: the configuration needs 28 weights, 27 are there",
    ),
    "one too many": (
        lambda variables: [*variables, np.zeros(3, np.float32)],
        r"1 tensor\(s\) aren't part of the configured network: variables/28/",
    ),
    "not finite": (
        lambda variables: [variables[0], np.full_like(variables[1], np.nan), *variables[2:]],
        r"weight 1 \(features/stage_0/a/bias\) has 4 value\(s\) that aren't finite",
    ),
    "of another type": (
        lambda variables: [variables[0], variables[1].astype(np.float64), *variables[2:]],
        r"weight 1 \(features/stage_0/a/bias\) should be float32, not float64",
    ),
    "none": (lambda _: [], r"weight 0 \(features/stage_0/a/kernel\) is missing"),
}


@pytest.mark.parametrize(("fault", "message"), _FAULTS.values(), ids=list(_FAULTS))
def test_variables_other_than_the_networks_are_named(
    fault: Callable[[Variables], Variables],
    message: str,
    tmp_path: Path,
    small: FilmConfig,
    small_tensors: dict[str, np.ndarray],
) -> None:
    write_saved_model(tmp_path / "model", fault(list(small_tensors.values())))
    with pytest.raises(WeightsMismatch, match=message) as caught:
        import_saved_model(tmp_path / "model", name="mine", config=small)
    assert str(tmp_path / "model") in str(caught.value)
    assert not list(tmp_path.rglob("*.safetensors"))


def test_an_optimizers_variables_are_not_overlooked(
    tmp_path: Path, small: FilmConfig, small_tensors: dict[str, np.ndarray]
) -> None:
    write_saved_model(tmp_path / "model", list(small_tensors.values()), optimizer_step=np.array(3))
    with pytest.raises(WeightsMismatch, match=r"aren't part of the configured network: optimizer_step/"):
        read_saved_model(tmp_path / "model", small)


def test_a_small_model_is_not_the_published_one(saved_model: Path) -> None:
    with pytest.raises(WeightsMismatch, match=r"should be of shape \(3, 3, 3, 64\), not \(3, 3, 3, 4\)"):
        import_saved_model(saved_model, name="style")


def test_a_folder_that_is_not_there_is_said_so(tmp_path: Path, small: FilmConfig) -> None:
    with pytest.raises(WeightsMismatch, match="there is no folder"):
        read_saved_model(tmp_path / "nowhere", small)


@pytest.mark.parametrize("missing", ["variables", "variables/variables.index"])
def test_a_folder_without_a_checkpoint_is_no_saved_model(
    missing: str, tmp_path: Path, saved_model: Path, small: FilmConfig
) -> None:
    directory = Path(shutil.copytree(saved_model, tmp_path / "model"))
    gone = directory / missing
    if gone.is_dir():
        shutil.rmtree(gone)
    else:
        gone.unlink()
    with pytest.raises(WeightsMismatch, match=r"isn't a SavedModel: it has no variables/variables\.index"):
        read_saved_model(directory, small)


def _flip_in_the_middle(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x55
    path.write_bytes(content)


def _halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("damage", [_flip_in_the_middle, _halve, Path.unlink, lambda path: path.write_bytes(b"")])
@pytest.mark.parametrize("file", ["variables.index", "variables.data-00000-of-00001"])
def test_a_damaged_checkpoint_is_refused_in_one_line(
    file: str, damage: Callable[[Path], object], tmp_path: Path, saved_model: Path, small: FilmConfig
) -> None:
    directory = Path(shutil.copytree(saved_model, tmp_path / "model"))
    damage(directory / "variables" / file)
    with pytest.raises(WeightsMismatch) as caught:
        read_saved_model(directory, small)
    assert str(directory) in str(caught.value)
    assert "\n" not in str(caught.value)
