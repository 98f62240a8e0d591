"""Which photographs and clips are learnt from, and which are kept to validate on."""

import logging
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from film.errors import TrainingError
from film.training.textures import load

from .conftest import texture, write_clip


@pytest.fixture
def mixed(photographs: Path, tmp_path: Path) -> Path:
    """Give a folder with all that can be found in one: 20 photographs, more pictures, clips, other files."""
    folder = tmp_path / "mixed"
    shutil.copytree(photographs, folder / "below" / "photographs")
    cv2.imwrite(str(folder / "large.JPG"), texture(30, height=900, width=2000)[..., ::-1])
    cv2.imwrite(str(folder / "small.png"), texture(31, height=191, width=400))
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 not a picture")
    (folder / "notes.txt").write_text("no picture either")
    write_clip(folder / "clip.avi", 20)
    write_clip(folder / "short.avi", 2)
    return folder


def test_photographs_and_clips_are_found_at_any_depth_and_the_rest_is_left_out(
    mixed: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        found = load([mixed])
    assert len(found.photographs) == 21
    assert [len(clip) for clip in found.clips] == [20]
    left_out = {vars(record)["file"] for record in caplog.records if "left out" in record.message}
    assert left_out == {"broken.jpg", "short.avi"}


def test_a_photograph_is_kept_in_colour_at_three_sizes(photographs: Path) -> None:
    levels = load([photographs]).photographs[0]
    assert [level.shape for level in levels] == [(200, 240, 3), (100, 120, 3), (50, 60, 3)]
    np.testing.assert_array_equal(levels[0], texture(0))


def test_a_large_photograph_is_shrunk(mixed: Path) -> None:
    assert max(max(levels[0].shape) for levels in load([mixed]).photographs) == 1280


def test_a_clips_frames_are_in_colour_and_in_order(mixed: Path) -> None:
    (clip,) = load([mixed]).clips
    wide = texture(99, width=240 + 60).astype(int)
    for index, frame in enumerate(clip):
        # Motion JPEG loses some detail, no more.
        assert np.abs(frame - wide[:, 3 * index : 3 * index + 240]).mean() < 6


def test_what_is_validated_on_is_never_learnt_from(mixed: Path) -> None:
    found = load([mixed])
    training, validation = found.training(), found.validation()
    learnt = {levels[0].tobytes() for levels in training.photographs}
    held_out = {levels[0].tobytes() for levels in validation.photographs}
    assert (len(learnt), len(held_out)) == (18, 3)
    assert not learnt & held_out
    assert [len(clip) for clip in training.clips] == [16]
    assert [len(clip) for clip in validation.clips] == [4]
    frames = {frame.tobytes() for frame in training.clips[0]}
    assert not frames & {frame.tobytes() for frame in validation.clips[0]}


def test_a_clip_too_short_to_divide_is_learnt_from_alone(photographs: Path, tmp_path: Path) -> None:
    write_clip(tmp_path / "clip.avi", 6)
    found = load([photographs, tmp_path])
    assert [len(clip) for clip in found.training().clips] == [4]
    assert found.validation().clips == []  # two frames have none between


def test_a_folder_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="absent is not a folder"):
        load([tmp_path / "absent"])


def test_too_few_photographs_are_refused(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "one.png"), texture(1))
    with pytest.raises(TrainingError, match=r"only 1 usable photographs .* 20 are the least"):
        load([tmp_path])
