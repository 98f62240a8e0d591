"""From R'G'B' frames to one piece of video in MP4, without sound.

A piece starts with a key frame that nothing before is needed for, and pieces made with the
same arguments can be joined without encoding again (`film.video.mux`).
"""

import contextlib
import os
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import ffmpeg
import numpy as np

from film.errors import OptionError, TargetUnwritable
from film.video.binaries import compile_command
from film.video.colour import Colour, Filter, filters_from_rgb
from film.video.decode import Pixels
from film.video.encoding import CODECS, Encoding
from film.video.process import Child, failure
from film.video.source import file_url, is_text

__all__ = ["Encoder", "check_target", "timescale_for"]

_BYTE = 8
_DEEP = 10  # bits of the output where the source has more than 8; players know no deeper H.264
_SHORTEST_SIDE = 2
_FEWEST_TICKS = 10_000  # a second at least: players dislike coarser clocks (ffmpeg's own rule)
_MOST_TICKS = 2**31 - 1  # MP4 stores it in 32 bits, ffmpeg in a signed int
_KEY_SECONDS = 5  # between key frames, so that players can seek


class Encoder:
    """Writes one piece. Leaving the `with` block by an exception removes what was written."""

    def __init__(  # noqa: PLR0913  (what a frame is, when it is shown, and how it's compressed)
        self,
        target: Path,
        *,
        size: tuple[int, int],
        rate: Fraction,
        colour: Colour,
        bit_depth: int,
        encoding: Encoding,
    ) -> None:
        """Start ffmpeg.

        Args:
            target: MP4 file to write; one that exists is replaced.
            size: (width, height) of the frames in pixels.
            rate: Frames per second.
            colour: How the output is to be written and tagged.
            bit_depth: Of the source; above 8 the output has 10, and frames are uint16.
            encoding: How to compress.

        Raises:
            OptionError: If `size` or `rate` can't be encoded.
            TargetUnwritable: If the target's folder is missing or can't be written.
            FfmpegMissing: If there is no ffmpeg with that encoder.
        """
        if min(size) < _SHORTEST_SIDE:
            raise OptionError(f"frames of {size[0]}×{size[1]} pixels can't be encoded; 2×2 is the least")
        check_target(target)
        encoding.check()
        self._target = target
        self._shape = (size[1], size[0], 3)
        self._dtype = np.dtype(np.uint8) if bit_depth <= _BYTE else np.dtype("<u2")
        self._closed = False
        raw = {"pixel_format": "rgb24" if bit_depth <= _BYTE else "rgb48le", "video_size": size}
        command = _command(target, raw, rate, _filters(colour, size, bit_depth, encoding), encoding)
        self._child = Child(command, stdin=True)

    def write(self, pixels: Pixels) -> None:
        """Add one frame.

        Args:
            pixels: (H, W, 3) uint8, or uint16 on the whole scale where `bit_depth` exceeds 8.

        Raises:
            OptionError: If the shape or the type isn't that.
            NoSpace: If the disk is full.
            FfmpegFailed: If ffmpeg ended.
        """
        if pixels.shape != self._shape or pixels.dtype != self._dtype:
            raise OptionError(f"a frame must be {self._shape} {self._dtype}, not {pixels.shape} {pixels.dtype}")
        view = memoryview(np.ascontiguousarray(pixels)).cast("B")  # type: ignore[arg-type]  # arrays are buffers
        try:
            while view:
                view = view[self._child.stdin.write(view) :]
        except (OSError, ValueError) as error:  # ValueError: abandon() closed the pipe in another thread
            status = self._child.wait()
            raise failure(self._child, status, f"encoding {self._target}") from error

    def close(self) -> None:
        """Finish the file.

        Raises:
            NoSpace: If the disk is full.
            FfmpegFailed: If ffmpeg failed.
        """
        if self._closed:
            return
        status = self._child.wait()
        self._closed = True
        self._child.kill()
        if status != 0 or self._child.disk_full:
            self._remove()
            raise failure(self._child, status, f"encoding {self._target}")

    def abandon(self) -> None:
        """End ffmpeg at once and remove what it wrote. Does nothing after `close`."""
        if not self._closed:
            self._closed = True
            self._child.kill()
            self._remove()

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish the file, or remove it where an exception is on its way."""
        if kind is None:
            self.close()
        else:
            self.abandon()

    def _remove(self) -> None:
        with contextlib.suppress(OSError):
            self._target.unlink()


def check_target(target: Path) -> None:
    """Make sure that a file can be made at `target`.

    Raises:
        TargetUnwritable: If it is a folder, or its folder is missing or can't be written, or has a name
            that isn't UTF-8.
    """
    folder = target.parent
    if not is_text(folder):
        raise TargetUnwritable(f"the folder {str(folder)!a} has a name that isn't text (UTF-8); choose another")
    if target.is_dir():
        raise TargetUnwritable(f"{target} is a folder; name a file in it")
    if not folder.is_dir():
        raise TargetUnwritable(f"the folder {folder} doesn't exist; make it first")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise TargetUnwritable(f"the folder {folder} can't be written; check its permissions")


def timescale_for(rate: Fraction) -> int:
    """Give an MP4 clock, in ticks per second, in which a frame at `rate` is a whole number of ticks.

    Raises:
        OptionError: If there is none, or `rate` isn't positive.
    """
    if rate <= 0:
        raise OptionError(f"the frame rate must be above 0, not {rate}")
    ticks = rate.numerator
    while ticks < _FEWEST_TICKS:
        ticks *= 2
    if ticks > _MOST_TICKS:
        raise OptionError(f"MP4 has no clock for a rate of {rate} frames per second; choose a rounder one")
    return ticks


def _filters(colour: Colour, size: tuple[int, int], bit_depth: int, encoding: Encoding) -> list[Filter]:
    """Choose the pixel format and give the filters to it.

    Raises:
        OptionError: If the codec can't encode that size.
    """
    even = size[0] % 2 == 0 and size[1] % 2 == 0
    sampling = "yuv420p" if even else CODECS[encoding.codec].odd
    if sampling is None:
        others = ", ".join(name for name, codec in CODECS.items() if codec.odd)
        raise OptionError(f"{encoding.codec} needs even sides, not {size[0]}×{size[1]}; choose one of {others}")
    if bit_depth <= _BYTE:
        return filters_from_rgb(colour, size, sampling, _BYTE)
    return filters_from_rgb(colour, size, f"{sampling}10le", _DEEP)


def _command(target: Path, raw: dict[str, Any], rate: Fraction, filters: list[Filter], encoding: Encoding) -> list[str]:
    """Give the command that reads raw frames as `raw` says and writes `target`."""
    codec = CODECS[encoding.codec]
    stream = ffmpeg.input("pipe:0", format="rawvideo", framerate=str(rate), **raw)
    for name, options in filters:
        stream = stream.filter(name, **options)
    ticks = timescale_for(rate)
    output: dict[str, Any] = {
        "format": "mp4",
        "c:v": encoding.codec,
        "crf": codec.crf if encoding.crf is None else encoding.crf,
        "g": max(1, round(_KEY_SECONDS * rate)),
        "fps_mode": "passthrough",
        "video_track_timescale": ticks,
        "movie_timescale": ticks,
        **codec.options,
    }
    if codec.presets:
        output["preset"] = encoding.preset
    return compile_command(stream.output(file_url(target), **output))
