"""`film interpolate`: a clip, or two photographs, into a smooth clip."""

import argparse
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from film.commands.loading import quiet
from film.pipeline import OnProgress, Progress, Summary, interpolate_photos, interpolate_video
from film.segments import Between
from film.timeline import MULTIPLIERS, OUTPUT_RATES
from film.video import CODECS, Encoding
from film.weights import locate

__all__ = ["add_parser"]

_PHOTOGRAPHS = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"})
# Plain progress, where nobody watches: one line whenever this many seconds have passed, and a last one.
_LINE_SECONDS = 10.0
_SHORTEST = 1e-9  # seconds; a clock may stand still for a frame
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_ONE_SOURCE, _TWO_SOURCES = 2, 3  # with the target


def add_parser(subparsers: Any) -> None:
    """Add the `interpolate` command to an argument parser's subcommands."""
    parser = subparsers.add_parser(
        "interpolate",
        help="make a clip smoother, or slower; or a clip of two photographs",
        usage="film interpolate [options] SOURCE TARGET\n       film interpolate [options] FIRST SECOND TARGET",
        description="Makes the frames between those that a clip has, or between two photographs.",
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="the clip, or two photographs; the target")
    timing = parser.add_argument_group("timing")
    timing.add_argument(
        "--multiplier",
        type=_multiplier,
        default=2,
        metavar="M",
        help="output frames for each frame, 1 to 64; default 2",
    )
    timing.add_argument(
        "--fps",
        type=_rate,
        metavar="F",
        help="output frames a second, 1 to 240, also as 30000/1001; default: M times the source's, 30 for photographs",
    )
    timing.add_argument(
        "--keep-duration", action="store_true", help="sample the clip at F instead of showing every frame at F"
    )
    timing.add_argument(
        "--no-scene-detection", action="store_true", help="make frames across cuts too, instead of holding them"
    )
    result = parser.add_argument_group("result")
    result.add_argument("--no-audio", action="store_true", help="leave the sound out")
    result.add_argument(
        "--codec", default="libx264", choices=sorted(CODECS), help="default libx264, which plays anywhere"
    )
    result.add_argument("--crf", type=int, metavar="N", help="quality, 0 is best; a good one by default")
    result.add_argument("--preset", default="medium", help="speed against size, ultrafast to veryslow; default medium")
    result.add_argument("--overwrite", action="store_true", help="replace a target that exists")
    network = parser.add_argument_group("network")
    network.add_argument("--model", metavar="NAME", help="weight set (see `film weights list`), or a file of one")
    network.add_argument(
        "--memory", type=_bytes, metavar="SIZE", help="what the network may use, such as 6G; larger frames are tiled"
    )
    network.add_argument("--mixed-precision", action="store_true", help="convolve in float16; for GPUs")
    network.add_argument("--xla", action="store_true", help="compile the network first")
    parser.set_defaults(run=_run, parser=parser)


def _run(arguments: argparse.Namespace) -> int:
    files = arguments.files
    photographs = len(files) == _TWO_SOURCES
    if not photographs and len(files) != _ONE_SOURCE:
        arguments.parser.error("give a source and a target, or two photographs and a target")
    if photographs and (odd := [name for name in files[:2] if name.suffix.lower() not in _PHOTOGRAPHS]):
        arguments.parser.error(f"with two sources both have to be photographs, and {odd[0]} isn't one")
    if photographs and (arguments.keep_duration or arguments.no_audio):
        arguments.parser.error("photographs have neither a duration nor sound to keep")
    locate(arguments.model)  # an unknown one is refused before any work is done
    common = {
        "multiplier": arguments.multiplier,
        "output_fps": arguments.fps,
        "encoding": Encoding(codec=arguments.codec, crf=arguments.crf, preset=arguments.preset),
        "interpolator": _Loaded(arguments),
        "overwrite": arguments.overwrite,
    }
    with _shown(files[-1].name) as on_progress:
        if photographs:
            summary = interpolate_photos(*files, **common, on_progress=on_progress)
        else:
            summary = interpolate_video(
                *files,
                **common,
                keep_duration=arguments.keep_duration,
                preserve_audio=not arguments.no_audio,
                scene_detection=not arguments.no_scene_detection,
                on_progress=on_progress,
            )
    print(_said(summary))
    return 0


