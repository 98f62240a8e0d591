"""Batches: the same for a seed, rendered elsewhere, and never silently missing."""

import os
import select
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from film.errors import TrainingError
from film.training.feed import Feed, draw
from film.training.textures import load

from .conftest import write_clip


def test_batches_from_another_process_are_those_of_the_training_part(photographs: Path) -> None:
    expected = draw(load([photographs]).training(), size=32, batch=3, seed=11)
    with Feed([photographs], size=32, batch=3, seed=11) as feed:
        for _ in range(3):
            found, batch = next(feed), next(expected)
            assert found.frames.shape == (3, 3, 32, 32, 3)
            assert found.frames.dtype == np.uint8
            assert found.instants.shape == (3,)
            assert found.instants.dtype == np.float32
            assert found.motions.shape == (3, 32, 32, 4)
            assert found.motions.dtype == np.float16
            assert found.found.shape == (6, 32, 32, 2)
            assert found.found.dtype == np.float16
            for part, same in zip(found, batch, strict=True):
                np.testing.assert_array_equal(part, same)


def test_motion_is_known_of_what_is_rendered_and_zero_elsewhere(photographs: Path, tmp_path: Path) -> None:
    write_clip(tmp_path / "clip.avi", 12)
    batches = draw(load([photographs, tmp_path]), size=32, batch=24, seed=3)
    batch = next(batches)
    moving = np.abs(batch.motions).max(axis=(1, 2, 3)) > 0
    np.testing.assert_array_equal(moving, batch.known == 1)
    assert set(batch.known) == {0, 1}


def test_what_a_producer_has_to_say_comes_through(tmp_path: Path) -> None:
    with Feed([tmp_path / "absent"], size=32, batch=1, seed=0) as feed, pytest.raises(TrainingError, match="absent"):
        next(iter(feed))


LEARNER = """
import multiprocessing, sys
from pathlib import Path
from film.training.feed import Feed
if __name__ == "__main__":
    with Feed([Path(sys.argv[1])], size=32, batch=1, seed=0) as feed:
        next(feed)
        print(multiprocessing.active_children()[0].pid, flush=True)
        sys.stdin.read()
"""


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="waiting for another's process takes Linux")
def test_a_producer_ends_when_its_consumer_is_killed(photographs: Path, tmp_path: Path) -> None:
    script = tmp_path / "learner.py"
    script.write_text(LEARNER, encoding="utf-8")
    with subprocess.Popen(
        [sys.executable, script, photographs], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as learner:
        assert learner.stdout is not None
        producer = os.pidfd_open(int(learner.stdout.readline()))
        learner.kill()
    try:
        assert select.select([producer], [], [], 60)[0], "the producer still runs a minute after"
    finally:
        os.close(producer)
