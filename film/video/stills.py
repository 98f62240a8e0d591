"""Single pictures: two photographs can be a source too, and a frame can be kept as one."""

import contextlib
import secrets
from fractions import Fraction
from pathlib import Path

import ffmpeg
import numpy as np

from film.errors import OptionError
from film.video.binaries import compile_command
from film.video.decode import Decoder, Pixels
from film.video.encode import check_target
from film.video.probe import probe
from film.video.process import Child, failure
from film.video.source import file_url

__all__ = ["read_image", "write_image"]

_CHANNELS = 3
_SHAPE = 3


def read_image(path: str | Path) -> Pixels:
    """Read a picture (PNG, JPEG, TIFF, …; of a video, the first frame).

    Returns:
        (H, W, 3) uint8, or uint16 on the whole scale where the picture has more than 8 bits.

    Raises:
        SourceError: As `probe` raises its kinds.
        FfmpegMissing: If there is no ffmpeg.
    """
    with Decoder(probe(Path(path)), count=1) as frames:
        return next(frames).pixels


def write_image(path: str | Path, pixels: Pixels) -> None:
    """Write a picture as PNG, 8 or 16 bits a sample as `pixels` has; one that exists is replaced.

    Args:
        path: What to write.
        pixels: (H, W, 3) uint8 or uint16.

    Raises:
        OptionError: If `pixels` isn't that.
        TargetUnwritable: If the folder is missing or can't be written.
        NoSpace: If the disk is full.
        FfmpegFailed: If ffmpeg failed.
    """
    if pixels.ndim != _SHAPE or pixels.shape[2] != _CHANNELS or pixels.dtype not in (np.uint8, np.uint16):
        raise OptionError(f"a picture must be (H, W, 3) uint8 or uint16, not {pixels.shape} {pixels.dtype}")
    path = Path(path)
    check_target(path)
    deep = pixels.dtype == np.uint16
    partial = path.with_name(f".film-{secrets.token_hex(6)}.part")
    stream = ffmpeg.input(
        "pipe:0",
        format="rawvideo",
        framerate=str(Fraction(1)),
        pixel_format="rgb48le" if deep else "rgb24",
        video_size=(pixels.shape[1], pixels.shape[0]),
    ).output(file_url(partial), format="image2pipe", **{"c:v": "png", "pix_fmt": "rgb48be" if deep else "rgb24"})
    try:
        with Child(compile_command(stream), stdin=True) as child:
            samples = np.ascontiguousarray(pixels.astype("<u2") if deep else pixels)
            view = memoryview(samples).cast("B")  # type: ignore[arg-type]  # arrays are buffers
            with contextlib.suppress(BrokenPipeError):
                while view:
                    view = view[child.stdin.write(view) :]
            status = child.wait()
            if status != 0 or child.disk_full:
                raise failure(child, status, f"writing {path}")
        partial.replace(path)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()