class _Loaded:
    """An interpolator that is loaded when the first frame is asked for: bad sources are refused at once."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._arguments = arguments
        self._interpolator: Between | None = None

    def between(self, *pair: Any) -> Iterator[Any]:
        if self._interpolator is None:
            with quiet():
                from film.interpolator import DEFAULT_MEMORY_BYTES, Interpolator
            self._interpolator = Interpolator(
                self._arguments.model,
                memory_bytes=self._arguments.memory or DEFAULT_MEMORY_BYTES,
                mixed_precision=self._arguments.mixed_precision,
                xla=self._arguments.xla,
            )
        return self._interpolator.between(*pair)


def _said(summary: Summary) -> str:
    """Say what came out in one line."""
    rate = summary.rate if summary.rate.denominator == 1 else f"{float(summary.rate):.3f}"
    parts = [
        f"{summary.width}×{summary.height}",
        f"{summary.frames} frames at {rate}/s ({float(summary.duration):.2f} s)",
        f"{summary.made} made",
    ]
    if summary.cuts:
        parts.append(f"{summary.cuts} cut{'s' if summary.cuts > 1 else ''} held")
    if summary.sound is not None:
        stretched = summary.sound.tempo != 1
        copied = all(track.copied for track in summary.sound.tracks)
        parts.append("sound stretched" if stretched else "sound copied" if copied else "sound encoded anew")
    return f"{summary.target}: {', '.join(parts)}, in {summary.seconds:.1f} s"


@contextmanager
def _shown(name: str) -> Iterator[OnProgress]:
    """Show progress: a bar on a terminal, else a line every ten seconds and at the end."""
    if not sys.stderr.isatty():  # rich takes FORCE_COLOR for a terminal
        yield _Lines()
        return
    columns = (
        TextColumn("{task.description}", markup=False),  # a name may have brackets
        BarColumn(),
        TaskProgressColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[pace]}"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=None, pace="")

        def show(progress: Progress) -> None:
            pace = progress.frames_done / max(progress.elapsed_seconds, _SHORTEST)
            bar.update(task, completed=progress.frames_done, total=progress.frames_total, pace=f"{pace:.1f} frames/s")

        yield show


class _Lines:
    """Prints a line to standard error now and then: frames, rate, time left."""

    def __init__(self) -> None:
        self._printed = 0.0

    def __call__(self, progress: Progress) -> None:
        done = progress.frames_done == progress.frames_total
        if progress.elapsed_seconds - self._printed < _LINE_SECONDS and not done:
            return
        self._printed = progress.elapsed_seconds
        pace = progress.frames_done / max(progress.elapsed_seconds, _SHORTEST)
        left = (progress.frames_total - progress.frames_done) / pace
        print(
            f"{progress.frames_done}/{progress.frames_total} frames, {pace:.1f} frames/s, {left:.0f} s left",
            file=sys.stderr,
            flush=True,
        )


def _multiplier(text: str) -> int:
    if not re.fullmatch(r"-?\d+", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"must be a whole number from {MULTIPLIERS[0]} to {MULTIPLIERS[-1]}")
    return int(text)  # whether it is in range is for the library to say


def _rate(text: str) -> Fraction:
    if not re.fullmatch(r"-?\d+(?:\.\d+)?|\d+/0*[1-9]\d*", text, re.ASCII):
        lowest, highest = OUTPUT_RATES
        raise argparse.ArgumentTypeError(
            f"must be from {lowest} to {highest} frames a second, such as 60 or 30000/1001"
        )
    return Fraction(text)


def _bytes(text: str) -> int:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:I?B)?", text.strip().upper(), re.ASCII)
    size = int(Fraction(found[1]) * _UNITS[found[2]]) if found else 0
    if size == 0:
        raise argparse.ArgumentTypeError("must be a size such as 6G or 800M")
    return size
