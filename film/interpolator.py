"""Two frames and instants between them in, frames out: what the network needs around it.

The network takes floats of certain sizes; frames are whole numbers of any size. Here they
are padded and cropped, cut into tiles when they are too large for the memory allowed, and
what repeats is remembered: a frame's features serve the pair before it and the pair after
it, a pair's flows serve all instants between.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from film.errors import MemoryBudgetError, OptionError
from film.network import Encoded, FilmNetwork, Flows
from film.network.compiling import compiled
from film.network.flow import FlowPyramid
from film.schedule import Step, schedule
from film.tiles import TileGrid, plan_tiles
from film.weights import WeightSet, find, load

__all__ = ["DEFAULT_MEMORY_BYTES", "Frame", "Interpolator"]

Frame = NDArray[np.uint8] | NDArray[np.uint16]

DEFAULT_MEMORY_BYTES: Final = 4 * 2**30
"""Fixed rather than read from the machine: pieces of a clip made on different machines get the same tiles."""

_RGB = 3
_FLOAT_BYTES = 4
# Peak memory of the three stages beside the activations that `FilmConfig` counts: temporaries of
# the convolutions and warps. Measured 2.1 to 3.4 over both configurations, 256×256 to 1920×1088.
_PEAK_FACTOR = 3.5
# One part in so many of the memory allowed may go into the sums over tiles of several instants.
_SUMS_SHARE = 4


class _Known(NamedTuple):
    """A frame whose features are remembered, recognised by its very pixels."""

    pixels: Frame  # padded; a copy of the caller's
    encoded: Encoded

    def shows(self, pixels: Frame) -> bool:
        """Tell whether this is the frame of those pixels."""
        return self.pixels.dtype == pixels.dtype and np.array_equal(self.pixels, pixels)


class Interpolator:
    """Makes the frames between two.

    One instance serves one thread at a time. It remembers the last frames it saw, so a clip's
    pairs, given in order, cost one feature extraction each.
    """

    def __init__(
        self,
        model: str | Path | WeightSet | None = None,
        *,
        memory_bytes: int = DEFAULT_MEMORY_BYTES,
        mixed_precision: bool = False,
        xla: bool = False,
    ) -> None:
        """Load a network.

        Args:
            model: Name in the catalogue of `film.weights`, path of a weight file, weights that are loaded
                already, or `None` for the best set there is on this machine.
            memory_bytes: What the network may use besides its weights; larger frames are cut into tiles.
            mixed_precision: Convolve in float16; for GPUs.
            xla: Compile the whole network, for GPUs; every new frame size then costs some seconds first. On a
                processor it is faster without: the parts that gain by it are always compiled.

        Raises:
            UnknownModel: If there is no weight set of that name, or no such file.
            WeightsError: If the file can't be read.
            WeightsMismatch: If the file isn't what it says it is.
            OptionError: If the memory isn't positive.
        """
        if memory_bytes <= 0:
            raise OptionError(f"the memory allowed must be positive, not {memory_bytes} bytes")
        weights = _weights(model)
        self.name = weights.name
        self.config = weights.config
        self.memory_bytes = memory_bytes
        self._network = FilmNetwork(weights.config, mixed_precision=mixed_precision)
        self._network.set_named_weights(weights.tensors)
        self._encode = compiled(self._encode_pixels, whole=xla)
        self._encode_made = compiled(self._network.encode, whole=xla)
        self._search = compiled(self._network.search, whole=False)
        self._flows = compiled(self._find_flows, whole=xla)
        self._render = compiled(self._render_instant, whole=xla)
        self._known: list[_Known] = []
        # The same size and instants give the same grid; a clip has one, a folder of pictures a few.
        self._grid = lru_cache(maxsize=8)(self._plan_grid)

    def between(self, first: Frame, second: Frame, instants: Sequence[Fraction | float]) -> Iterator[Frame]:
        """Make the frames at `instants`, in order.

        Args:
            first: `(H, W, 3)` uint8 or uint16 RGB. Copied: the caller may overwrite it at once.
            second: The same size and type.
            instants: In (0, 1), rising strictly. A network that was trained at the middle only makes each
                frame from the two nearest that there are (see `film.schedule`).

        Returns:
            Frames of the same size and type as `first`, each made when it is asked for.

        Raises:
            OptionError: If the frames differ in size or type or aren't RGB of whole numbers, or the instants
                don't rise strictly within (0, 1).
            MemoryBudgetError: If even one small tile doesn't fit the memory allowed.
        """
        _check_pair(first, second)
        steps = list(schedule(instants, any_instant=self.config.any_instant))
        grid = self._grid(first.shape[0], first.shape[1], _most_known(steps))
        frames = _padded(first, grid), _padded(second, grid)
        made = self._whole(*frames, steps, grid) if grid.whole else self._tiled(*frames, steps, grid)
        return (_cropped(pixels, grid) for pixels in made)

    def forget(self) -> None:
        """Let go of the remembered frames and their memory."""
        self._known.clear()

    def _plan_grid(self, height: int, width: int, most_known: int) -> TileGrid:
        """Plan for `most_known` frames' features at once, the pair's own included."""
        floats = self.config.activations_per_pixel * _PEAK_FACTOR
        floats += (most_known - 2) * self.config.encoded_per_pixel
        plan = partial(plan_tiles, height, width, bytes_per_pixel=floats * _FLOAT_BYTES, memory_bytes=self.memory_bytes)
        whole = plan(multiple=self.config.multiple)
        return whole if whole.whole else plan(multiple=self.config.stride)

    def _whole(self, first: Frame, second: Frame, steps: Sequence[Step], grid: TileGrid) -> Iterator[Frame]:
        """Make all steps' frames from two padded ones."""
        if not steps:
            return
        # What this pair doesn't need is let go of before anything new is made: three frames' features at most
        # are held at any time, two between calls.
        self._known = [known for known in self._known if known.shows(first) or known.shows(second)]
        ends = {Fraction(0): self._remember(first), Fraction(1): self._remember(second)}
        for pixels, _ in self._make(ends, steps, first.dtype, grid.padding[:2]):
            yield pixels.numpy()[0]

    def _remember(self, pixels: Frame) -> Encoded:
        for known in self._known:
            if known.shows(pixels):
                return known.encoded
        encoded: Encoded = self._encode(tf.convert_to_tensor(pixels)[None])
        self._known.append(_Known(pixels, encoded))
        return encoded

    def _make(
        self,
        known: dict[Fraction, Encoded],
        steps: Sequence[Step],
        dtype: np.dtype[Any],
        padding: tuple[tuple[int, int], tuple[int, int]],
    ) -> Iterator[tuple[tf.Tensor, tf.Tensor]]:
        """Make all steps' frames, in the order in which they can be shown: whole numbers, and floats."""
        made: dict[Fraction, tuple[tf.Tensor, tf.Tensor]] = {}
        parents = _parents(steps)
        pair: tuple[Fraction, Fraction] | None = None
        for step in steps:
            if pair != (step.left, step.right):
                pair = step.left, step.right
                ends = known[step.left], known[step.right]
                flows = self._flows(*ends, self._search(*ends, tf.constant(padding)))
            instant = tf.constant([float(step.relative_instant)], tf.float32)
            depth = tf.uint16 if dtype == np.uint16 else tf.uint8
            pixels, image = self._render(known[step.left], known[step.right], flows, instant, depth)
            made[step.instant] = pixels, image
            if step.instant in parents:
                known[step.instant] = self._encode_made(image)
            for shown in step.shown:
                yield made.pop(shown)
            for released in step.released:
                known.pop(released, None)

    def _tiled(self, first: Frame, second: Frame, steps: Sequence[Step], grid: TileGrid) -> Iterator[Frame]:
        """Make all steps' frames tile by tile, as many at once as the sums over tiles may hold.

        Features aren't remembered from pair to pair here: those of all tiles together are what doesn't fit.
        """
        self.forget()
        sums_bytes = grid.shape[0] * grid.shape[1] * _RGB * _FLOAT_BYTES
        at_once = max(1, self.memory_bytes // _SUMS_SHARE // sums_bytes)
        if not self.config.any_instant:
            at_once = len(steps)  # later frames are made from earlier ones
        if at_once * sums_bytes > self.memory_bytes:
            raise MemoryBudgetError(
                f"{len(steps)} frames between two of {grid.width}×{grid.height} at once don't fit the memory allowed; "
                "allow more, or take a lower multiplier"
            )
        highest = np.iinfo(first.dtype).max
        for start in range(0, len(steps), at_once):
            some = steps[start : start + at_once]
            sums = [np.zeros(grid.shape, np.float32) for _ in some]
            for tile in grid.tiles:
                place = slice(tile.top, tile.top + grid.tile_height), slice(tile.left, tile.left + grid.tile_width)
                ends = {
                    Fraction(end): self._encode(tf.convert_to_tensor(np.ascontiguousarray(frame[place]))[None])
                    for end, frame in ((0, first), (1, second))
                }
                made = self._make(ends, some, first.dtype, grid.padding_in(tile))
                for total, (_, image) in zip(sums, made, strict=True):
                    total[place] += tile.weights * image.numpy()[0]
            while sums:
                yield cast("Frame", np.rint(np.clip(sums.pop(0), 0.0, 1.0) * highest).astype(first.dtype))

    # What is traced, and compiled where asked for

    def _encode_pixels(self, pixels: tf.Tensor) -> Encoded:
        return self._network.encode(tf.cast(pixels, tf.float32) / float(pixels.dtype.max))

    def _find_flows(self, first: Encoded, second: Encoded, found: tf.Tensor | None) -> Flows:
        flows = self._network.flows(first, second, found)
        fused = self.config.fusion_pyramid_levels  # coarser levels and residuals have served their purpose
        return Flows(*(FlowPyramid(way.flows[:fused], []) for way in flows))

    def _render_instant(
        self, first: Encoded, second: Encoded, flows: Flows, instant: tf.Tensor, depth: tf.DType
    ) -> tuple[tf.Tensor, tf.Tensor]:
        image = self._network.render(first, second, flows, instant)["image"]
        return tf.cast(tf.round(tf.clip_by_value(image, 0.0, 1.0) * float(depth.max)), depth), image


def _weights(model: str | Path | WeightSet | None) -> WeightSet:
    if isinstance(model, WeightSet):
        return model
    return load(model) if isinstance(model, Path) else find(model)


def _parents(steps: Sequence[Step]) -> set[Fraction]:
    return {end for step in steps for end in (step.left, step.right)}


def _most_known(steps: Sequence[Step]) -> int:
    """Count the frames whose features are there at once, at most, while `steps` are taken."""
    parents = _parents(steps)
    known = most = 2
    for step in steps:
        known += step.instant in parents
        most = max(most, known)
        known -= len(parents.intersection(step.released))
    return most


def _padded(frame: Frame, grid: TileGrid) -> Frame:
    """Give a copy, as large as the grid wants it."""
    return cast("Frame", np.pad(frame, grid.padding, mode="edge"))


def _cropped(frame: Frame, grid: TileGrid) -> Frame:
    """Give a copy of what lies inside the padding."""
    return frame[grid.inside].copy()


def _check_pair(first: Frame, second: Frame) -> None:
    for frame in (first, second):
        if not isinstance(frame, np.ndarray):
            raise OptionError(f"a frame must be a numpy array, not {type(frame).__name__}")
        if frame.ndim != 3 or frame.shape[-1] != _RGB or frame.dtype not in (np.uint8, np.uint16):  # noqa: PLR2004
            raise OptionError(
                f"a frame must be (height, width, 3) of uint8 or uint16, not {frame.shape} of {frame.dtype}"
            )
        if 0 in frame.shape:
            raise OptionError(f"a frame must have pixels, not the shape {frame.shape}")
    if first.shape != second.shape or first.dtype != second.dtype:
        raise OptionError(
            f"both frames must be of one size and type, not {first.shape} {first.dtype} "
            f"and {second.shape} {second.dtype}"
        )
