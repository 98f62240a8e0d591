"""What ffmpeg's log says about a file: its streams, and the first frames that decode.

The log is text for people, so only what is printed nowhere else is read from it, line by
line and anchored, so that metadata in the file can't pass for it: ffmpeg indents that deeper.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

__all__ = ["Banner", "Picture", "Stream", "read_banner", "read_picture", "read_time", "read_time_base"]

_INPUT = re.compile(r"^Input #0, (\S+), from '")
_STREAM = re.compile(r"^  Stream #0:(\d+)(?:\[0x[0-9a-f]+\])?(?:\((\w+)\))?: (Video|Audio): (\w+)(.*)$")
_OTHER_STREAM = re.compile(r"^  Stream #0:")
_END = re.compile(r"^(Stream mapping:|Output #0|At least one output)")
_ROTATION = re.compile(r"^ +\S*display\s?matrix: rotation of (-?[\d.]+) degrees", re.IGNORECASE)
_RATE = re.compile(r"(?<![\w.])([\d.]+)(k?) (?:fps|tbr)\b")
_SAMPLES = re.compile(r"(?:^|, )(\d+) Hz, ([^,]+)")
_FORMAT = re.compile(r", (\w+)\(([^)]*)\)")
_INTERLACED = re.compile(r"\b(?:top|bottom) (?:coded )?first\b")
_SITING = re.compile(r"\b(left|center|topleft|top|bottomleft|bottom)\b(?! (?:coded )?first)")

_SHOWINFO = r"^\[Parsed_showinfo_\d+ @ 0x[0-9a-f]+\] \[info\] "
_TIME_BASE = re.compile(_SHOWINFO + r"config in time_base: (\d+)/(\d+)")
_FRAME = re.compile(_SHOWINFO + r"n: *\d+ pts: *(-?\d+|NOPTS) ")
_PICTURE = re.compile(r" fmt:(\S+)(?: cl:(\S+))? sar:(\d+)/(\d+) s:(\d+)x(\d+) i:(.) ")
_TAGS = re.compile(_SHOWINFO + r"color_range:(\S+) color_space:(\S+) color_primaries:(\S+) color_trc:(\S+)")
_UNTAGGED = {"unknown", "unspecified", "reserved", "gbr", "nil", "(null)", "N/A"}

# Channels of the layouts whose names don't add up to them ("5.1(side)" does).
_LAYOUTS = {
    "mono": 1, "stereo": 2, "downmix": 2, "binaural": 2, "quad": 4, "quad(side)": 4,
    "hexagonal": 6, "octagonal": 8, "cube": 8, "hexadecagonal": 16,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Stream:
    """One video or audio stream as ffmpeg announces it.

    Attributes:
        index: Of the stream in the file.
        kind: `"Video"` or `"Audio"`.
        codec: The decoder's name: `"h264"`, `"aac"`, …
        language: As the file has it (ISO 639-2 mostly), or None.
        picture: Whether it is a still attached to the file (cover art, thumbnails), not a video.
        sample_rate: Of sound, in Hz; 0 for video.
        channels: Of sound; 0 for video.
        interlaced: Whether the container or the codec says so.
        siting: Where chroma samples lie, or None.
        rates: The frame rates it declares, in frames per second, most specific first.
        rotation: Degrees clockwise by which players turn it: 0, 90, 180 or 270.
    """

    index: int
    kind: str
    codec: str
    language: str | None = None
    picture: bool = False
    sample_rate: int = 0
    channels: int = 0
    interlaced: bool = False
    siting: str | None = None
    rates: tuple[Fraction, ...] = ()
    rotation: int = 0


@dataclass(frozen=True, kw_only=True)
class Banner:
    """A file as ffmpeg announces it.

    Attributes:
        container: The demuxer's first name: `"mov"`, `"matroska"`, …
        streams: Its video and audio streams, in the file's order.
    """

    container: str
    streams: tuple[Stream, ...] = field(default=())


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One decoded frame as the showinfo filter prints it.

    Attributes:
        pixel_format: ffmpeg's name.
        aspect: Width of a pixel over its height.
        size: (width, height) in pixels, after rotation.
        interlaced: Whether the frame is marked so.
        siting: Where chroma samples lie, or None.
        tags: Range, matrix, primaries and transfer; None where untagged.
    """

    pixel_format: str
    aspect: Fraction
    size: tuple[int, int]
    interlaced: bool
    siting: str | None
    tags: tuple[str | None, str | None, str | None, str | None]


