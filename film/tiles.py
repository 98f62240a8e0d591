"""How a frame too large for the memory allowed is cut into tiles, and put together again.

All tiles of a frame have one size, so that the network is traced and compiled once. They
overlap; across an overlap one tile's weight rises while the other's falls, and at its very
edge, where a tile knows least of what moves in from outside, it has no say at all.

Tiles begin at multiples of what the network needs. Its pyramids halve the size several times; a
tile that began elsewhere would be halved in other cells than its neighbour and the whole
frame are, and give other pictures.
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
"""Pixels that neighbouring tiles share at least: most of what the network looks around a pixel."""

# Share of the overlap at a tile's edge that is thrown away.
_DEAD_SHARE = 0.125
_MOST_ALONG_AN_AXIS = 64
_MIB = 2**20


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
        multiple: What the network needs sizes to be a multiple of; tiles begin at such places.
    """

    height: int
    width: int
    tile_height: int
    tile_width: int
    rows: int
    columns: int
    multiple: int

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

    def padding_in(self, tile: Tile) -> tuple[tuple[int, int], tuple[int, int]]:
        """Say how many of a tile's rows above and below, and columns left and right, aren't the frame's."""
        rows, columns = self.inside
        return (
            (max(0, rows.start - tile.top), max(0, tile.top + self.tile_height - rows.stop)),
            (max(0, columns.start - tile.left), max(0, tile.left + self.tile_width - columns.stop)),
        )

    @cached_property
    def tiles(self) -> tuple[Tile, ...]:
        """All tiles, row by row."""
        tops = _positions(self._padded_height, self.tile_height, self.rows, self.multiple)
        lefts = _positions(self._padded_width, self.tile_width, self.columns, self.multiple)
        downs = _axis_weights(self._padded_height, self.tile_height, tops)
        acrosses = _axis_weights(self._padded_width, self.tile_width, lefts)
        return tuple(
            Tile(top, left, (down[:, None] * across)[..., None])
            for (top, down), (left, across) in product(zip(tops, downs, strict=True), zip(lefts, acrosses, strict=True))
        )

    @property
    def _padded_height(self) -> int:
        return max(_round_up(self.height, self.multiple), self.tile_height)

    @property
    def _padded_width(self) -> int:
        return max(_round_up(self.width, self.multiple), self.tile_width)


def plan_tiles(height: int, width: int, *, multiple: int, bytes_per_pixel: float, memory_bytes: int) -> TileGrid:
    """Choose the cut that computes the fewest pixels and whose tiles fit the memory.

    Args:
        height: Of the frame, pixels.
        width: Of the frame, pixels.
        multiple: What a tile's height and width have to be a multiple of.
        bytes_per_pixel: What a tile's pixel takes while the network runs.
        memory_bytes: What a tile may take.

    Raises:
        MemoryBudgetError: If even the smallest useful tiles take more.
    """
    rows = [(count, _tile_length(height, count, multiple)) for count in range(1, _MOST_ALONG_AN_AXIS + 1)]
    columns = [(count, _tile_length(width, count, multiple)) for count in range(1, _MOST_ALONG_AN_AXIS + 1)]
    fitting = [
        (down * tall * across * wide, down, across, tall, wide)
        for (down, tall), (across, wide) in product(rows, columns)
        if tall * wide * bytes_per_pixel <= memory_bytes
    ]
    if not fitting:
        least = min(tall for _, tall in rows) * min(wide for _, wide in columns) * bytes_per_pixel
        raise MemoryBudgetError(
            f"frames of {width}×{height} need at least {math.ceil(least / _MIB)} MiB even in tiles, but "
            f"{memory_bytes // _MIB} MiB are allowed; allow more memory, or take a smaller model"
        )
    _, down, across, tall, wide = min(fitting)
    return TileGrid(
        height=height, width=width, tile_height=tall, tile_width=wide, rows=down, columns=across, multiple=multiple
    )


def _tile_length(length: int, count: int, multiple: int) -> int:
    """Give the least length of `count` overlapping tiles, at multiples of `multiple`, that cover `length`."""
    if count == 1:
        return _round_up(length, multiple)
    units, overlap = math.ceil(length / multiple), math.ceil(OVERLAP / multiple)
    # Twice the overlap at least, or three tiles would meet in one place.
    return multiple * max(math.ceil((units + (count - 1) * overlap) / count), 2 * overlap)


def _positions(length: int, tile: int, count: int, multiple: int) -> list[int]:
    """Spread `count` tiles evenly from one end to the other, at multiples of `multiple`."""
    if count == 1:
        return [0]
    return [index * ((length - tile) // multiple) // (count - 1) * multiple for index in range(count)]


def _round_up(length: int, multiple: int) -> int:
    return math.ceil(length / multiple) * multiple


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
