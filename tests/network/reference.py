"""FILM in plain numpy: every sum written out, nothing shared with `film.network` but names.

Slow, and meant to be read beside Reda et al. 2022, section 3. Tensors are (B, H, W, C)
float64; pyramids are lists, finest level first.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Pictures", "Reference"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Pictures:
    """All that the reference finds out about one pair."""

    image: Array
    warped: tuple[Array, Array]
    forward: list[Array]
    backward: list[Array]
    forward_residuals: list[Array]
    backward_residuals: list[Array]


def halve(image: Array) -> Array:
    """Average every 2×2 cell."""
    return 0.25 * (image[:, ::2, ::2] + image[:, 1::2, ::2] + image[:, ::2, 1::2] + image[:, 1::2, 1::2])


def pyramid(image: Array, levels: int) -> list[Array]:
    """Halve again and again."""
    found = [image]
    for _ in range(levels - 1):
        found.append(halve(found[-1]))
    return found


def leaky(values: Array) -> Array:
    """Let a fifth of what is below zero through."""
    return np.where(values < 0, 0.2 * values, values)


def convolve(image: Array, kernel: Array, bias: Array) -> Array:
    """Slide the kernel over an image that zeros surround; of even kernels the odd row is after the pixel."""
    _, height, width, _ = image.shape
    size = kernel.shape[0]
    before, after = (size - 1) // 2, size // 2
    padded = np.pad(image, ((0, 0), (before, after), (before, after), (0, 0)))
    total = np.zeros((*image.shape[:3], kernel.shape[3]))
    for row in range(size):
        for column in range(size):
            window = padded[:, row : row + height, column : column + width]
            total += np.einsum("bhwi,io->bhwo", window, kernel[row, column])
    return total + bias


def double_bilinear(image: Array) -> Array:
    """Resize to twice the size: new pixel k lies at (k + ½)/2 − ½ of the old ones."""
    for axis in (1, 2):
        size = image.shape[axis]
        places = np.clip((np.arange(2 * size) + 0.5) / 2 - 0.5, 0, size - 1)
        low = np.floor(places).astype(int)
        high = np.minimum(low + 1, size - 1)
        shape = [1, 1, 1, 1]
        shape[axis] = -1
        share = (places - low).reshape(shape)
        image = (1 - share) * image.take(low, axis) + share * image.take(high, axis)
    return image


def warp(image: Array, flow: Array) -> Array:
    """Read every pixel where the flow points, bilinearly."""
    return _read(image, flow, lambda distance: max(0.0, 1.0 - distance))


def warp_bicubic(image: Array, flow: Array) -> Array:
    """Read every pixel where the flow points, by Keys's kernel (1981, a = −½)."""
    return _read(image, flow, _keys)


def _read(image: Array, flow: Array, kernel: Callable[[float], float]) -> Array:
    """Read every pixel where the flow points, one by one, by what the sixteen around count at their distances."""
    batch, height, width, _ = image.shape
    out = np.zeros_like(image)
    for b in range(batch):
        for y in range(height):
            for x in range(width):
                column = min(max(x + flow[b, y, x, 0], 0.0), width - 1.0)
                row = min(max(y + flow[b, y, x, 1], 0.0), height - 1.0)
                for near_row in range(int(row) - 1, int(row) + 3):
                    for near_column in range(int(column) - 1, int(column) + 3):
                        if count := kernel(abs(row - near_row)) * kernel(abs(column - near_column)):
                            inside = min(max(near_row, 0), height - 1), min(max(near_column, 0), width - 1)
                            out[b, y, x] += count * image[b, *inside]
    return out


def _keys(distance: float) -> float:
    if distance < 1:
        return 1.5 * distance**3 - 2.5 * distance**2 + 1
    return -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2 if distance < 2 else 0.0


def cells_of(image: Array) -> Array:
    """Turn every 2×2 cell of pixels into one pixel of four times the channels, row by row."""
    return np.concatenate([image[:, i::2, j::2] for i in (0, 1) for j in (0, 1)], axis=-1)


