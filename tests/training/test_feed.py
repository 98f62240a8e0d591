"""Batches: the same for a seed, rendered elsewhere, and never silently missing."""

from pathlib import Path

import numpy as np
import pytest

from film.errors import TrainingError
from film.training.feed import Feed, draw
from film.training.textures import load


def test_batches_from_another_process_are_those_of_the_training_part(photographs: Path) -> None:
    expected = draw(load([photographs]).training(), size=32, batch=3, seed=11)
    with Feed([photographs], size=32, batch=3, seed=11) as feed:
        for _ in range(3):
            found, batch = next(feed), next(expected)
            assert found.frames.shape == (3, 3, 32, 32, 3)
            assert found.frames.dtype == np.uint8
            assert found.instants.shape == (3,)
            assert found.instants.dtype == np.float32
            np.testing.assert_array_equal(found.frames, batch.frames)
            np.testing.assert_array_equal(found.instants, batch.instants)


def test_what_a_producer_has_to_say_comes_through(tmp_path: Path) -> None:
    with Feed([tmp_path / "absent"], size=32, batch=1, seed=0) as feed, pytest.raises(TrainingError, match="absent"):
        next(iter(feed))
