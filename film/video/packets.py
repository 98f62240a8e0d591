"""The exact times of a file's frames and of its sound.

Reading every packet without decoding it is fast, and for a plain MP4 or Matroska file of a
modern codec a packet is a frame: those times are the decoder's. Where that needn't hold (hidden
frames, edit lists, pictures before the first key frame, fields, containers that guess their
times), everything is decoded once and the decoder's times count.
"""

from __future__ import annotations  # array[int] is a type to checkers only before Python 3.12

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import ffmpeg

from film.errors import SourceBroken
from film.video.banner import read_time, read_time_base
from film.video.binaries import compile_command
from film.video.process import Child, last_words
from film.video.source import open_source

__all__ = ["DAMAGE", "SHOWN", "Packets", "decode_times", "read_packets", "sounding_start"]

_KEY = 1
_CORRUPT = 2
_PLAIN_FIELDS = 6  # of a framecrc line: stream, dts, pts, duration, size, checksum
_NO_TIME = "-9223372036854775808"

# What a demuxer says where the file stops before its own index or headers do, or where it has to
# look for the next readable place. Its other errors are remarks on files that play.
_CUT_SHORT = ("partial file", "File ended prematurely", "invalid as first byte of an EBML number")
# What ffmpeg says of a frame that it gives although it couldn't decode all of it, or of one
# that it couldn't decode at all. Other messages of decoders are remarks on streams that are fine.
DAMAGE = (
    "corrupt decoded frame",
    "Error while decoding stream",
    "Error submitting packet to decoder",
    "Decoding error:",
    "Error during demuxing",
)


# Of frames with the same time players show one only; so the others don't count.
SHOWN = "not(eq(pts,prev_selected_pts))"


@dataclass(kw_only=True)
class Packets:
    """The packets of one stream, in the file's order. Those that players discard are counted only.

    Attributes:
        time_base: Seconds per tick.
        times: Presentation time of each packet, in ticks.
        keys: Times of those from which decoding can start.
        last: (time, duration) of the packet that is shown last, in ticks.
        plain: Whether every packet has a time and no flag but "key", the first one is a key
            packet, and none is shown before it.
        skips: Whether the first packet holds samples to be skipped (an encoder's priming).
    """

    time_base: Fraction = Fraction(1)
    times: array[int] = field(default_factory=lambda: array("q"))
    keys: array[int] = field(default_factory=lambda: array("q"))
    last: tuple[int, int] | None = None
    plain: bool = True
    skips: bool = False
    count: int = 0

    def add(self, fields: list[str], *, sound: bool) -> None:
        """Take one line of the framecrc format: stream, dts, pts, duration, size, crc[, F=flags][, S=…]."""
        time, duration = fields[2].strip(), int(fields[3])
        marked = fields[_PLAIN_FIELDS].strip() if len(fields) > _PLAIN_FIELDS else ""
        flags = int(marked.removeprefix("F="), base=16) if marked.startswith("F=") else _KEY
        if flags & _CORRUPT:
            raise SourceBroken
        if self.count == 0:
            self.plain = flags == _KEY
            self.skips = sound and len(fields) > _PLAIN_FIELDS  # flags or side data: skipped samples, say
        self.count += 1
        if time == _NO_TIME:
            self.plain = False
            return
        ticks = int(time)
        if flags & ~_KEY or (self.keys and ticks < self.keys[0]):
            self.plain = False
        if self.last is None or ticks >= self.last[0]:
            self.last = (ticks, duration)
        if sound:
            if not self.times:
                self.times.append(ticks)  # only where it starts matters, so nothing else is kept
            return
        self.times.append(ticks)
        if flags & _KEY:
            self.keys.append(ticks)


def read_packets(path: Path, video: int, sound: Sequence[int]) -> list[Packets]:
    """Read the packets of stream `video` and of the streams `sound`, in that order.

    Raises:
        SourceBroken: If a packet is incomplete, or the file ends before its index does.
        SourceUnreadable: If the file is gone.
    """
    file = open_source(path)
    streams = [file[str(index)] for index in (video, *sound)]
    # copyinkf: also what comes before the first key frame, so that it is noticed.
    command = compile_command(ffmpeg.output(*streams, "pipe:1", format="framecrc", c="copy", copyinkf=None))
    found = [Packets() for _ in streams]
    with Child(command, stdout=True) as child:
        try:
            for line in child.lines():
                if line.startswith("#tb "):
                    index, base = line[len("#tb ") :].split(":")
                    found[int(index)].time_base = Fraction(base.strip())
                elif not line.startswith("#"):
                    fields = line.split(",")
                    found[int(fields[0])].add(fields, sound=fields[0] != "0")
        except SourceBroken as error:
            raise SourceBroken(f"{path} is damaged or ends early: a packet in it is incomplete") from error
        status = child.wait()
        cut_short = next((line for line in child.tail if any(words in line for words in _CUT_SHORT)), None)
        if cut_short is not None or status != 0:
            raise SourceBroken(f"{path} is damaged or ends early: {last_words(child) or f'ffmpeg gave {status}'}")
    return found


def decode_times(path: Path, video: int, *, max_pixels: int | None = None) -> tuple[Fraction, array[int]]:
    """Decode stream `video` and give (seconds per tick, the time of each frame in ticks).

    Frames of more than `max_pixels` aren't decoded.

    Raises:
        SourceBroken: If a frame doesn't decode, or is dated before the one that it follows.
    """
    shown = open_source(path, max_pixels=max_pixels)[str(video)].filter("select", SHOWN).filter("showinfo", checksum=0)
    times = array("q")
    bases: list[Fraction] = []
    damage: list[str] = []

    def read_line(line: str) -> None:
        time = read_time(line)
        if time is not None:
            times.append(time)
        elif base := read_time_base(line):
            bases.append(base)
        elif any(words in line for words in DAMAGE):
            damage.append(line)

    command = compile_command(shown.output("pipe:1", format="null", fps_mode="passthrough"))
    with Child(command, on_line=read_line) as child:
        status = child.wait()
    if damage or status != 0:
        raise SourceBroken(f"{path} is damaged: {last_words(child) or 'some frames do not decode'}")
    late = next((index for index in range(1, len(times)) if times[index] <= times[index - 1]), None)
    if late is not None:
        raise SourceBroken(
            f"{path} is damaged: frame {late} is dated before the one it follows; repair its timestamps first"
        )
    return (bases[0] if bases else Fraction(1)), times


def sounding_start(path: Path, index: int) -> Fraction | None:
    """Decode the start of sound stream `index`: when its first sample that players play is, in seconds.

    None where it doesn't decode. That is not an error here: sound can be copied all the same.
    """
    output = open_source(path)[str(index)].output("pipe:1", format="framecrc", **{"frames:a": 1})
    base = Fraction(1)
    with Child(compile_command(output), stdout=True) as child:
        for line in child.lines():
            if line.startswith("#tb "):
                base = Fraction(line.split(":")[1].strip())
            elif not line.startswith("#"):
                return int(line.split(",")[2]) * base
    return None
