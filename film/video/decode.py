"""From a clip to R'G'B' frames with their exact times, a few frames in memory at a time.

- Rotation is applied by ffmpeg, non-square pixels by scaling the width.
- Interlaced frames are deinterlaced by bwdif, one frame for each frame.
- Where the size changes within the clip, later frames are scaled to the first one's size.
- What is transparent is shown over black.
"""

import queue
from bisect import bisect_right
from collections.abc import Iterator
from fractions import Fraction
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from film.errors import FfmpegFailed, FilmError, OptionError, SourceBroken
from film.video.banner import read_time, read_time_base
from film.video.binaries import compile_command
from film.video.colour import filters_to_rgb
from film.video.packets import DAMAGE, SHOWN
from film.video.pixel_formats import has_alpha
from film.video.probe import Clip
from film.video.process import Child, failure, last_words
from film.video.source import check_readable, open_source

__all__ = ["Decoder", "Frame", "Pixels"]

Pixels = NDArray[np.uint8] | NDArray[np.uint16]

_LOG_SECONDS = 30  # a frame's time is logged before its pixels are written; this is never waited out
_BYTE = 8
_SEEKABLE = ("mov", "matroska")  # with an index; elsewhere a seek is a guess
_KEYS_BACK = 1
_RGB, _RGBA = 3, 4


class Frame(NamedTuple):
    """One frame of a clip.

    Attributes:
        index: Among the clip's frames, from 0.
        time: Seconds after the clip's first frame.
        pixels: (H, W, 3) uint8, or uint16 on the whole scale where the clip has more than 8 bits.
    """

    index: int  # type: ignore[assignment]  # tuple.index would find a value; nobody looks for one here
    time: Fraction
    pixels: Pixels


class _WrongFrame(Exception):
    """A seek landed somewhere else."""


