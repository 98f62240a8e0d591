"""Triplets to learn from: two frames and the true one between, at a known instant.

Most are rendered: a photograph moves in the background, up to four shapes cut from other
photographs move before it, and everything is drawn at 0, t and 1. Motion is known exactly
and everything that makes interpolation hard can be dosed: size of motion, occlusion, thin
structures, text, noise, compression. The rest are real neighbours cut from clips, in some
of them filmed once more with a camera that moves.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from film.errors import TrainingError
from film.evaluation import Blend
from film.training.scene import Layer, draw, motion, translation, turn
from film.training.shapes import draw_shape
from film.training.textures import Picture, Textures

__all__ = ["Renderer", "Triplet"]

# So many triplets in a row without anything to see in them: the textures are to blame, not chance.
_MOST_REJECTED = 1000


class Triplet(NamedTuple):
    """Three frames `(S, S, 3)` uint8; `middle` shows the scene at `instant` in (0, 1).

    `motion` is what moves the scene from `middle` to `first` and to `second`, `(S, S, 4)` float32, (dx, dy) of
    either in pixels. Nobody knows that of real frames.
    """

    first: Picture
    middle: Picture
    second: Picture
    instant: float
    motion: NDArray[np.float32] | None = None


class Renderer:
    """An endless source of triplets; the same seed gives the same ones."""

    # Shares of triplets. Found by hand; what each is for is said where it is used.
    REAL_SHARE = 0.35
    FILMED_SHARE = 0.4
    MIDDLE_SHARE = 0.5
    CUT_SHARE = 0.02
    # The least standard deviation of a frame's pixels: flat crops teach nothing.
    FLATTEST = 6.0

    def __init__(self, textures: Textures, *, size: int, seed: int) -> None:
        """Cut `size`×`size` crops from `textures`."""
        self.textures = textures
        self.size = size
        self.random = np.random.default_rng(seed)

    def triplet(self) -> Triplet:
        """Make the next triplet.

        Raises:
            TrainingError: If the textures are so flat that no crop has anything to see in it.
        """
        for _ in range(_MOST_REJECTED):
            triplet = self._cut() if self.random.random() < self.CUT_SHARE else self._scene()
            if triplet is not None and triplet.middle.std() > self.FLATTEST:
                return self._mirrored(triplet)
        raise TrainingError(
            f"{_MOST_REJECTED} crops in a row had nothing to see in them; give photographs with more detail"
        )

    def _scene(self) -> Triplet | None:
        real = len(self.textures.clips) > 0 and self.random.random() < self.REAL_SHARE
        return self._real() if real else self._rendered()

    def _cut(self) -> Triplet | None:
        """Join two scenes. What is between could be either: a blend is the best guess, and stirs nothing up."""
        before, after = self._scene(), self._scene()
        if before is None or after is None:
            return None
        (blended,) = Blend().between(before.first, after.second, [Fraction(before.instant)])
        return Triplet(before.first, np.asarray(blended, np.uint8), after.second, before.instant)

    # Rendered scenes

    def _rendered(self) -> Triplet:
        random = self.random
        instant = 0.5 if random.random() < self.MIDDLE_SHARE else float(random.uniform(0.05, 0.95))
        background = self._layer(velocity=self._velocity(0.22), mask=None)
        layers = [background]
        for _ in range(int(random.choice(5, p=[0.15, 0.3, 0.25, 0.2, 0.1]))):
            velocity = self._velocity(0.3) + background.velocity * random.random()
            layers.append(self._layer(velocity=velocity, mask=draw_shape(random, self.size)))
        drawn = [draw(layers, self.size, time) for time in (0.0, instant, 1.0)]
        first, middle, second = self._expose(drawn, instant)
        moves = np.concatenate([motion(layers, self.size, instant, other) for other in (0.0, 1.0)], axis=-1)
        return Triplet(self._record(first), middle, self._record(second), instant, moves)

    def _velocity(self, largest: float) -> NDArray[np.float64]:
        """Draw a motion: any direction, log-uniform length from 0.2 px to `largest` of the frame."""
        length = float(np.exp(self.random.uniform(np.log(0.2), np.log(largest * self.size))))
        angle = self.random.uniform(0, 2 * np.pi)
        return np.array([np.cos(angle), np.sin(angle)]) * length

    def _layer(self, *, velocity: NDArray[np.float64], mask: NDArray[np.uint8] | None) -> Layer:
        random = self.random
        levels = self.textures.photographs[int(random.integers(len(self.textures.photographs)))]
        texture = levels[int(random.integers(len(levels)))]
        if min(texture.shape[:2]) < 1.2 * self.size:
            texture = levels[0]
        # Between the texture's own size and slightly finer or coarser than its pixels.
        step = float(np.exp(random.uniform(np.log(0.6), np.log(1.3))))
        height, width = texture.shape[:2]
        place = np.array([random.uniform(0.2, 0.8) * width, random.uniform(0.2, 0.8) * height])
        angle = random.normal(0, 0.3)
        centre = np.array([self.size / 2, self.size / 2])
        lively = random.random() < 0.4
        return Layer(
            texture,
            translation(place) @ turn(angle, step) @ translation(-centre),
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

    # The camera

    def _expose(self, frames: list[NDArray[np.float32]], instant: float) -> list[Picture]:
        """Set the exposure: the same for all frames, in some triplets drifting from the first to the second."""
        random = self.random
        if random.random() < 0.15:
            sigma = random.uniform(0.5, 1.6)
            frames = [np.asarray(cv2.GaussianBlur(frame, (0, 0), sigma), np.float32) for frame in frames]
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
        clip = self.textures.clips[int(random.integers(len(self.textures.clips)))]
        span = int(min(random.choice([2, 2, 2, 4, 4, 6]), len(clip) - 1))
        start = int(random.integers(len(clip) - span))
        between = span // 2 if random.random() < self.MIDDLE_SHARE else int(random.integers(1, span))
        frames = [clip[start], clip[start + between], clip[start + span]]
        if random.random() < self.FILMED_SHARE:
            first, middle, second = self._filmed(frames, between / span)
            return Triplet(first, middle, second, between / span)
        first, middle, second = self._cropped(frames)
        change = float(np.abs(first.astype(np.int16) - second).mean())
        if change > 50 or (change < 2 and random.random() < 0.9):  # of 255: a cut; a still crop
            return None
        return Triplet(first, middle, second, between / span)

    def _cropped(self, frames: Sequence[Picture]) -> list[Picture]:
        """Cut the same square out of three frames, between the crops' size and twice that."""
        random = self.random
        height, width = frames[0].shape[:2]
        side = int(self.size * random.uniform(1.0, min(2.0, max(1.0, min(height, width) / self.size))))
        side = min(side, height, width)
        top, left = int(random.integers(height - side + 1)), int(random.integers(width - side + 1))
        return [self._fit(frame[top : top + side, left : left + side]) for frame in frames]

    def _filmed(self, frames: Sequence[Picture], instant: float) -> list[Picture]:
        """Film three frames of a clip with a camera that moves, as the clips' own cameras mostly stand still."""
        random = self.random
        height, width = frames[0].shape[:2]
        place = np.array([random.uniform(0.2, 0.8) * width, random.uniform(0.2, 0.8) * height])
        step = float(np.exp(random.uniform(0, np.log(max(1.0, min(2.0, height / self.size))))))
        centre = np.array([self.size / 2, self.size / 2])
        camera = Layer(
            frames[0],
            translation(place) @ turn(random.normal(0, 0.1), step) @ translation(-centre),
            self._velocity(0.22),
            turn=float(random.normal(0, 0.06)),
            growth=float(random.normal(0, 0.06)),
        )
        drawn = [
            draw([camera._replace(texture=frame)], self.size, time)
            for frame, time in zip(frames, (0.0, instant, 1.0), strict=True)
        ]
        return [np.clip(np.rint(frame), 0, 255).astype(np.uint8) for frame in drawn]

    def _fit(self, crop: Picture) -> Picture:
        return np.asarray(cv2.resize(crop, (self.size, self.size), interpolation=cv2.INTER_AREA), np.uint8)

    def _mirrored(self, triplet: Triplet) -> Triplet:
        """Mirror, turn and reverse at random: motion has no preferred direction, nor has time."""
        first, middle, second, instant, moves = triplet
        if self.random.random() < 0.5:
            first, second, instant = second, first, 1 - instant
            moves = None if moves is None else np.roll(moves, 2, axis=-1)
        quarter, flip = int(self.random.integers(4)), bool(self.random.random() < 0.5)
        order = self.random.permutation(3) if self.random.random() < 0.3 else np.arange(3)
        first, middle, second = (
            np.ascontiguousarray(np.rot90(frame, quarter)[:, :: -1 if flip else 1, order])
            for frame in (first, middle, second)
        )
        return Triplet(first, middle, second, instant, None if moves is None else _turned(moves, quarter, flip=flip))


def _turned(moves: NDArray[np.float32], quarters: int, *, flip: bool) -> NDArray[np.float32]:
    """Turn a motion with its picture, counter-clockwise by quarters, then mirror it from left to right."""
    moves = np.rot90(moves, quarters)
    for _ in range(quarters):
        along, down = moves[..., 0::2], moves[..., 1::2]
        moves = np.stack([down, -along], axis=-1).reshape(moves.shape)
    if flip:
        moves = moves[:, ::-1] * np.array([-1, 1, -1, 1], np.float32)
    return np.ascontiguousarray(moves)
