"""Joining pieces and sound into the target, which is either whole or not there.

Pieces are joined without encoding again; every frame's time is put on the exact grid of the
rate. Sound that starts before the picture in the source does so in the target as well: the
picture then starts later than the file, by a whole number of the file's ticks.

Title, creation time and other metadata of the file come along, as do languages. Chapters do
where sound isn't stretched. Subtitles, data and attached pictures are left out.
"""

import contextlib
import os
import secrets
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import ffmpeg

from film.errors import OptionError
from film.video.audio import SoundPlan, aac_options, stretch_filters
from film.video.binaries import compile_command
from film.video.encode import check_target, timescale_for
from film.video.probe import Clip
from film.video.process import Child, failure
from film.video.source import file_url, open_source

__all__ = ["join"]

_NO_STREAM = "a:999?"


def join(
    pieces: Sequence[Path],
    target: Path,
    *,
    rate: Fraction,
    sound: SoundPlan | None = None,
    source: Clip | None = None,
) -> None:
    """Join pieces of video, and the source's sound, into one MP4 file.

    Args:
        pieces: MP4 files that `Encoder` made with the same arguments, in order.
        target: What to write; a file that exists is replaced, in one step at the very end.
        rate: Frames per second of the pieces.
        sound: What becomes of the source's sound; None for no sound.
        source: Where the sound and the metadata come from.

    Raises:
        OptionError: If there are no pieces, or sound without a source.
        TargetUnwritable: If the target's folder is missing or can't be written.
        NoSpace: If the disk is full.
        FfmpegFailed: If ffmpeg failed.
    """
    if not pieces:
        raise OptionError("there are no pieces to join")
    if sound is not None and source is None:
        raise OptionError("sound needs the source that it comes from")
    check_target(target)
    partial = target.with_name(f".film-{secrets.token_hex(6)}.part")
    try:
        with Child(_command(partial, rate, sound, source), stdin=True) as child:
            with contextlib.suppress(BrokenPipeError):
                child.stdin.write(_listing(pieces))
            status = child.wait()
            if status != 0 or child.disk_full:
                raise failure(child, status, f"writing {target}")
        partial.replace(target)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


def _command(partial: Path, rate: Fraction, sound: SoundPlan | None, source: Clip | None) -> list[str]:
    """Give the command that reads the list of pieces from its standard input and writes `partial`."""
    ticks = timescale_for(rate)
    tracks, tempo = (sound.tracks, sound.tempo) if sound is not None else ((), Fraction(1))
    # How far the picture is behind the first sound, in whole ticks.
    lead = max((-plan.start for plan in tracks), default=Fraction(0))
    behind = -(-max(Fraction(0), lead) * ticks // 1)
    delay = Fraction(behind, ticks)
    frame = ticks / rate
    assert frame.denominator == 1, "timescale_for gives whole ticks"
    streams: list[Any] = [ffmpeg.input("pipe:0", format="concat", safe=0, protocol_whitelist="file,pipe")["v:0"]]
    options: dict[str, Any] = {
        "format": "mp4",
        "c:v": "copy",
        "bsf:v": f"setts=pts=round(PTS/{frame})*{frame}+{behind}:dts=round(DTS/{frame})*{frame}+{behind}",
        "movflags": "+faststart",
        "strict": "experimental",  # what older versions call FLAC in MP4
        "video_track_timescale": ticks,
        "movie_timescale": ticks,
        "map_metadata": -1,
        "map_chapters": -1,
    }
    if source is not None:
        shift = delay - source.times[0] * source.time_base
        file = open_source(source.path, itsoffset=f"{float(shift):.6f}")
        for plan in tracks:
            stream = file[str(plan.track.index)]
            for name, values in [] if plan.copied else stretch_filters(plan, tempo, delay):
                stream = stream.filter(name, **values)
            streams.append(stream)
        if not tracks:
            # Only a file that a stream is taken from becomes an input, and its metadata is wanted
            # all the same: an optional stream that no file has.
            streams.append(file[_NO_STREAM])
        if not tracks:
            streams.append(file["v:999?"])  # no such stream: the file is an input for its metadata only
        options |= {"map_metadata": 1} | aac_options(tracks)
        if tracks and tempo == 1:
            options["map_chapters"] = 1
    return compile_command(ffmpeg.output(*streams, file_url(partial), **options))


def _listing(pieces: Sequence[Path]) -> bytes:
    """List the pieces as the concat demuxer wants it: in quotes, in which nothing else is special."""
    lines = ["ffconcat version 1.0"]
    for piece in pieces:
        quoted = os.fspath(piece.resolve()).replace("'", "'\\''")
        lines.append(f"file 'file:{quoted}'")
    return ("\n".join(lines) + "\n").encode(errors="surrogateescape")