class Decoder:
    """Gives frames `first` to `first + count - 1` of a clip, each exactly once and in order.

    Every frame's time is compared with what `probe` found. A seek that lands elsewhere is
    made up for by decoding from the start; anything else that differs means that the file is
    damaged.
    """

    def __init__(self, clip: Clip, *, first: int = 0, count: int | None = None) -> None:
        """Start decoding.

        Args:
            clip: What `probe` found.
            first: Index of the first frame wanted.
            count: How many; None for all from there.

        Raises:
            OptionError: If the clip doesn't have those frames.
            SourceUnreadable: If the file is gone.
            FfmpegMissing: If there is no ffmpeg.
        """
        count = clip.frame_count - first if count is None else count
        if first < 0 or count < 1 or first + count > clip.frame_count:
            raise OptionError(
                f"frames {first} to {first + count - 1} were asked for, but {clip.path} has frames 0 to "
                f"{clip.frame_count - 1}"
            )
        check_readable(clip.path)
        self._clip = clip
        self._first, self._stop = first, first + count
        self._next = first
        self._dtype = np.dtype(np.uint8) if clip.bit_depth <= _BYTE else np.dtype("<u2")
        self._alpha = has_alpha(clip.pixel_format)
        self._start(_seek_time(clip, first))

    def __iter__(self) -> Iterator[Frame]:
        """Give itself."""
        return self

    def __next__(self) -> Frame:
        """Give the next frame.

        Raises:
            SourceBroken: If it doesn't decode, is missing, or isn't at its time.
            FfmpegFailed: If ffmpeg was ended from outside.
        """
        if self._next == self._stop:
            self.close()
            raise StopIteration
        try:
            pixels = self._read()
        except _WrongFrame:
            self.close()
            self._start(None)
            pixels = self._read()
        frame = Frame(self._next, self._clip.time(self._next), pixels)
        self._next += 1
        return frame

    def close(self) -> None:
        """End ffmpeg. Frames not yet taken are lost."""
        self._child.kill()

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End ffmpeg."""
        self.close()

    def _start(self, seek: Fraction | None) -> None:
        """Run ffmpeg from `seek` (seconds on the file's own clock), or from the file's start."""
        self._sought = seek is not None
        self._base = Fraction(0)
        self._offset: Fraction | None = None
        self._log: queue.SimpleQueue[Fraction | str] = queue.SimpleQueue()
        self._child = Child(_command(self._clip, self._first, self._stop, seek), stdout=True, on_line=self._hear)

    def _hear(self, line: str) -> None:
        """Take one line of the log (in the thread that drains it)."""
        time = read_time(line)
        if time is not None:
            self._log.put(time * self._base)
        elif base := read_time_base(line):
            self._base = base
        elif any(words in line for words in DAMAGE):
            self._log.put(line)

    def _read(self) -> Pixels:
        """Read one frame and check its time.

        Raises:
            _WrongFrame: If a seek landed elsewhere.
            SourceBroken: If there is no such frame, or it isn't at its time, or is damaged.
        """
        channels = _RGBA if self._alpha else _RGB
        pixels: Pixels = np.empty((self._clip.height, self._clip.width, channels), self._dtype)
        view = memoryview(pixels).cast("B")  # type: ignore[arg-type]  # arrays are buffers
        done = 0
        while done < len(view):
            read = self._child.stdout.readinto(view[done:])  # type: ignore[attr-defined]
            if not read:
                if self._sought and self._next == self._first:
                    raise _WrongFrame
                raise self._ended()
            done += read
        try:
            self._check_time(self._log.get(timeout=_LOG_SECONDS))
        except queue.Empty as error:
            raise FfmpegFailed("ffmpeg gave a frame without its time; try another version of it") from error
        return _over_black(pixels, self._clip.bit_depth) if self._alpha else pixels

    def _check_time(self, heard: Fraction | str) -> None:
        """Compare the time that ffmpeg gave with the one that the clip has for the next frame."""
        clip = self._clip
        if not isinstance(heard, Fraction):
            raise SourceBroken(f"{clip.path} is damaged near frame {self._next}: {heard.rpartition('] ')[2]}")
        expected = clip.times[self._next] * clip.time_base
        if heard == expected:
            return
        if self._sought and self._next == self._first:
            raise _WrongFrame
        raise SourceBroken(
            f"{clip.path} is damaged: frame {self._next} should come at {float(expected):.6f} s, "
            f"but the one that decodes is at {float(heard):.6f} s"
        )

    def _ended(self) -> FilmError:
        """Say why there are no more frames although there should be."""
        clip = self._clip
        status = self._child.wait()
        if status < 0:
            return failure(self._child, status, f"decoding {clip.path}")
        words = last_words(self._child)
        return SourceBroken(
            f"{clip.path} is damaged: frame {self._next} of {clip.frame_count} doesn't decode"
            + (f" ({words})" if words else "")
        )


def _seek_time(clip: Clip, first: int) -> Fraction | None:
    """Say where to seek for frame `first`, in seconds on the file's own clock; None: don't.

    The last key frame but one at or before it. The last one would do if demuxers landed there
    always; some land on the next one after it where frames are reordered, and pictures between
    such a key frame and its predecessor in time would then decode from nothing.
    """
    if clip.container not in _SEEKABLE:
        return None
    usable = bisect_right(clip.keys, clip.times[first])
    return clip.keys[usable - 2] * clip.time_base if usable > _KEYS_BACK else None


def _over_black(pixels: Pixels, bit_depth: int) -> Pixels:
    """Multiply (H, W, 4) R'G'B'A by its alpha, which fills the upper `bit_depth` bits: (H, W, 3) of the same type."""
    whole = int(np.iinfo(pixels.dtype).max)
    opaque = whole - (whole >> bit_depth)
    alpha = pixels[..., 3:].astype(np.uint32)
    shown = (pixels[..., :3] * alpha + opaque // 2) // opaque
    flat: Pixels = np.minimum(shown, whole).astype(pixels.dtype)
    return flat


def _command(clip: Clip, first: int, stop: int, seek: Fraction | None) -> list[str]:
    """Give the command that writes frames `first` to `stop - 1` to a pipe and logs their times."""
    # seek_timestamp: on the file's clock rather than from its start. noaccurate_seek: frames
    # before the first one are dropped by trim below, whose ticks are exact.
    seeking = {} if seek is None else {"ss": f"{float(seek):.6f}", "seek_timestamp": 1, "noaccurate_seek": None}
    source = open_source(clip.path, max_pixels=clip.max_pixels, **seeking)
    stream = source[str(clip.stream_index)].filter("select", SHOWN)
    if clip.interlaced:
        # bwdif halves the ticks, since it could give two frames for one; settb restores them.
        stream = stream.filter("bwdif", mode="send_frame", deint="interlaced").filter("settb", str(clip.time_base))
    if first:
        stream = stream.filter("trim", start_pts=clip.times[first])
    for name, options in filters_to_rgb(clip.colour, (clip.width, clip.height), clip.pixel_format, clip.bit_depth):
        stream = stream.filter(name, **options)
    stream = stream.filter("showinfo", checksum=0)
    return compile_command(
        stream.output("pipe:1", format="rawvideo", fps_mode="passthrough", **{"frames:v": stop - first})
    )
