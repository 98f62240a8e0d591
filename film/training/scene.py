"""Scenes whose motion is known exactly: textures that travel, turn, grow and bend, one before the other."""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from film.training.textures import Picture

__all__ = ["Affine", "Layer", "draw", "translation", "turn"]

Affine = NDArray[np.float64]  # (3, 3), maps (x, y, 1) in pixels

_MIDDLE = 0.5


class Layer(NamedTuple):
    """One thing that moves: where its texture lies at time ½ and how it travels in a unit of time."""

    texture: Picture
    placement: Affine  # canvas at time ½ → texture, pixels
    velocity: NDArray[np.float64]  # (dx, dy), pixels
    turn: float = 0.0  # radians
    growth: float = 0.0  # natural logarithm of the scale
    bend: NDArray[np.float32] | None = None  # (S, S, 2) pixels: how the texture deforms
    mask: NDArray[np.uint8] | None = None  # (S, S), at time ½; None covers everything


def draw(layers: Sequence[Layer], size: int, time: float) -> NDArray[np.float32]:
    """Draw all layers, back to front, at `time`.

    Args:
        layers: The first is the background; its mask, if it has one, is not looked at.
        size: Height and width of the canvas, pixels.
        time: 0 is the first frame, 1 the second.

    Returns:
        `(size, size, 3)`, 0 to 255.
    """
    canvas: NDArray[np.float32] | None = None
    for layer in layers:
        motion = _motion(layer, size, time - _MIDDLE)
        texture = _texture(layer, layer.placement @ motion, size, time - _MIDDLE)
        if canvas is None or layer.mask is None:
            canvas = texture
            continue
        mask = cv2.warpAffine(layer.mask, motion[:2], (size, size), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
        share = mask.astype(np.float32)[..., None] / 255
        canvas += share * (texture - canvas)
    assert canvas is not None, "a scene has a background"
    return canvas


def translation(offset: NDArray[np.float64]) -> Affine:
    """Move by (dx, dy)."""
    return np.array([[1, 0, offset[0]], [0, 1, offset[1]], [0, 0, 1]], np.float64)


def turn(angle: float, scale: float) -> Affine:
    """Turn about the origin by `angle` radians and scale."""
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    return np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]], np.float64)


def _motion(layer: Layer, size: int, time: float) -> Affine:
    """Map the canvas at `time` after the middle back to the canvas at the middle."""
    about = translation(np.array([size / 2, size / 2]))
    moved = about @ turn(layer.turn * time, np.exp(layer.growth * time)) @ np.linalg.inv(about)
    return np.asarray(np.linalg.inv(translation(layer.velocity * time) @ moved), np.float64)


def _texture(layer: Layer, matrix: Affine, size: int, time: float) -> NDArray[np.float32]:
    if layer.bend is None:
        drawn = cv2.warpAffine(
            layer.texture,
            matrix[:2],
            (size, size),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REFLECT_101,
        )
        return np.asarray(drawn, np.float32)
    rows, columns = np.mgrid[:size, :size].astype(np.float32)
    columns = columns + time * layer.bend[..., 0]
    rows = rows + time * layer.bend[..., 1]
    first, second, _ = matrix.astype(np.float32)
    along = first[0] * columns + first[1] * rows + first[2]
    down = second[0] * columns + second[1] * rows + second[2]
    drawn = cv2.remap(layer.texture, along, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(drawn, np.float32)
