"""The state on disk: whole, or an error that says so."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file

from film.errors import TargetUnwritable, TrainingError
from film.training.checkpoints import Checkpoint, Progress


def checkpoint() -> Checkpoint:
    random = np.random.default_rng(0)
    weights, average, best = ({"flow/0/kernel": random.random((1, 1, 2, 3), np.float32)} for _ in range(3))
    progress = Progress(steps=12, skipped=1, minutes=0.1, best_psnr=float("-inf"), gradient_norm=0.25)
    optimizer: list[NDArray[np.generic]] = [np.array(12, np.int64), random.random((3, 2), np.float32)]
    return Checkpoint(progress, weights, average, best, optimizer, {"name": "earlier"})


def test_everything_comes_back(tmp_path: Path) -> None:
    path, saved = tmp_path / "run" / "state.safetensors", checkpoint()
    saved.save(path)
    found = Checkpoint.load(path)
    assert found.progress == saved.progress
    assert found.start == saved.start == {"name": "earlier"}
    for part in ("weights", "average", "best"):
        before, after = getattr(saved, part), getattr(found, part)
        assert list(before) == list(after)
        for name, value in before.items():
            np.testing.assert_array_equal(after[name], value)
    assert [value.dtype for value in found.optimizer] == [np.int64, np.float32]
    for value, expected in zip(found.optimizer, saved.optimizer, strict=True):
        np.testing.assert_array_equal(value.reshape(expected.shape), expected)
    assert [file.name for file in path.parent.iterdir()] == ["state.safetensors"]


def test_a_state_that_can_not_be_written_leaves_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    checkpoint().save(path)
    before = path.read_bytes()
    (tmp_path / ".state.safetensors.partial").mkdir()
    with pytest.raises(TargetUnwritable, match=r"state\.safetensors can't be written"):
        checkpoint().save(path)
    assert path.read_bytes() == before


def test_a_missing_state_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="not a checkpoint to resume from"):
        Checkpoint.load(tmp_path / "state.safetensors")


def test_a_damaged_state_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    checkpoint().save(path)
    whole = path.read_bytes()
    for broken in (b"", b"\x00" * 100, whole[:40], whole[:-8]):
        path.write_bytes(broken)
        with pytest.raises(TrainingError, match="not a checkpoint to resume from"):
            Checkpoint.load(path)


@pytest.mark.parametrize(
    ("tensors", "metadata"),
    [
        ({"weights/a": np.zeros(1)}, None),
        ({"weights/a": np.zeros(1)}, {"progress": "twelve"}),
        ({"weights/a": np.zeros(1)}, {"progress": '{"leaps": 3, "start": null}'}),
        ({"weights/a": np.zeros(1)}, {"progress": "[]"}),
        ({"colours/a": np.zeros(1)}, {"progress": '{"start": null}'}),
    ],
)
def test_another_kind_of_file_is_refused(
    tensors: dict[str, np.ndarray], metadata: dict[str, str] | None, tmp_path: Path
) -> None:
    path = tmp_path / "state.safetensors"
    save_file(tensors, path, metadata)
    with pytest.raises(TrainingError, match="not a checkpoint to resume from"):
        Checkpoint.load(path)