def read_banner(log: Sequence[str]) -> Banner | None:
    """Read what ffmpeg announces of its first input, or None where it announces none."""
    lines = iter(line.removeprefix("[info] ") for line in log)
    container = next((match[1] for match in map(_INPUT.match, lines) if match), None)
    if container is None:
        return None
    streams: list[Stream] = []
    rotations: dict[int, int] = {}
    current = None
    for line in lines:
        if _END.match(line):
            break
        if match := _STREAM.match(line):
            streams.append(_read_stream(match))
            current = streams[-1].index
        elif _OTHER_STREAM.match(line):
            current = None
        elif current is not None and (turned := _ROTATION.match(line)):
            rotations[current] = round(-float(turned[1])) % 360
    turned_streams = (_turned(stream, rotations.get(stream.index, 0)) for stream in streams)
    unique = {stream.index: stream for stream in turned_streams}  # a program repeats its streams
    return Banner(container=container.split(",")[0], streams=tuple(unique[index] for index in sorted(unique)))


def read_picture(log: Sequence[str]) -> Picture | None:
    """Read the first frame that showinfo printed, or None where there is none."""
    found = None
    for line in log:
        if found is None:
            found = _PICTURE.search(line) if _FRAME.match(line) else None
        elif match := _TAGS.match(line):
            return _picture(found, (_tag(match[1]), _tag(match[2]), _tag(match[3]), _tag(match[4])))
    return _picture(found, (None, None, None, None)) if found else None


def read_time(line: str) -> int | None:
    """Read the time of a frame that showinfo prints, in ticks, or None where `line` isn't one."""
    match = _FRAME.match(line)
    return int(match[1]) if match and match[1] != "NOPTS" else None


def read_time_base(line: str) -> Fraction | None:
    """Read seconds per tick of showinfo's input, or None where `line` doesn't say it."""
    match = _TIME_BASE.match(line)
    return Fraction(int(match[1]), int(match[2])) if match and int(match[2]) else None


def _read_stream(match: re.Match[str]) -> Stream:
    index, language, kind, codec, rest = match.groups()
    known = None if language in (None, "und") else language
    if kind == "Audio":
        sound = _SAMPLES.search(rest)
        return Stream(
            index=int(index),
            kind=kind,
            codec=codec,
            language=known,
            sample_rate=int(sound[1]) if sound else 0,
            channels=_channels(sound[2].strip()) if sound else 0,
        )
    pixels = _FORMAT.search(rest)
    details = pixels[2] if pixels else ""
    siting = _SITING.search(details)
    return Stream(
        index=int(index),
        kind=kind,
        codec=codec,
        language=known,
        picture="(attached pic)" in rest or "(timed thumbnails)" in rest or "(still image)" in rest,
        interlaced=bool(_INTERLACED.search(details)),
        siting=siting[1] if siting else None,
        rates=tuple(Fraction(number) * (1000 if kilo else 1) for number, kilo in _RATE.findall(rest)),
    )


def _turned(stream: Stream, rotation: int) -> Stream:
    return stream if not rotation else Stream(**{**vars(stream), "rotation": rotation})


def _channels(layout: str) -> int:
    if layout in _LAYOUTS:
        return _LAYOUTS[layout]
    if counted := re.match(r"(\d+) channels", layout):
        return int(counted[1])
    numbers = re.match(r"[\d.]+", layout)  # "5.1(side)": five and one
    return sum(int(number) for number in numbers[0].split(".") if number) if numbers else 0


def _picture(found: re.Match[str], tags: tuple[str | None, str | None, str | None, str | None]) -> Picture:
    pixel_format, siting, across, down, width, height, scan = found.groups()
    return Picture(
        pixel_format=pixel_format,
        aspect=Fraction(int(across), int(down)) if int(across) and int(down) else Fraction(1),
        size=(int(width), int(height)),
        interlaced=scan in "TB",
        siting=_tag(siting) if siting else None,
        tags=tags,
    )


def _tag(name: str) -> str | None:
    return None if name in _UNTAGGED else name
