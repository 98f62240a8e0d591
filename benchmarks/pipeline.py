"""What the pipeline costs beside the network, what remembering saves, and how memory behaves.

    python -m benchmarks.pipeline [--model NAME] [--frames N] > bench.json

Prints one JSON object. Times of one section are measured in one run, in turn, so that their
ratio holds where the machine's pace doesn't.

- `pipeline`: a real clip, ×2, at its own size and at 1280×720: seconds in all, and of these
  in which the network worked; `other_share` is the part that wasn't hidden behind it.
- `reuse`: a run of pairs at ×2, ×4 and ×8: the interpolator, which remembers features and
  flows, against the whole network afresh for every frame.
- `memory`: peak resident memory of a process that interpolates 10 s of a clip, and 60 s.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

import film
from benchmarks.demo import bikes_clip
from film.video import Decoder, Encoding, Pixels, find_ffmpeg, probe

__all__ = ["main"]

_MULTIPLIERS = (2, 4, 8)
_MIB = 2**20
_FAST = Encoding(preset="veryfast")


class _Timed:
    """An interpolator that adds up how long the network worked."""

    def __init__(self, interpolator: film.Interpolator) -> None:
        self._interpolator = interpolator
        self.seconds = 0.0

    def between(self, first: Pixels, second: Pixels, instants: Sequence[Fraction]) -> Iterator[Pixels]:
        frames = self._interpolator.between(first, second, instants)
        while True:
            started = time.perf_counter()
            made = next(frames, None)
            self.seconds += time.perf_counter() - started
            if made is None:
                return
            yield made


def measure_pipeline(model: str | None, frames: int, folder: Path) -> list[dict[str, Any]]:
    """Interpolate the start of a clip at two sizes, and compare the network's time with all of it."""
    found = []
    for width, height in ((640, 272), (1280, 720)):
        source = _cut(bikes_clip(), folder / f"{width}.mp4", frames=frames, size=(width, height))
        interpolator = film.Interpolator(model)
        warm = np.zeros((2, height, width, 3), np.uint8)
        next(interpolator.between(warm[0], warm[1] + 1, [Fraction(1, 2)]))  # traced before the clock runs
        timed = _Timed(interpolator)
        started = time.perf_counter()
        summary = film.interpolate_video(source, folder / "made.mp4", interpolator=timed, overwrite=True)
        seconds = time.perf_counter() - started
        found.append(
            {
                "size": f"{width}x{height}",
                "frames": summary.frames,
                "made": summary.made,
                "seconds": round(seconds, 2),
                "network_seconds": round(timed.seconds, 2),
                "network_seconds_per_made_frame": round(timed.seconds / summary.made, 4),
                "other_share": round(1 - timed.seconds / seconds, 3),
            }
        )
    return found


def measure_reuse(model: str | None, frames: int) -> list[dict[str, Any]]:
    """Make the frames of a run of pairs, remembering and not, pair by pair in turn."""
    with Decoder(probe(bikes_clip()), count=frames) as decoder:
        sources = [frame.pixels for frame in decoder]
    remembering, afresh = film.Interpolator(model), film.Interpolator(model)
    next(remembering.between(sources[0], sources[1], [Fraction(1, 2)]))
    next(afresh.between(sources[0], sources[1], [Fraction(1, 2)]))
    found = []
    for multiplier in _MULTIPLIERS:
        instants = [Fraction(number, multiplier) for number in range(1, multiplier)]
        seconds = {"remembering": 0.0, "afresh": 0.0}
        remembering.forget()
        for first, second in pairwise(sources):
            started = time.perf_counter()
            list(remembering.between(first, second, instants))
            seconds["remembering"] += time.perf_counter() - started
            started = time.perf_counter()
            for instant in instants:
                afresh.forget()
                list(afresh.between(first, second, [instant]))
            seconds["afresh"] += time.perf_counter() - started
        found.append(
            {
                "multiplier": multiplier,
                **{f"{name}_seconds": round(value, 2) for name, value in seconds.items()},
                "afresh_over_remembering": round(seconds["afresh"] / seconds["remembering"], 2),
            }
        )
    return found


def measure_memory(model: str | None, folder: Path) -> list[dict[str, Any]]:
    """Interpolate a short and a long clip in processes of their own, and read their peaks."""
    found = []
    for seconds in (10, 60):
        source = _loop(bikes_clip(), folder / f"{seconds}.mp4", seconds=seconds, size=(192, 80))
        arguments = ["--peak", str(source), "--model", model] if model else ["--peak", str(source)]
        command = [sys.executable, "-m", "benchmarks.pipeline", *arguments]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found.append({"clip_seconds": seconds, **json.loads(done.stdout)})
    return found


def _peak(model: str | None, source: Path) -> dict[str, Any]:
    """Interpolate `source`, and give this process's and its children's peaks, MiB."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "made.mp4"
        summary = film.interpolate_video(source, target, encoding=_FAST, interpolator=film.Interpolator(model))
    own, children = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    # Kilobytes on Linux, bytes on macOS.
    unit = 1 if sys.platform == "darwin" else 1024
    return {
        "frames": summary.frames,
        "peak_mib": round(own * unit / _MIB),
        "largest_child_mib": round(children * unit / _MIB),
    }


def _cut(source: Path, target: Path, *, frames: int, size: tuple[int, int]) -> Path:
    """Write the first frames of a clip at another size."""
    _ffmpeg("-i", source, "-frames:v", frames, "-vf", f"scale={size[0]}:{size[1]}", target)
    return target


def _loop(source: Path, target: Path, *, seconds: int, size: tuple[int, int]) -> Path:
    """Write a clip over and over again, until it is `seconds` long, at another size."""
    _ffmpeg("-stream_loop", -1, "-i", source, "-t", seconds, "-vf", f"scale={size[0]}:{size[1]}", target)
    return target


def _ffmpeg(*arguments: object) -> None:
    command = [find_ffmpeg(), "-nostdin", "-loglevel", "error", "-y", *map(str, arguments[:-1]), str(arguments[-1])]
    subprocess.run(command, check=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure everything, print it, and give the exit code."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pipeline", description="Measure the pipeline.")
    parser.add_argument("--model", metavar="NAME", help="the weight set; the best installed one by default")
    parser.add_argument("--frames", type=int, default=24, help="source frames of each clip; default 24")
    parser.add_argument("--peak", type=Path, help=argparse.SUPPRESS)
    parsed = parser.parse_args(arguments)
    if parsed.peak is not None:
        print(json.dumps(_peak(parsed.model, parsed.peak)))
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        measured = {
            "pipeline": measure_pipeline(parsed.model, parsed.frames, folder),
            "reuse": measure_reuse(parsed.model, min(parsed.frames, 8)),
            "memory": measure_memory(parsed.model, folder),
        }
    print(json.dumps(measured, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