def pixels_of(cells: Array) -> Array:
    """Undo `cells_of`."""
    batch, height, width, channels = cells.shape
    image = np.empty((batch, 2 * height, 2 * width, channels // 4))
    for index, part in enumerate(np.split(cells, 4, axis=-1)):
        image[:, index // 2 :: 2, index % 2 :: 2] = part
    return image


class Reference:
    """One network: sizes as in `FilmConfig.to_json()`, weights in the released order."""

    def __init__(self, sizes: Mapping[str, Any], weights: Mapping[str, NDArray[np.float32]]) -> None:
        """Take the sizes and the weights."""
        self.sizes = sizes
        self.weights = {name: weight.astype(np.float64) for name, weight in weights.items()}

    def run(self, first: Array, second: Array, instant: float) -> Pictures:
        """Make the image at `instant` and keep everything on the way."""
        levels = self.sizes["pyramid_levels"]
        images = [pyramid(image, levels) for image in (first, second)]
        half_size = self.sizes["head"] == "blend"
        cells = [[cells_of(level) if half_size else level for level in image] for image in images]
        features = [self._features(image) for image in cells]
        forward, forward_residuals = self._flow(features[0], features[1])
        backward, backward_residuals = self._flow(features[1], features[0])
        fused = range(self.sizes["fusion_pyramid_levels"])
        ahead, back = forward, backward
        if self.sizes["projected"]:  # read where what is here by then was on the flow's own grid
            motion = [(flow - other) / 2 for flow, other in zip(forward, backward, strict=True)]
            ahead = [warp(flow, -instant * moved) for flow, moved in zip(forward, motion, strict=True)]
            back = [warp(flow, (1 - instant) * moved) for flow, moved in zip(backward, motion, strict=True)]
        to_first = [instant * back[level] for level in fused]
        to_second = [(1 - instant) * ahead[level] for level in fused]
        aligned = []
        for level in fused:
            pair = [np.concatenate([cells[side][level], features[side][level]], -1) for side in (0, 1)]
            moved = [warp(pair[0], to_first[level]), warp(pair[1], to_second[level])]
            aligned.append(np.concatenate([*moved, to_first[level], to_second[level]], -1))
        decoded = self._fuse(aligned)
        if self.sizes["head"] == "blend":
            others = []
            if self.sizes["multi_hypothesis"]:
                swapped = -instant * ahead[0], -(1 - instant) * back[0]
                ends = zip((first, second), swapped, strict=True)
                others = [[warp_bicubic(image, double_bilinear(2 * flow)) for image, flow in ends], [first, second]]
            image, warped = self._blend(decoded, (first, second), (to_first[0], to_second[0]), instant, others)
        else:
            image, warped = decoded, (warp(first, to_first[0]), warp(second, to_second[0]))
        return Pictures(image, warped, forward, backward, forward_residuals, backward_residuals)

    def _convolve(self, name: str, image: Array) -> Array:
        return convolve(image, self.weights[f"{name}/kernel"], self.weights[f"{name}/bias"])

    def _features(self, images: list[Array]) -> list[Array]:
        stages: dict[tuple[int, int], Array] = {}  # (image level it started from, stage)
        for start, image in enumerate(images):
            values = image
            for stage in range(self.sizes["sub_levels"]):
                if start + stage >= len(images):
                    break
                if stage > 0:
                    values = halve(values)
                for part in "ab":
                    values = leaky(self._convolve(f"features/stage_{stage}/{part}", values))
                stages[start, stage] = values
        return [
            np.concatenate([stages[n - j, j] for j in range(self.sizes["sub_levels"]) if n - j >= 0], -1)
            for n in range(len(images))
        ]

    def _predict(self, level: int, first: Array, second: Array) -> Array:
        specialized = self.sizes["specialized_levels"]
        name = f"flow/{level if level < specialized else 'shared'}"
        values = np.concatenate([first, second], -1)
        for position in range(self.sizes["flow_convs"][min(level, specialized)]):
            values = leaky(self._convolve(f"{name}/conv_{position}", values))
        return self._convolve(f"{name}/out", leaky(self._convolve(f"{name}/squeeze", values)))

    def _flow(self, first: list[Array], second: list[Array]) -> tuple[list[Array], list[Array]]:
        coarsest = len(first) - 1
        flows, residuals = {}, {}
        flows[coarsest] = residuals[coarsest] = self._predict(coarsest, first[coarsest], second[coarsest])
        for level in range(coarsest - 1, -1, -1):
            handed = double_bilinear(2 * flows[level + 1])
            residuals[level] = self._predict(level, first[level], warp(second[level], handed))
            flows[level] = handed + residuals[level]
        return [flows[level] for level in range(coarsest + 1)], [residuals[level] for level in range(coarsest + 1)]

    def _fuse(self, aligned: list[Array]) -> Array:
        values = aligned[-1]
        for level in range(len(aligned) - 2, -1, -1):
            values = values.repeat(2, axis=1).repeat(2, axis=2)
            values = self._convolve(f"fusion/{level}/up", values)
            values = np.concatenate([aligned[level], values], -1)
            for part in "ab":
                values = leaky(self._convolve(f"fusion/{level}/{part}", values))
        return self._convolve("fusion/out", values)

    @staticmethod
    def _blend(
        decoded: Array,
        images: tuple[Array, Array],
        flows: tuple[Array, Array],
        instant: float,
        others: Sequence[Sequence[Array]],
    ) -> tuple[Array, tuple[Array, Array]]:
        logit, residual, *corrections = np.split(pixels_of(decoded), [1, 4, 6], axis=-1)
        moved = [
            warp_bicubic(image, double_bilinear(2 * flow) + correction)
            for image, flow, correction in zip(images, flows, corrections, strict=True)
        ]
        share = 1 / (1 + np.exp(-(logit + np.log((1 - instant) / instant))))
        pairs = [moved, *others]
        counts = [count / (_mismatch(pair) + 1 / 255) for pair, count in zip(pairs, (1, 0.5, 0.15), strict=False)]
        image = residual
        for count, pair in zip(counts, pairs, strict=True):
            weight = double_bilinear(count / np.sum(counts, axis=0))
            image = image + weight * (share * pair[0] + (1 - share) * pair[1])
        return image, (moved[0], moved[1])


def _mismatch(pair: Sequence[Array]) -> Array:
    """Average the difference of a pair's images, halved, over two boxes of 5 cells around every cell."""
    mismatch: Array = np.abs(halve(pair[0]) - halve(pair[1])).mean(axis=-1, keepdims=True)
    for _ in range(2):
        for axis in (1, 2):
            size = mismatch.shape[axis]
            inside = [range(max(0, at - 2), min(size, at + 3)) for at in range(size)]
            mismatch = np.stack([mismatch.take(cells, axis).mean(axis=axis) for cells in inside], axis=axis)
    return mismatch
