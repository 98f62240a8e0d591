"""Scenes whose motion is known exactly: textures that travel, turn, grow and bend, one before the other."""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from film.training.textures import Picture

__all__ = ["Affine", "Layer", "draw", "motion", "translation", "turn"]

Affine = NDArray[np.float64]  # (3, 3), maps (x, y, 1) in pixels

_MIDDLE = 0.5
# How often the place that a bent texture moves to is looked up again: each time it is off by a
# fraction of what it was before, as the bend is smooth.
_BEND_STEPS = 3
_HALF_COVERED = 0.5


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
        texture = _texture(layer, layer.placement @ _motion(layer, size, time - _MIDDLE), size, time - _MIDDLE)
        canvas = texture if canvas is None else canvas + _share(layer, size, time - _MIDDLE) * (texture - canvas)
    assert canvas is not None, "a scene has a background"
    return canvas


def motion(layers: Sequence[Layer], size: int, time: float, other: float) -> NDArray[np.float32]:
    """Say where what is seen at `time` lies at `other`, even if it is hidden or outside by then.

    Args:
        layers: As in `draw`.
        size: Height and width of the canvas, pixels.
        time: On whose canvas the motion lies.
        other: Where it points.

    Returns:
        `(size, size, 2)`, (dx, dy) in pixels.
    """
    found: NDArray[np.float32] | None = None
    for layer in layers:
        moved = _displacement(layer, size, time - _MIDDLE, other - _MIDDLE)
        found = moved if found is None else np.where(_share(layer, size, time - _MIDDLE) > _HALF_COVERED, moved, found)
    assert found is not None, "a scene has a background"
    return found


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


def _share(layer: Layer, size: int, time: float) -> NDArray[np.float32]:
    """Say how much of each pixel a layer covers at `time` after the middle, `(size, size, 1)`, 0 to 1."""
    if layer.mask is None:
        return np.ones((size, size, 1), np.float32)
    there = _motion(layer, size, time)[:2]
    mask = cv2.warpAffine(layer.mask, there, (size, size), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    return np.asarray(mask, np.float32)[..., None] / np.float32(255)


def _displacement(layer: Layer, size: int, time: float, other: float) -> NDArray[np.float32]:
    """Say how far each pixel of a layer travels from `time` to `other` after the middle, `(size, size, 2)`."""
    rows, columns = np.mgrid[:size, :size].astype(np.float32)
    canvas = np.stack([columns, rows], axis=-1)
    bent = canvas if layer.bend is None else canvas + np.float32(time) * layer.bend
    carry = (np.linalg.inv(_motion(layer, size, other)) @ _motion(layer, size, time)).astype(np.float32)
    straight = bent @ carry[:2, :2].T + carry[:2, 2]
    if layer.bend is None:
        return np.asarray(straight - canvas, np.float32)
    # A pixel of the texture is wanted that, bent at `other`, lies where this one does.
    place = straight
    for _ in range(_BEND_STEPS):
        bend = cv2.remap(layer.bend, place[..., 0], place[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        place = straight - np.float32(other) * np.asarray(bend, np.float32)
    return np.asarray(place - canvas, np.float32)


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
