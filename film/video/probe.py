"""What a clip is: its pictures, their exact times, their colour, its sound.

Only ffmpeg is asked, never ffprobe. Three short runs: one announces the streams and decodes
the first frame, one reads every packet, and, only where packets may not be frames, one decodes
everything (`film.video.packets` says when).

A file that stops before its own index or headers say is refused. MPEG-TS and bare streams (H.264
without a container) don't say how long they are to be: cut short, they are shorter clips.
"""

from __future__ import annotations  # array[int] is a type to checkers only before Python 3.12

import re
from array import array
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from film.errors import FrameTooLarge, NotAVideo, NoVideoStream, SourceBroken, TooFewFrames
from film.video.banner import Banner, Picture, Stream, read_banner, read_picture
from film.video.binaries import compile_command
from film.video.colour import Colour
from film.video.pace import measure_pace
from film.video.packets import Packets, decode_times, read_packets, sounding_start
from film.video.pixel_formats import bit_depth_of, is_rgb
from film.video.process import Child, last_words
from film.video.source import check_readable, file_url, open_source, starts_as_mp4

__all__ = ["AudioTrack", "Clip", "probe"]

_LOG_LINES = 20_000  # of an opening run; a file with more streams and metadata than that is no clip

# Where a packet is a frame (`film.video.packets`), as far as container and codec go.
_PLAIN_CONTAINERS = ("mov", "matroska")
_PLAIN_CODECS = ("h264", "hevc", "av1", "vp9", "prores", "mjpeg", "ffv1", "dnxhd")

_OVERSIZE = re.compile(r"Picture size (\d+)x(\d+) exceeds specified max pixel count")  # libavutil/imgutils.c's words

# A pixel outside this aspect is a broken tag rather than an anamorphic format (the widest in
# use is 2:1), and would make a frame of any size out of a small file.
_ASPECTS = (Fraction(1, 4), Fraction(4))


