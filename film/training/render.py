"""Triplets to learn from: two frames and the true one between, at a known instant.

Most are rendered: a photograph moves in the background, up to four shapes cut from other
photographs move before it, and everything is drawn at 0, t and 1. Motion is known exactly
and everything that makes interpolation hard can be dosed: size of motion, occlusion, thin
structures, text, noise, compression. The rest are real neighbours cut from clips.
"""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from film.training.textures import Picture, Textures

__all__ = ["Renderer", "Triplet"]

Affine = NDArray[np.float64]  # (3, 3)


class Triplet(NamedTuple):
    """Three frames `(S, S, 3)` uint8; `middle` shows the scene at `instant` in (0, 1)."""

    first: Picture
    middle: Picture
    second: Picture
    instant: float


class _Layer(NamedTuple):
    """One thing that moves: where its texture lies at time ½ and how it travels in a unit of time."""

    texture: Picture
    placement: Affine  # canvas at time ½ → texture, pixels
    velocity: NDArray[np.float64]  # (dx, dy), pixels
    turn: float  # radians
    growth: float  # natural logarithm of the scale
    bend: NDArray[np.float32] | None  # (S, S, 2) pixels: how the texture deforms
    mask: NDArray[np.uint8] | None  # (R, R), at time ½; None covers everything


