"""Clips drawn from arrays, and read back into arrays.

Everything drawn is of greys that 8-bit Y'CbCr of limited range has too, so that lossless
H.264 gives back the very same numbers. 20, 30, 40, 50, 70, 80, 90, 100, 120, 130, 140, 150,
160, 170 … are among them, 60 and 110 aren't.
"""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from film.video import Decoder, Pixels, probe
from tests.clips import ffmpeg

__all__ = ["HEIGHT", "WIDTH", "draw", "flat", "frames_of", "means_of", "moving", "texture", "times_of"]

WIDTH, HEIGHT = 64, 48

_CELL = 8  # pixels; a texture's grain


def texture(seed: int) -> Pixels:
    """Give a grey picture of soft random blotches; two seeds give two scenes."""
    cells = np.random.default_rng(seed).uniform(30, 225, (HEIGHT // _CELL, WIDTH // _CELL))
    picture = np.empty((HEIGHT, WIDTH, 3), np.float64)
    picture[:] = np.kron(cells, np.ones((_CELL, _CELL)))[:, :, None]
    return _video_grey(picture)


def moving(seed: int, count: int, *, step: int = 1) -> list[Pixels]:
    """Give `count` frames of one scene that moves right by `step` pixels a frame."""
    return [np.roll(texture(seed), step * index, axis=1) for index in range(count)]


def flat(*levels: int) -> list[Pixels]:
    """Give one even grey frame for each level, 0 to 255."""
    return [_video_grey(np.full((HEIGHT, WIDTH, 3), level, np.float64)) for level in levels]


def _video_grey(levels: NDArray[np.float64]) -> Pixels:
    """Give the nearest greys of those that 219 steps of luma have (ITU-R BT.601)."""
    greys: NDArray[np.uint8] = np.rint(np.rint(levels * (219 / 255)) * (255 / 219)).astype(np.uint8)
    return greys


def draw(  # noqa: PLR0913  (what is drawn, when it is shown, and how it is kept)
    path: Path,
    frames: Sequence[Pixels],
    *,
    rate: str = "10",
    times: str | None = None,
    sound: tuple[str, ...] = (),
    options: Sequence[str] = ("-c:v", "ffv1", "-pix_fmt", "gbrp"),
) -> Path:
    """Write frames as a clip.

    Args:
        path: What to write; its ending chooses the container.
        frames: (H, W, 3) uint8.
        rate: Frames per second, as ffmpeg takes it.
        times: Expression of frame N's time in milliseconds; by default they come at `rate`.
        sound: Options of a second input (and before it), as `tests.clips.tone` gives them.
        options: Of the output; lossless R'G'B' by default.
    """
    height, width, _ = frames[0].shape
    raw = ("-f", "rawvideo", "-pixel_format", "rgb24", "-video_size", f"{width}x{height}", "-framerate", rate)
    timing = () if times is None else ("-vf", f"settb=1/1000,setpts='{times}'", "-enc_time_base", "1/1000")
    passing = ("-fps_mode", "passthrough")
    pixels = b"".join(frame.tobytes() for frame in frames)
    ffmpeg(*raw, "-i", "pipe:0", *sound, *timing, *passing, *options, path, stdin=pixels)
    return path


def frames_of(path: Path) -> list[Pixels]:
    """Decode a whole clip."""
    with Decoder(probe(path)) as decoder:
        return [frame.pixels for frame in decoder]


def times_of(path: Path) -> list[Fraction]:
    """Give the time of every frame, in seconds on the file's own clock."""
    clip = probe(path)
    return [tick * clip.time_base for tick in clip.times]


def means_of(path: Path) -> list[float]:
    """Give the mean of every frame, on a scale of 255."""
    return [float(pixels.mean()) * 255 / np.iinfo(pixels.dtype).max for pixels in frames_of(path)]