@dataclass(frozen=True, kw_only=True)
class AudioTrack:
    """One track of sound.

    Attributes:
        index: Of the stream in the file.
        codec: ffmpeg's name of it.
        sample_rate: In Hz.
        channels: How many.
        language: ISO 639-2 code as the file has it, or None.
        start: When its first sample is played, in seconds after the first video frame; negative
            where the sound is first.
        duration: From there to the end of its last packet, in seconds.
    """

    index: int
    codec: str
    sample_rate: int
    channels: int
    language: str | None
    start: Fraction
    duration: Fraction


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A video file, and all that has to be known of it before it is decoded.

    Attributes:
        path: As given.
        stream_index: Of the video stream in the file.
        container: The demuxer's first name: `"mov"`, `"matroska"`, …
        codec: ffmpeg's name of the video codec.
        width: In square pixels, rotation applied.
        height: In pixels, rotation applied.
        pixel_format: ffmpeg's name of what the decoder gives.
        bit_depth: Bits of one sample of that: 8, 10, 12, …
        rotation: Degrees clockwise by which the file says to turn it; already in width and height.
        colour: How its numbers are to be read.
        interlaced: Whether its frames are pairs of fields; they are then deinterlaced.
        frame_count: Frames that are shown.
        times: Time of each frame in ticks of `time_base`, increasing.
        keys: Times, in the same ticks, of the frames from which decoding can start.
        time_base: Seconds per tick.
        duration: In seconds, from the first frame until the last one has been shown.
        average_rate: Frames per second: the exact rate where it is constant, else
            `frame_count / duration`.
        audio: Its tracks of sound, in the file's order.
        max_pixels: Later frames of more pixels aren't decoded either; None for any.
    """

    path: Path
    stream_index: int
    container: str
    codec: str
    width: int
    height: int
    pixel_format: str
    bit_depth: int
    rotation: int
    colour: Colour
    interlaced: bool
    frame_count: int
    times: array[int] = field(repr=False)
    keys: array[int] = field(repr=False)
    time_base: Fraction
    duration: Fraction
    average_rate: Fraction
    audio: tuple[AudioTrack, ...]
    max_pixels: int | None = None

    def time(self, index: int) -> Fraction:
        """Give the time of frame `index` in seconds after the first one."""
        return (self.times[index] - self.times[0]) * self.time_base


def probe(path: Path, *, max_pixels: int | None = None) -> Clip:
    """Find out all about the clip at `path`. Reads the whole file once.

    Args:
        path: The file.
        max_pixels: Most pixels that a frame may have; larger ones aren't decoded, now or later. None for any.

    Raises:
        FrameTooLarge: If its frames have more.
        SourceUnreadable: If it is missing, isn't a file, or can't be opened.
        NotAVideo: If it is empty, or no demuxer that we allow knows it.
        NoVideoStream: If it has no video stream (cover art isn't one).
        SourceBroken: If it ends early, or its frames don't decode.
        TooFewFrames: If the video stream has no frame at all.
        FfmpegMissing: If there is no ffmpeg.
    """
    path = Path(path)
    check_readable(path)
    banner, picture = _open(path, max_pixels)
    video = _video_of(path, banner)
    if picture is None:
        raise SourceBroken(f"{path} is damaged: none of its frames decodes")
    tracks = [stream for stream in banner.streams if stream.kind == "Audio" and stream.sample_rate]
    width, height = _square(picture)
    if max_pixels is not None and max(width * height, picture.size[0] * picture.size[1]) > max_pixels:
        raise _too_large(path, (width, height), max_pixels)
    packets, *sound = read_packets(path, video.index, [track.index for track in tracks])
    time_base, times = _frame_times(path, banner, video, picture, packets, max_pixels=max_pixels)
    last = packets.last[1] * packets.time_base if packets.last else Fraction(0)
    average_rate, duration = measure_pace(times, time_base, last, video.rates)
    zero = times[0] * time_base
    return Clip(
        path=path,
        stream_index=video.index,
        container=banner.container,
        codec=video.codec,
        width=width,
        height=height,
        pixel_format=picture.pixel_format,
        bit_depth=bit_depth_of(picture.pixel_format),
        rotation=video.rotation,
        colour=_colour_of(picture, video),
        interlaced=picture.interlaced or video.interlaced,
        frame_count=len(times),
        times=times,
        keys=array("q", sorted(packets.keys)) if time_base == packets.time_base else array("q"),
        time_base=time_base,
        duration=duration,
        average_rate=average_rate,
        audio=tuple(
            _track(path, stream, found, zero) for stream, found in zip(tracks, sound, strict=True) if found.times
        ),
        max_pixels=max_pixels,
    )


def _open(path: Path, max_pixels: int | None) -> tuple[Banner, Picture | None]:
    """Let ffmpeg announce the file and decode its first frame.

    Raises:
        FrameTooLarge: If that has more pixels than may be.
        NotAVideo: If no allowed demuxer knows it.
        SourceBroken: If its index is missing.
    """
    log: list[str] = []

    def keep(line: str) -> None:
        if len(log) < _LOG_LINES:
            log.append(line)

    shown = open_source(path, max_pixels=max_pixels)["V:0"].filter("showinfo", checksum=0)
    command = compile_command(shown.output("pipe:1", format="null", fps_mode="passthrough", **{"frames:v": 1}))
    with Child(command, on_line=keep) as child:
        child.wait()
    if max_pixels is not None and (found := next(filter(None, map(_OVERSIZE.search, log)), None)):
        raise _too_large(path, (int(found[1]), int(found[2])), max_pixels)
    banner = read_banner(log)
    if banner is None:
        if any("moov atom not found" in line for line in log) and starts_as_mp4(path):
            raise SourceBroken(f"{path} ends early: the index of its frames is missing")
        refused = any("not on whitelist" in line for line in log)
        reason = "its format is none that we open" if refused else last_words(child) or "no demuxer knows it"
        raise NotAVideo(f"{path} is not a video that ffmpeg can read: {reason.replace(f'{file_url(path)}: ', '')}")
    return banner, read_picture(log)


def _too_large(path: Path, size: tuple[int, int], max_pixels: int) -> FrameTooLarge:
    return FrameTooLarge(
        f"{path} has frames of {size[0]}×{size[1]} pixels, and {max_pixels} are allowed; scale it down first"
    )


def _video_of(path: Path, banner: Banner) -> Stream:
    """Choose the first stream that moves.

    Raises:
        NoVideoStream: If there is none.
    """
    for stream in banner.streams:
        if stream.kind == "Video" and not stream.picture:
            return stream
    raise NoVideoStream(f"{path} has no video stream")


def _frame_times(  # noqa: PLR0913 (all that was found out about the file)
    path: Path, banner: Banner, video: Stream, picture: Picture, packets: Packets, *, max_pixels: int | None
) -> tuple[Fraction, array[int]]:
    """Give (seconds per tick, the increasing times of the frames that the decoder gives).

    Raises:
        TooFewFrames: If there is none.
        SourceBroken: If frames don't decode or their times make no sense.
    """
    times = array("q", sorted(packets.times))
    plain = (
        packets.plain
        and banner.container in _PLAIN_CONTAINERS
        and video.codec in _PLAIN_CODECS
        and not (picture.interlaced or video.interlaced)
        and all(before < after for before, after in pairwise(times))
    )
    time_base = packets.time_base
    if not plain:
        time_base, times = decode_times(path, video.index, max_pixels=max_pixels)
    if not times:
        raise TooFewFrames(f"{path} has no frames")
    return time_base, times


def _square(picture: Picture) -> tuple[int, int]:
    """Give the size in square pixels: the height stays, the width becomes the nearest even number."""
    width, height = picture.size
    lowest, highest = _ASPECTS
    if picture.aspect == 1 or not lowest <= picture.aspect <= highest:
        return width, height
    return max(2, 2 * round(width * picture.aspect / 2)), height


def _colour_of(picture: Picture, video: Stream) -> Colour:
    range_tag, matrix, primaries, transfer = picture.tags
    rgb = is_rgb(picture.pixel_format)
    full = not rgb and (range_tag in ("pc", "full", "jpeg") or picture.pixel_format.startswith("yuvj"))
    return Colour(
        matrix=None if rgb else matrix,
        primaries=primaries,
        transfer=transfer,
        full_range=full,
        range_tagged=range_tag is not None and not rgb,
        siting=picture.siting or video.siting,
    )


def _track(path: Path, stream: Stream, packets: Packets, zero: Fraction) -> AudioTrack:
    """Describe one track; `zero` is the time of the first video frame in the file's seconds."""
    assert packets.last is not None, "a track without packets is left out"
    start = packets.times[0] * packets.time_base
    if packets.skips:
        sounding = sounding_start(path, stream.index)
        start = start if sounding is None else sounding
    end = (packets.last[0] + packets.last[1]) * packets.time_base
    return AudioTrack(
        index=stream.index,
        codec=stream.codec,
        sample_rate=stream.sample_rate,
        channels=stream.channels,
        language=stream.language,
        start=start - zero,
        duration=max(Fraction(0), end - start),
    )
