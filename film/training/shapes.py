"""Outlines of the things that move before a background: each hard to interpolate in its own way."""

from collections.abc import Callable
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["SHAPES", "draw_shape"]

Mask = NDArray[np.uint8]  # (S, S): 0 outside, 255 inside, between along a soft edge
Point = NDArray[np.float64]  # (x, y), pixels

# OpenCV takes whole numbers, of which so many bits lie behind the point.
_FRACTION_BITS = 4
_LETTERS: Final = list("ABCDEFGHKLMNPRSTUVXYZabcdeghknrstuvxyz0123456789")
# At this size a unit of the blob's noise is 120 grey levels, at larger ones as much more.
_BLOB_SIZE = 24


def draw_shape(random: np.random.Generator, size: int) -> Mask:
    """Draw a polygon, an ellipse, a blob, thin lines or text somewhere on a `size`×`size` canvas."""
    mask = np.zeros((size, size), np.uint8)
    centre = random.uniform(0.1, 0.9, 2) * size
    radius = float(np.exp(random.uniform(np.log(0.06), np.log(0.5))) * size)
    kind = str(random.choice(list(SHAPES), p=[share for share, _ in SHAPES.values()]))
    SHAPES[kind][1](random, mask, centre, radius)
    return mask


def _polygon(random: np.random.Generator, mask: Mask, centre: Point, radius: float) -> None:
    angles = np.sort(random.uniform(0, 2 * np.pi, random.integers(3, 9)))
    spokes = radius * random.uniform(0.4, 1.2, angles.size)
    points = centre + np.stack([np.cos(angles), np.sin(angles)], 1) * spokes[:, None]
    cv2.fillPoly(mask, [_fixed_point(points)], (255,), cv2.LINE_AA, _FRACTION_BITS)


def _ellipse(random: np.random.Generator, mask: Mask, centre: Point, radius: float) -> None:
    along, across = (radius * random.uniform(0.4, 1.2, 2) + 1).astype(int).tolist()
    x, y = centre.astype(np.int32).tolist()
    cv2.ellipse(mask, (x, y), (along, across), random.uniform(0, 360), 0, 360, (255,), -1, cv2.LINE_AA)


def _blob(random: np.random.Generator, mask: Mask, _centre: Point, _radius: float) -> None:
    size = mask.shape[0]
    noise = cv2.resize(random.normal(size=(6, 6)).astype(np.float32), (size, size), interpolation=cv2.INTER_CUBIC)
    # The slope makes an edge as soft as a camera's.
    mask[:] = np.clip(128 + 120 * (noise - random.uniform(0.2, 0.9)) * size / _BLOB_SIZE, 0, 255).astype(np.uint8)


def _lines(random: np.random.Generator, mask: Mask, centre: Point, radius: float) -> None:
    for _ in range(random.integers(1, 5)):
        start, end = _fixed_point(centre + random.normal(0, 1.5 * radius, (2, 2))).tolist()
        cv2.line(mask, start, end, (255,), int(random.integers(1, 5)), cv2.LINE_AA, _FRACTION_BITS)


def _text(random: np.random.Generator, mask: Mask, centre: Point, _radius: float) -> None:
    letters = "".join(random.choice(_LETTERS, random.integers(2, 8)))
    start = (int(centre[0] - mask.shape[0] / 3), int(centre[1]))
    font, scale, thickness = int(random.integers(0, 8)), random.uniform(0.5, 2.0), int(random.integers(1, 4))
    cv2.putText(mask, letters, start, font, scale, (255,), thickness, cv2.LINE_AA)


def _fixed_point(points: NDArray[np.float64]) -> NDArray[np.int32]:
    return np.asarray(points * 2**_FRACTION_BITS).astype(np.int32)


SHAPES: Final[dict[str, tuple[float, Callable[[np.random.Generator, Mask, Point, float], None]]]] = {
    "polygon": (0.3, _polygon),
    "ellipse": (0.2, _ellipse),
    "blob": (0.25, _blob),
    "lines": (0.17, _lines),
    "text": (0.08, _text),
}
"""Each kind's share of all shapes, and what draws it. Found by hand."""
