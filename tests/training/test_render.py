"""Rendered triplets: the truth in the middle is true."""

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from film.errors import TrainingError
from film.training.render import Renderer
from film.training.scene import Layer, draw, motion, translation, turn
from film.training.shapes import SHAPES, draw_shape
from film.training.textures import Picture, Textures

from .conftest import texture

SIZE = 48


def photographs(*pictures: Picture) -> list[list[Picture]]:
    """Give each picture at full, half and quarter size."""
    found = []
    for picture in pictures:
        half = np.asarray(cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)
        quarter = np.asarray(cv2.resize(half, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)
        found.append([picture, half, quarter])
    return found


def brightening(frames: int) -> list[Picture]:
    """Give a clip that stands still and gets brighter by 4 levels a frame."""
    base = texture(5) // 2
    return [(base + 4 * index).astype(np.uint8) for index in range(frames)]


@pytest.fixture(scope="module")
def textures() -> Textures:
    return Textures(photographs(*(texture(seed) for seed in range(4))), [brightening(12)])


class ClipsOnly(Renderer):
    """Cuts from clips alone."""

    REAL_SHARE = 1.0
    FILMED_SHARE = 0.0
    CUT_SHARE = 0.0


class FilmedOnly(ClipsOnly):
    """Films clips alone, with a camera that moves."""

    FILMED_SHARE = 1.0


def test_the_same_seed_gives_the_same_triplets_and_another_gives_others(textures: Textures) -> None:
    first, again, other = (Renderer(textures, size=SIZE, seed=seed) for seed in (3, 3, 4))
    differing = 0
    for _ in range(20):
        one, same, different = first.triplet(), again.triplet(), other.triplet()
        assert one.instant == same.instant
        for frame, twin in zip(one[:3], same[:3], strict=True):
            np.testing.assert_array_equal(frame, twin)
        if one.motion is not None:
            np.testing.assert_array_equal(one.motion, same.motion)
        differing += not np.array_equal(one.middle, different.middle)
    assert differing == 20


def test_triplets_are_pictures_at_instants_half_of_them_in_the_middle(textures: Textures) -> None:
    renderer = Renderer(textures, size=SIZE, seed=0)
    triplets = [renderer.triplet() for _ in range(200)]
    for triplet in triplets:
        for frame in triplet[:3]:
            assert frame.shape == (SIZE, SIZE, 3)
            assert frame.dtype == np.uint8
            assert frame.flags.c_contiguous
        assert 0 < triplet.instant < 1
        assert triplet.middle.std() > Renderer.FLATTEST
    assert 80 <= sum(triplet.instant == 0.5 for triplet in triplets) <= 160
    assert len({triplet.instant for triplet in triplets}) > 40


def test_a_layer_travels_evenly_and_exactly() -> None:
    picture = texture(1)
    layer = Layer(picture, translation(np.array([70.0, 60.0])), velocity=np.array([6.0, -4.0]))
    first, middle, second = (draw([layer], SIZE, time).astype(np.uint8) for time in (0.0, 0.5, 1.0))
    # At time ½ the canvas lies at (70, 60) of the texture; before and after it lies 3 to the right and left of that.
    np.testing.assert_array_equal(middle, picture[60 : 60 + SIZE, 70 : 70 + SIZE])
    np.testing.assert_array_equal(first, picture[58 : 58 + SIZE, 73 : 73 + SIZE])
    np.testing.assert_array_equal(second, picture[62 : 62 + SIZE, 67 : 67 + SIZE])


def test_a_layer_with_a_mask_hides_what_is_behind_it_and_carries_its_mask_along() -> None:
    black, white = np.zeros((200, 200, 3), np.uint8), np.full((200, 200, 3), 255, np.uint8)
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[20:28, 20:28] = 255
    middle = translation(np.array([80.0, 80.0]))
    background = Layer(black, middle, velocity=np.zeros(2))
    shape = Layer(white, middle, velocity=np.array([10.0, 0.0]), mask=mask)
    for time, left in ((0.0, 15), (0.5, 20), (1.0, 25)):
        expected = np.zeros((SIZE, SIZE, 3))
        expected[20:28, left : left + 8] = 255
        np.testing.assert_allclose(draw([background, shape], SIZE, time), expected)


def test_a_layer_turns_and_grows_about_the_middle_of_the_canvas() -> None:
    y, x = np.mgrid[:200, :200]
    ramps = np.stack([x, y, np.full_like(x, 7)], axis=-1).astype(np.uint8)  # each pixel says where it is
    layer = Layer(
        ramps, translation(np.array([76.0, 76.0])), velocity=np.zeros(2), turn=np.pi / 2, growth=2 * np.log(2)
    )
    later = draw([layer], SIZE, 1.0)  # half a unit after the middle: turned by 45°, twice as large
    np.testing.assert_allclose(later[24, 24, :2], [100, 100], atol=0.1)
    back = turn(-np.pi / 4, 0.5) @ np.array([10.0, 4.0, 1.0])
    np.testing.assert_allclose(later[28, 34, :2], [100 + back[0], 100 + back[1]], atol=0.6)


def test_a_layer_that_bends_is_straight_at_the_middle_and_bent_the_opposite_way_before_and_after() -> None:
    picture = np.repeat(np.arange(200, dtype=np.uint8)[None, :, None], 3, axis=2).repeat(200, axis=0)
    bend = np.zeros((SIZE, SIZE, 2), np.float32)
    bend[..., 0] = 8.0
    layer = Layer(picture, translation(np.array([50.0, 60.0])), velocity=np.zeros(2), bend=bend)
    columns = np.broadcast_to(np.arange(50, 50 + SIZE)[None, :, None], (SIZE, SIZE, 3))
    for time, shift in ((0.0, -4), (0.5, 0), (1.0, 4)):
        np.testing.assert_allclose(draw([layer], SIZE, time), columns + shift, atol=0.01)


def carried(frame: NDArray[Any], moves: NDArray[np.float32]) -> NDArray[np.float32]:
    """Read a frame where a motion points."""
    rows, columns = np.mgrid[: frame.shape[0], : frame.shape[1]].astype(np.float32)
    found = cv2.remap(frame.astype(np.float32), columns + moves[..., 0], rows + moves[..., 1], cv2.INTER_LINEAR)
    return np.asarray(found, np.float32)


@pytest.mark.parametrize("instant", [0.5, 0.2])
@pytest.mark.parametrize("bent", [False, True])
def test_the_motion_of_a_layer_carries_both_frames_to_the_instant(instant: float, bent: bool) -> None:
    x, y = np.meshgrid(np.arange(300), np.arange(300))
    smooth = np.stack([128 + 100 * np.sin(x / 9), 128 + 100 * np.sin(y / 7), 128 + 80 * np.cos((x + y) / 11)], -1)
    bend = cv2.resize(np.random.default_rng(1).normal(0, 3, (4, 4, 2)), (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)
    layer = Layer(
        smooth.astype(np.uint8),
        translation(np.array([90.0, 80.0])) @ turn(0.3, 1.2),
        velocity=np.array([4.0, -3.0]),
        turn=0.2,
        growth=0.1,
        bend=bend.astype(np.float32) if bent else None,
    )
    there = draw([layer], SIZE, instant)
    for end in (0.0, 1.0):
        moves = motion([layer], SIZE, instant, end)
        assert np.abs(moves).max() > 1
        inside = slice(12, -12), slice(12, -12)
        assert np.abs(carried(draw([layer], SIZE, end), moves) - there)[inside].max() < 6


def test_what_a_mask_covers_moves_as_its_own_layer() -> None:
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[20:28, 20:28] = 255
    place = translation(np.array([80.0, 80.0]))
    layers = [
        Layer(texture(1), place, velocity=np.array([-2.0, 0.0])),
        Layer(texture(2), place, velocity=np.array([10.0, 6.0]), mask=mask),
    ]
    moves = motion(layers, SIZE, 0.5, 1.0)
    expected = np.broadcast_to(np.array([-1.0, 0.0]), (SIZE, SIZE, 2)).copy()
    expected[20:28, 20:28] = 5.0, 3.0
    np.testing.assert_allclose(moves, expected, atol=1e-4)


def test_a_triplets_motion_is_mirrored_turned_and_reversed_with_its_pictures(textures: Textures) -> None:
    renderer = Renderer(Textures(textures.photographs, []), size=SIZE, seed=0)
    better = 0
    for _ in range(40):
        first, middle, second, _, moves = renderer.triplet()
        assert moves is not None
        assert moves.shape == (SIZE, SIZE, 4)
        assert moves.dtype == np.float32
        for frame, way in ((first, moves[..., :2]), (second, moves[..., 2:])):
            off, still = (np.median(np.abs(found - middle)) for found in (carried(frame, way), frame.astype(float)))
            better += off < still or off <= 1  # some hardly move, and some are noisy
    assert better >= 76  # of 80; half would be right by chance of what was drawn, turned the wrong way


def test_a_filmed_clip_moves_even_where_the_clip_stands_still() -> None:
    still = [texture(5)] * 12
    triplets = [FilmedOnly(Textures([], [still]), size=SIZE, seed=seed).triplet() for seed in range(10)]
    moved = [float(np.abs(triplet.first.astype(int) - triplet.second).mean()) for triplet in triplets]
    assert np.median(moved) > 2
    assert all(triplet.motion is None for triplet in triplets)


def test_every_kind_of_shape_is_drawn_somewhere() -> None:
    assert sum(share for share, _ in SHAPES.values()) == pytest.approx(1.0)
    random = np.random.default_rng(0)
    masks = [draw_shape(random, SIZE) for _ in range(100)]
    assert all(mask.shape == (SIZE, SIZE) and mask.dtype == np.uint8 for mask in masks)
    covered = [float((mask > 127).mean()) for mask in masks]
    assert sum(share > 0 for share in covered) > 85  # a few lie outside
    assert np.ptp(covered) > 0.3


def test_neighbours_cut_from_a_clip_lie_at_the_instant_that_they_say(textures: Textures) -> None:
    renderer = ClipsOnly(textures, size=SIZE, seed=0)
    spans = set()
    for _ in range(60):
        first, middle, second, instant, _ = renderer.triplet()
        # All pixels get brighter alike, so the middle's share of the way is its instant; the exchanged come down.
        whole, part = second.astype(int) - first, middle.astype(int) - first
        assert abs(whole.mean()) >= 8
        assert part.mean() / whole.mean() == pytest.approx(instant, abs=0.02)
        spans.add(round(abs(whole.mean()) / 4))
    assert spans == {2, 4, 6}


def test_a_clip_of_three_frames_is_enough_and_a_frame_smaller_than_the_crop_is_enlarged() -> None:
    frames = [frame[:30, :40] for frame in brightening(3)]
    triplet = ClipsOnly(Textures([], [frames]), size=SIZE, seed=0).triplet()
    assert triplet.instant == 0.5
    assert triplet.middle.shape == (SIZE, SIZE, 3)


def test_cuts_in_clips_are_left_out() -> None:
    dark, bright = texture(6) // 4, texture(7) // 4 + 170
    clip = [dark.astype(np.uint8)] * 6 + [bright.astype(np.uint8)] * 6
    renderer = ClipsOnly(Textures([], [clip]), size=SIZE, seed=0)
    for _ in range(20):
        triplet = renderer.triplet()
        assert np.abs(triplet.first.astype(int) - triplet.second).mean() < 50


def test_a_cut_joins_two_scenes_and_its_middle_is_their_blend(textures: Textures) -> None:
    class CutsOnly(Renderer):
        CUT_SHARE = 1.0

    renderer = CutsOnly(textures, size=SIZE, seed=0)
    unlike = 0
    for _ in range(20):
        first, middle, second, instant, motion = renderer.triplet()
        assert motion is None
        expected = first + instant * (second.astype(np.float64) - first)
        assert np.abs(middle - expected).max() <= 0.51
        unlike += np.abs(first.astype(int) - second).mean() > 20
    assert unlike > 10


def test_flat_crops_are_left_out() -> None:
    flat = np.full((200, 240, 3), 90, np.uint8)
    renderer = ClipsOnly(Textures([], [[flat, flat, flat], brightening(3)]), size=SIZE, seed=0)
    assert all(renderer.triplet().middle.std() > Renderer.FLATTEST for _ in range(10))


def test_textures_with_nothing_to_see_are_refused_rather_than_searched_for_ever() -> None:
    flat = np.full((200, 240, 3), 90, np.uint8)
    with pytest.raises(TrainingError, match="photographs with more detail"):
        ClipsOnly(Textures([], [[flat, flat, flat]]), size=SIZE, seed=0).triplet()
