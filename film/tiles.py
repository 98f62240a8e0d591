"""How a frame too large for the memory allowed is cut into tiles, and put together again.

All tiles of a frame have one size, so that the network is traced and compiled once. They
overlap; across an overlap one tile's weight rises while the other's falls, and at its very
edge, where a tile knows least of what moves in from outside, it has no say at all.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Final

import numpy as np
from numpy.typing import NDArray

from film.errors import MemoryBudgetError

__all__ = ["OVERLAP", "Tile", "TileGrid", "plan_tiles"]

OVERLAP: Final = 256
"""Pixels that neighbouring tiles share at least: what the network looks around a pixel, and then some."""

# Share of the overlap at a tile's edge that is thrown away.
_DEAD_SHARE = 0.125
_MOST_ALONG_AN_AXIS = 64


@dataclass(frozen=True, slots=True)
class Tile:
    """One tile: its place in the padded frame, and what each of its pixels counts."""

    top: int
    left: int
    weights: NDArray[np.float32]  # (tile height, tile width, 1); all tiles' sum to 1 at every pixel


@dataclass(frozen=True, kw_only=True)
class TileGrid:
    """A cut of a frame; all lengths in pixels.

    Attributes:
        height: Of the frame.
        width: Of the frame.
        tile_height: Of every tile; a multiple of what the network needs.
        tile_width: Of every tile; a multiple of what the network needs.
        rows: Tiles down the frame.
        columns: Tiles across the frame.
    """

    height: int
    width: int
    tile_height: int
    tile_width: int
    rows: int
    columns: int

    @property
    def whole(self) -> bool:
        """Whether the frame is left in one piece."""
        return self.rows == self.columns == 1

    @property
    def padding(self) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
        """Pixels to add before and after, along height, width and channels: the frame stays centred."""
        down, across = self._padded_height - self.height, self._padded_width - self.width
        return (down // 2, down - down // 2), (across // 2, across - across // 2), (0, 0)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of the padded frame."""
        return self._padded_height, self._padded_width, 3

    @property
    def inside(self) -> tuple[slice, slice]:
        """Where the frame lies in the padded one."""
        (top, _), (left, _), _ = self.padding
        return slice(top, top + self.height), slice(left, left + self.width)

    @cached_property
    def tiles(self) -> tuple[Tile, ...]:
        """All tiles, row by row."""
        tops = _positions(self._padded_height, self.tile_height, self.rows)
        lefts = _positions(self._padded_width, self.tile_width, self.columns)
        downs = _axis_weights(self._padded_height, self.tile_height, tops)
        acrosses = _axis_weights(self._padded_width, self.tile_width, lefts)
        return tuple(
            Tile(top, left, (down[:, None] * across)[..., None])
            for (top, down), (left, across) in product(zip(tops, downs, strict=True), zip(lefts, acrosses, strict=True))
        )

    @property
    def _padded_height(self) -> int:
        return max(self.height, self.tile_height)

    @property
    def _padded_width(self) -> int:
        return max(self.width, self.tile_width)


def plan_tiles(height: int, width: int, *, multiple: int, most_pixels: int) -> TileGrid:
    """Choose the cut that computes the fewest pixels with tiles of at most `most_pixels`.

    Args:
        height: Of the frame, pixels.
        width: Of the frame, pixels.
        multiple: What a tile's height and width have to be a multiple of.
        most_pixels: How large a tile may be.

    Raises:
        MemoryBudgetError: If even the smallest useful tiles are larger.
    """
    rows = [(count, _tile_length(height, count, multiple)) for count in range(1, _MOST_ALONG_AN_AXIS + 1)]
    columns = [(count, _tile_length(width, count, multiple)) for count in range(1, _MOST_ALONG_AN_AXIS + 1)]
    fitting = [
        (down * tall * across * wide, down, across, tall, wide)
        for (down, tall), (across, wide) in product(rows, columns)
        if tall * wide <= most_pixels
    ]
    if not fitting:
        raise MemoryBudgetError(
            f"frames of {width}×{height} need tiles of {min(r[1] for r in rows) * min(c[1] for c in columns)} pixels, "
            f"but the memory allowed holds {most_pixels}; allow more memory"
        )
    _, down, across, tall, wide = min(fitting)
    return TileGrid(height=height, width=width, tile_height=tall, tile_width=wide, rows=down, columns=across)


def _tile_length(length: int, count: int, multiple: int) -> int:
    """Give the least length of `count` overlapping tiles that cover `length`."""
    if count == 1:
        return math.ceil(length / multiple) * multiple
    # More than twice the overlap, or three tiles would meet in one place.
    covering = max(math.ceil((length + (count - 1) * OVERLAP) / count), 2 * OVERLAP)
    return math.ceil(covering / multiple) * multiple


def _positions(length: int, tile: int, count: int) -> list[int]:
    """Spread `count` tiles evenly from one end to the other."""
    if count == 1:
        return [0]
    return [round(index * (length - tile) / (count - 1)) for index in range(count)]


def _axis_weights(length: int, tile: int, starts: list[int]) -> list[NDArray[np.float32]]:
    """Give each tile's weights along one axis; at every pixel they sum to 1 over the tiles."""
    dead = _DEAD_SHARE * OVERLAP
    distance = np.arange(tile) + 0.5
    total = np.zeros(length)
    raw = []
    for start in starts:
        ramp = np.ones(tile)
        if start > 0:
            ramp = np.minimum(ramp, np.clip((distance - dead) / (OVERLAP - 2 * dead), 0, 1))
        if start + tile < length:
            ramp = np.minimum(ramp, np.clip((distance[::-1] - dead) / (OVERLAP - 2 * dead), 0, 1))
        raw.append(ramp)
        total[start : start + tile] += ramp
    return [(ramp / total[start : start + tile]).astype(np.float32) for start, ramp in zip(starts, raw, strict=True)]
