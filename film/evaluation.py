"""How good made frames are: against true ones, beside a plain blend of the same pair.

A set is a folder of triplets (`NAME/im1.png im2.png im3.png`: two frames and the true
middle) or a clip, of which every second frame (or fourth …) is given and the ones between
are made again. Everything streams: one pair and its true frames are held at a time.

PSNR is 10·log10(peak²/MSE) in dB over all pixels and channels of an RGB frame as the eye
gets it, gamma included. SSIM is that of Wang et al. (2004, IEEE TIP 13(4)): a Gaussian
window with sigma 1.5, population covariance, K1 = 0.01, K2 = 0.03, the mean over R, G, B.
A set's figures are the means over its frames.
"""

import math
import statistics
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from film.errors import OptionError, SourceBroken, SourceError, SourceUnreadable, TooFewFrames
from film.video import Decoder, Pixels, probe, read_image

__all__ = ["PSNR_CEILING", "SPACINGS", "Blend", "Evaluation", "FrameMaker", "Score", "evaluate", "psnr", "ssim"]

SPACINGS: Final = range(2, 65)
"""Of how many of a clip's frames one may be given."""

PSNR_CEILING: Final = 100.0
"""What a frame counts for at most, in dB, so that one equal to the truth leaves a finite mean."""

_MIDDLE = Fraction(1, 2)
_TRIPLET = ("im1", "im2", "im3")
_PICTURES = frozenset((".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".ppm"))
_SSIM_SIGMA = 1.5  # pixels
_SSIM_WINDOW = 11  # pixels, 3.5 sigma to either side


class FrameMaker(Protocol):
    """What makes frames between two; `film.Interpolator` is one."""

    def between(self, first: Pixels, second: Pixels, instants: Sequence[Fraction], /) -> Iterable[Pixels]:
        """Give one frame for each instant in (0, 1), in order."""


class Blend:
    """Cross-fades: what any interpolation has to beat."""

    def between(self, first: Pixels, second: Pixels, instants: Sequence[Fraction], /) -> Iterator[Pixels]:
        """Give (1 − t)·first + t·second, rounded, for each instant t."""
        for instant in instants:
            share = np.float32(instant)
            blended = np.empty_like(first)
            np.rint((1 - share) * first + share * second, out=blended, casting="unsafe")
            yield blended


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Means over frames made both ways.

    Attributes:
        frames: How many.
        psnr: Of the frames made, in dB; each counts for at most `PSNR_CEILING`.
        ssim: Of the frames made, up to 1.
        blend_psnr: Of a plain blend in their place.
        blend_ssim: The same.
    """

    frames: int
    psnr: float
    ssim: float
    blend_psnr: float
    blend_ssim: float

    @property
    def gain(self) -> float:
        """DB by which the frames made beat a plain blend."""
        return self.psnr - self.blend_psnr

    def to_json(self) -> dict[str, Any]:
        """Give plain values that JSON can hold."""
        return {
            "frames": self.frames,
            "psnr_db": self.psnr,
            "ssim": self.ssim,
            "blend_psnr_db": self.blend_psnr,
            "blend_ssim": self.blend_ssim,
            "gain_db": self.gain,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What was measured on one set.

    Attributes:
        name: The folder's or the clip's.
        total: Over all frames made.
        by_instant: The same for every instant between two given frames.
        seconds_per_frame: Time to make one, the median over the pairs, so that the first
            one's preparations don't count.
    """

    name: str
    total: Score
    by_instant: dict[Fraction, Score]
    seconds_per_frame: float

    def to_json(self) -> dict[str, Any]:
        """Give plain values that JSON can hold."""
        return {
            "set": self.name,
            **self.total.to_json(),
            "seconds_per_frame": self.seconds_per_frame,
            "by_instant": {str(instant): score.to_json() for instant, score in self.by_instant.items()},
        }


def evaluate(
    path: str | Path,
    maker: FrameMaker,
    *,
    every: int = 2,
    limit: int | None = None,
    on_pair: Callable[[int], None] | None = None,
) -> Evaluation:
    """Make known frames again and compare.

    Args:
        path: A folder of triplets, or a clip of constant frame rate.
        maker: What makes the frames.
        every: Of so many frames of a clip one is given, 2 to 64; the others are made, at evenly
            spaced instants. Has no part in triplets.
        limit: Pairs to measure at most; `None` for all.
        on_pair: Called with the number of pairs measured, after each.

    Raises:
        OptionError: If `every` or `limit` is out of range, or frames are too small for SSIM.
        SourceUnreadable: If there is no such file or folder.
        TooFewFrames: If a clip has fewer than `every` + 1 frames.
        SourceBroken: If a triplet lacks a picture or its pictures differ in size or depth.
        SourceError: If a folder has no triplets, or the clip or a picture can't be used.
    """
    if every not in SPACINGS:
        raise OptionError(f"every must be from {SPACINGS[0]} to {SPACINGS[-1]}, not {every}")
    if limit is not None and limit < 1:
        raise OptionError(f"the limit must be at least 1 pair, not {limit}")
    source = Path(path)
    samples = _triplets(source) if source.is_dir() else _clip(source, every)
    tallies: dict[Fraction, _Tally] = {}
    seconds: list[float] = []
    with closing(samples):  # the limit may leave a decoder running
        for count, sample in enumerate(islice(samples, limit), start=1):
            seconds.append(_measure(sample, maker, tallies))
            if on_pair is not None:
                on_pair(count)
    return Evaluation(
        name=source.name or str(source.resolve().name),
        total=_score(tallies.values()),
        by_instant={instant: _score([tally]) for instant, tally in sorted(tallies.items())},
        seconds_per_frame=statistics.median(seconds),
    )


def psnr(made: Pixels, truth: Pixels) -> float:
    """Give the peak signal-to-noise ratio in dB of two frames of equal shape and type; infinite where equal."""
    error = float(np.mean(np.square(np.subtract(made, truth, dtype=np.float32)), dtype=np.float64))
    return 10 * math.log10(np.iinfo(truth.dtype).max ** 2 / error) if error else math.inf


def ssim(made: Pixels, truth: Pixels) -> float:
    """Give the structural similarity of two `(H, W, 3)` frames of equal shape and type, at most 1.

    Raises:
        OptionError: If the frames are smaller than the window, 11×11.
    """
    from skimage.metrics import (
        structural_similarity,
    )  # with SciPy: most of a second, for every command if it were above

    if min(truth.shape[:2]) < _SSIM_WINDOW:
        raise OptionError(
            f"frames of {truth.shape[1]}×{truth.shape[0]} are too small to measure; "
            f"SSIM needs {_SSIM_WINDOW}×{_SSIM_WINDOW}"
        )
    similarity = structural_similarity(  # type: ignore[no-untyped-call]
        made.astype(np.float32),  # half the time and memory of the doubles that whole numbers become
        truth.astype(np.float32),
        channel_axis=-1,
        data_range=float(np.iinfo(truth.dtype).max),
        gaussian_weights=True,
        sigma=_SSIM_SIGMA,
        use_sample_covariance=False,
    )
    return float(similarity)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sample:
    """Two frames, and the true ones between them by instant."""

    first: Pixels
    second: Pixels
    truths: dict[Fraction, Pixels]


@dataclass(slots=True)
class _Tally:
    """Sums over the frames of one instant."""

    frames: int = 0
    sums: NDArray[np.float64] = field(default_factory=lambda: np.zeros(4))

    def add(self, made: Pixels, blended: Pixels, truth: Pixels) -> None:
        self.frames += 1
        for offset, frame in enumerate((made, blended)):
            self.sums[2 * offset] += min(psnr(frame, truth), PSNR_CEILING)
            self.sums[2 * offset + 1] += ssim(frame, truth)


def _score(tallies: Iterable[_Tally]) -> Score:
    parts = list(tallies)
    frames = sum(tally.frames for tally in parts)
    made_psnr, made_ssim, blend_psnr, blend_ssim = (
        float(sum(tally.sums[k] for tally in parts)) / frames for k in range(4)
    )
    return Score(frames=frames, psnr=made_psnr, ssim=made_ssim, blend_psnr=blend_psnr, blend_ssim=blend_ssim)


def _measure(sample: _Sample, maker: FrameMaker, tallies: dict[Fraction, _Tally]) -> float:
    """Make a sample's frames, add up their quality, and give the seconds each one took."""
    instants = list(sample.truths)
    blends = Blend().between(sample.first, sample.second, instants)
    made = iter(maker.between(sample.first, sample.second, instants))
    seconds = 0.0
    for (instant, truth), blended in zip(sample.truths.items(), blends, strict=True):
        started = time.perf_counter()
        frame = next(made)
        seconds += time.perf_counter() - started
        tallies.setdefault(instant, _Tally()).add(frame, blended, truth)
    return seconds / len(instants)


def _clip(path: Path, every: int) -> Generator[_Sample, None, None]:
    """Give the pairs `every` frames apart, with what lies between; an incomplete last one is left out."""
    clip = probe(path)
    pairs = (clip.frame_count - 1) // every
    if not pairs:
        raise TooFewFrames(
            f"{path} has too few frames ({clip.frame_count}) to measure; keeping one of {every} takes {every + 1}"
        )
    held: list[Pixels] = []
    with Decoder(clip, count=pairs * every + 1) as frames:
        for frame in frames:
            held.append(frame.pixels)
            if len(held) > every:
                truths = {Fraction(step, every): held[step] for step in range(1, every)}
                yield _Sample(first=held[0], second=held[-1], truths=truths)
                held = held[-1:]


def _triplets(folder: Path) -> Generator[_Sample, None, None]:
    """Give the triplets of a folder's folders, by name; a folder may also be one triplet itself."""
    try:
        inside = sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    except OSError as error:
        raise SourceUnreadable(f"{folder} can't be read: {error.strerror}") from error
    found = 0
    for candidate in (folder, *inside):
        pictures = _pictures(candidate)
        if pictures:
            found += 1
            yield _triplet(candidate, pictures)
    if not found:
        raise SourceError(
            f"{folder} has nothing to measure: no folders with im1, im2 and im3; name such a folder or a clip"
        )


def _pictures(folder: Path) -> dict[str, Path]:
    """Find the pictures of a triplet, as many as there are."""
    files = sorted(folder.iterdir(), reverse=True)
    return {file.stem: file for file in files if file.stem in _TRIPLET and file.suffix.lower() in _PICTURES}


def _triplet(folder: Path, pictures: dict[str, Path]) -> _Sample:
    missing = [name for name in _TRIPLET if name not in pictures]
    if missing:
        raise SourceBroken(f"the triplet {folder} lacks {' and '.join(missing)}; add it or remove the folder")
    first, middle, second = (read_image(pictures[name]) for name in _TRIPLET)
    kinds = [f"{frame.shape[1]}×{frame.shape[0]} {frame.dtype}" for frame in (first, middle, second)]
    if len(set(kinds)) > 1:
        raise SourceBroken(f"the pictures of the triplet {folder} differ: {', '.join(kinds)}; they must be alike")
    return _Sample(first=first, second=second, truths={_MIDDLE: middle})
