"""How frames are cut, and that the cut can't be seen."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from film.errors import MemoryBudgetError
from film.tiles import OVERLAP, TileGrid, plan_tiles

MIB = 2**20

lengths = st.integers(1, 2200)
multiples = st.sampled_from([1, 8, 32, 64, 512])
budgets = st.integers(512 * 512, 2048 * 2048)  # pixels; the least is one tile of two overlaps a side


def cut(height: int, width: int, *, multiple: int = 32, pixels: int = 10**9) -> TileGrid:
    """Plan with one byte a pixel."""
    return plan_tiles(height, width, multiple=multiple, bytes_per_pixel=1.0, memory_bytes=pixels)


@settings(max_examples=40)
@given(lengths, lengths, multiples, budgets)
def test_weights_sum_to_one_wherever_the_frame_is(height: int, width: int, multiple: int, pixels: int) -> None:
    assume(multiple <= 64 or pixels >= 4 * multiple**2)  # or even one tile of two overlaps doesn't fit
    grid = cut(height, width, multiple=multiple, pixels=pixels)
    total = np.zeros(grid.shape[:2])
    for tile in grid.tiles:
        assert tile.weights.shape == (grid.tile_height, grid.tile_width, 1)
        assert tile.weights.min() >= 0
        total[tile.top :, tile.left :][: grid.tile_height, : grid.tile_width] += tile.weights[..., 0]
    np.testing.assert_allclose(total, 1.0, atol=1e-6)
    assert total[grid.inside].shape == (height, width)


@settings(max_examples=200)
@given(lengths, lengths, multiples, budgets)
def test_tiles_fit_the_budget_and_the_network_and_overlap(height: int, width: int, multiple: int, pixels: int) -> None:
    assume(multiple <= 64 or pixels >= 4 * multiple**2)
    grid = cut(height, width, multiple=multiple, pixels=pixels)
    assert grid.tile_height * grid.tile_width <= pixels
    assert grid.tile_height % multiple == grid.tile_width % multiple == 0
    tops, lefts = {tile.top for tile in grid.tiles}, {tile.left for tile in grid.tiles}
    assert len(grid.tiles) == grid.rows * grid.columns == len(tops) * len(lefts)
    for starts, tile, whole in (
        (sorted(tops), grid.tile_height, grid.shape[0]),
        (sorted(lefts), grid.tile_width, grid.shape[1]),
    ):
        assert starts[0] == 0
        assert starts[-1] + tile == whole
        assert all(start % multiple == 0 for start in starts)
        assert all(earlier + tile - later >= OVERLAP for earlier, later in pairwise(starts))


@settings(max_examples=40)
@given(lengths, lengths, budgets)
def test_each_tile_knows_how_much_of_it_is_padding(height: int, width: int, pixels: int) -> None:
    grid = cut(height, width, multiple=64, pixels=pixels)
    frame = np.zeros(grid.shape[:2], bool)
    frame[grid.inside] = True
    for tile in grid.tiles:
        mine = frame[tile.top :, tile.left :][: grid.tile_height, : grid.tile_width]
        (above, below), (before, after) = grid.padding_in(tile)
        expected = np.zeros_like(mine)
        expected[above : grid.tile_height - below, before : grid.tile_width - after] = True
        np.testing.assert_array_equal(mine, expected)


@settings(max_examples=200)
@given(lengths, lengths, multiples)
def test_a_frame_that_fits_stays_whole_and_centred(height: int, width: int, multiple: int) -> None:
    grid = cut(height, width, multiple=multiple)
    assert grid.whole
    (tile,) = grid.tiles
    assert (tile.top, tile.left) == (0, 0)
    assert np.all(tile.weights == 1)
    (above, below), (before, after), none = grid.padding
    assert none == (0, 0)
    assert (above + height + below, before + width + after) == grid.shape[:2] == (grid.tile_height, grid.tile_width)
    assert 0 <= below - above <= 1
    assert 0 <= after - before <= 1
    assert above + below < multiple
    assert before + after < multiple


def test_a_frame_is_cut_into_the_fewest_pixels() -> None:
    # 2160 = 2176 − 16. Two tiles of 1216×2048 overlap by 256 both ways and fit 2.5 million pixels.
    grid = cut(2160, 3840, pixels=2_500_000)
    assert (grid.rows, grid.columns) == (2, 2)
    assert (grid.tile_height, grid.tile_width) == (1216, 2048)
    assert grid.shape == (2176, 3840, 3)
    assert [tile.left for tile in grid.tiles] == [0, 1792, 0, 1792]


def test_a_tiles_very_edge_has_no_say_inside_the_frame() -> None:
    first, second = cut(64, 1000, pixels=64 * 700).tiles
    assert first.weights[0, -1, 0] == 0
    assert second.weights[0, 0, 0] == 0
    assert first.weights[0, 0, 0] == second.weights[0, -1, 0] == 1


def test_a_budget_too_small_for_any_tile_says_how_much_is_needed() -> None:
    with pytest.raises(MemoryBudgetError) as refused:
        plan_tiles(1080, 1920, multiple=32, bytes_per_pixel=1000.0, memory_bytes=200 * MIB)
    # 512×512 pixels of 1000 bytes are 250 MiB
    assert str(refused.value) == (
        "frames of 1920×1080 need at least 250 MiB even in tiles, but 200 MiB are allowed; "
        "allow more memory, or take a smaller model"
    )
    assert len(plan_tiles(1080, 1920, multiple=32, bytes_per_pixel=1000.0, memory_bytes=250 * MIB).tiles) > 1