class Renderer:
    """An endless source of triplets; the same seed gives the same ones."""

    # Shares of triplets. Found by hand; what each is for is said where it is used.
    REAL_SHARE = 0.25
    MIDDLE_SHARE = 0.5
    # The least standard deviation of a frame's pixels: flat crops teach nothing.
    FLATTEST = 6.0

    def __init__(self, textures: Textures, *, size: int, seed: int) -> None:
        """Cut `size`×`size` crops from `textures`."""
        self.textures = textures
        self.size = size
        self.random = np.random.default_rng(seed)

    def triplet(self) -> Triplet:
        """Make the next triplet."""
        while True:
            real = len(self.textures.clips) > 0 and self.random.random() < self.REAL_SHARE
            triplet = self._real() if real else self._rendered()
            if triplet is not None and triplet.middle.std() > self.FLATTEST:
                return self._mirrored(triplet)

    # Rendered scenes

    def _rendered(self) -> Triplet:
        random = self.random
        instant = 0.5 if random.random() < self.MIDDLE_SHARE else float(random.uniform(0.05, 0.95))
        background = self._layer(velocity=self._velocity(0.22), mask=None)
        layers = [background]
        for _ in range(int(random.choice(5, p=[0.15, 0.3, 0.25, 0.2, 0.1]))):
            velocity = self._velocity(0.3) + background.velocity * random.random()
            layers.append(self._layer(velocity=velocity, mask=self._mask()))
        frames = [self._draw(layers, time) for time in (0.0, instant, 1.0)]
        frames = self._expose(frames, instant)
        first, middle, second = frames
        return Triplet(self._record(first), middle, self._record(second), instant)

    def _velocity(self, largest: float) -> NDArray[np.float64]:
        """Draw a motion: any direction, log-uniform length from 0.2 px to `largest` of the frame."""
        length = np.exp(self.random.uniform(np.log(0.2), np.log(largest * self.size)))
        angle = self.random.uniform(0, 2 * np.pi)
        return np.array([np.cos(angle), np.sin(angle)]) * length

    def _layer(self, *, velocity: NDArray[np.float64], mask: NDArray[np.uint8] | None) -> _Layer:
        random = self.random
        levels = self.textures.photographs[random.integers(len(self.textures.photographs))]
        texture = levels[random.integers(len(levels))]
        if min(texture.shape[:2]) < 1.2 * self.size:
            texture = levels[0]
        # Between the texture's own size and slightly finer or coarser than its pixels.
        step = np.exp(random.uniform(np.log(0.6), np.log(1.3)))
        height, width = texture.shape[:2]
        place = np.array([random.uniform(0.2, 0.8) * width, random.uniform(0.2, 0.8) * height])
        angle = random.normal(0, 0.3)
        placement = _translate(place) @ _turn(angle, step) @ _translate(-self._centre())
        lively = random.random() < 0.4
        return _Layer(
            texture,
            placement,
            velocity,
            turn=float(random.normal(0, 0.12)) if lively else 0.0,
            growth=float(random.normal(0, 0.1)) if lively else 0.0,
            bend=self._bend() if random.random() < 0.3 else None,
            mask=mask,
        )

    def _bend(self) -> NDArray[np.float32]:
        """Draw a smooth field of displacements, up to some pixels, that deforms a texture over time."""
        cells = int(self.random.integers(3, 7))
        reach = np.exp(self.random.uniform(np.log(0.3), np.log(0.05 * self.size)))
        field = self.random.normal(0, reach, (cells, cells, 2)).astype(np.float32)
        return np.asarray(cv2.resize(field, (self.size, self.size), interpolation=cv2.INTER_CUBIC), np.float32)

    def _centre(self) -> NDArray[np.float64]:
        return np.array([self.size / 2, self.size / 2])

    def _mask(self) -> NDArray[np.uint8]:
        """Draw a foreground shape: polygon, ellipse, blob, thin lines or text."""
        random, size = self.random, self.size
        mask = np.zeros((size, size), np.uint8)
        centre = random.uniform(0.1, 0.9, 2) * size
        radius = np.exp(random.uniform(np.log(0.06), np.log(0.5))) * size
        kind = random.choice(["polygon", "ellipse", "blob", "lines", "text"], p=[0.3, 0.2, 0.25, 0.17, 0.08])
        if kind == "polygon":
            angles = np.sort(random.uniform(0, 2 * np.pi, random.integers(3, 9)))
            spokes = radius * random.uniform(0.4, 1.2, angles.size)
            points = centre + np.stack([np.cos(angles), np.sin(angles)], 1) * spokes[:, None]
            cv2.fillPoly(mask, [np.int32(points * 16)], 255, cv2.LINE_AA, 4)
        elif kind == "ellipse":
            axes = (radius * random.uniform(0.4, 1.2, 2) + 1).astype(int)
            cv2.ellipse(
                mask, np.int32(centre).tolist(), axes.tolist(), random.uniform(0, 360), 0, 360, 255, -1, cv2.LINE_AA
            )
        elif kind == "blob":
            noise = cv2.resize(
                random.normal(size=(6, 6)).astype(np.float32), (size, size), interpolation=cv2.INTER_CUBIC
            )
            # A slope 12 levels steep a pixel: an edge as soft as a camera's.
            mask = np.clip(128 + 120 * (noise - random.uniform(0.2, 0.9)) * size / 24, 0, 255).astype(np.uint8)
        elif kind == "lines":
            for _ in range(random.integers(1, 5)):
                ends = np.int32((centre + random.normal(0, 1.5 * radius, (2, 2))) * 16)
                cv2.line(mask, ends[0].tolist(), ends[1].tolist(), 255, int(random.integers(1, 5)), cv2.LINE_AA, 4)
        else:
            letters = "".join(
                random.choice(list("ABCDEFGHKLMNPRSTUVXYZabcdeghknrstuvxyz0123456789"), random.integers(2, 8))
            )
            at = (int(centre[0] - size / 3), int(centre[1]))
            cv2.putText(
                mask,
                letters,
                at,
                int(random.integers(0, 8)),
                random.uniform(0.5, 2.0),
                255,
                int(random.integers(1, 4)),
                cv2.LINE_AA,
            )
        return mask

    def _draw(self, layers: list[_Layer], time: float) -> NDArray[np.float32]:
        """Draw all layers, back to front, at `time`; `(S, S, 3)` float32 of 0 to 255."""
        canvas: NDArray[np.float32] | None = None
        size = (self.size, self.size)
        for layer in layers:
            motion = self._motion(layer, time - 0.5)
            texture = self._texture(layer, layer.placement @ motion, time - 0.5)
            if canvas is None or layer.mask is None:
                canvas = texture
                continue
            mask = cv2.warpAffine(layer.mask, motion[:2], size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
            share = mask.astype(np.float32)[..., None] / 255
            canvas += share * (texture - canvas)
        if canvas is None:
            raise ValueError("a scene needs a background")
        return canvas

    def _motion(self, layer: _Layer, time: float) -> Affine:
        """Map the canvas at `time` after the middle back to the canvas at the middle."""
        about = _translate(self._centre())
        moved = about @ _turn(layer.turn * time, np.exp(layer.growth * time)) @ np.linalg.inv(about)
        return np.asarray(np.linalg.inv(_translate(layer.velocity * time) @ moved), np.float64)

    def _texture(self, layer: _Layer, matrix: Affine, time: float) -> NDArray[np.float32]:
        size = (self.size, self.size)
        if layer.bend is None:
            drawn = cv2.warpAffine(
                layer.texture,
                matrix[:2],
                size,
                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_REFLECT_101,
            )
            return np.asarray(drawn, np.float32)
        rows, columns = np.mgrid[: self.size, : self.size].astype(np.float32)
        columns = columns + time * layer.bend[..., 0]
        rows = rows + time * layer.bend[..., 1]
        first, second, _ = np.float32(matrix)
        along = first[0] * columns + first[1] * rows + first[2]
        down = second[0] * columns + second[1] * rows + second[2]
        drawn = cv2.remap(layer.texture, along, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
        return np.asarray(drawn, np.float32)

    # The camera

    def _expose(self, frames: list[NDArray[np.float32]], instant: float) -> list[Picture]:
        """Set the exposure: the same for all frames, in some triplets drifting from the first to the second."""
        random = self.random
        if random.random() < 0.15:
            sigma = random.uniform(0.5, 1.6)
            frames = [cv2.GaussianBlur(frame, (0, 0), sigma) for frame in frames]
        gain, offset = random.uniform(0.6, 1.2), random.uniform(-15, 15)
        drift = random.normal(0, 0.05) if random.random() < 0.1 else 0.0
        times = (-0.5, instant - 0.5, 0.5)
        lit = [frame * (gain * (1 + drift * time)) + offset for frame, time in zip(frames, times, strict=True)]
        return [np.clip(np.rint(frame), 0, 255).astype(np.uint8) for frame in lit]

    def _record(self, frame: Picture) -> Picture:
        """Add what cameras and codecs add, to the frames that the network is given only."""
        random = self.random
        if random.random() < 0.2:
            noisy = frame + random.normal(0, random.uniform(0.5, 5), frame.shape)
            frame = np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
        if random.random() < 0.15:
            _, encoded = cv2.imencode(".jpg", frame, (cv2.IMWRITE_JPEG_QUALITY, int(random.integers(50, 96))))
            frame = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)
        return frame

    # Real neighbours

    def _real(self) -> Triplet | None:
        """Cut three frames out of a clip; nothing when the crop stands still or holds a cut."""
        random = self.random
        clip = self.textures.clips[random.integers(len(self.textures.clips))]
        span = int(min(random.choice([2, 2, 2, 4, 4, 6]), len(clip) - 1))
        start = int(random.integers(len(clip) - span))
        between = span // 2 if random.random() < self.MIDDLE_SHARE else int(random.integers(1, span))
        frames = [clip[start], clip[start + between], clip[start + span]]
        height, width = frames[0].shape[:2]
        side = int(self.size * random.uniform(1.0, min(2.0, max(1.0, min(height, width) / self.size))))
        side = min(side, height, width)
        top, left = int(random.integers(height - side + 1)), int(random.integers(width - side + 1))
        size = (self.size, self.size)
        crops = [
            np.asarray(
                cv2.resize(frame[top : top + side, left : left + side], size, interpolation=cv2.INTER_AREA), np.uint8
            )
            for frame in frames
        ]
        change = float(np.abs(crops[0].astype(np.int16) - crops[2]).mean())
        if change > 50 or (change < 2 and random.random() < 0.9):  # noqa: PLR2004 (of 255: a cut; a still crop)
            return None
        return Triplet(crops[0], crops[1], crops[2], between / span)

    def _mirrored(self, triplet: Triplet) -> Triplet:
        """Mirror, turn and reverse at random: motion has no preferred direction, nor has time."""
        first, middle, second, instant = triplet
        if self.random.random() < 0.5:
            first, second, instant = second, first, 1 - instant
        quarter, flip = int(self.random.integers(4)), bool(self.random.random() < 0.5)
        order = self.random.permutation(3) if self.random.random() < 0.3 else np.arange(3)
        turned = [np.rot90(frame, quarter)[:, :: -1 if flip else 1, order] for frame in (first, middle, second)]
        return Triplet(*(np.ascontiguousarray(frame) for frame in turned), instant)


def _translate(offset: NDArray[np.float64]) -> Affine:
    return np.array([[1, 0, offset[0]], [0, 1, offset[1]], [0, 0, 1]], np.float64)


def _turn(angle: float, scale: float) -> Affine:
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    return np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]], np.float64)
