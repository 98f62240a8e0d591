"""A clip in pieces: cut at exact frames, made independently, joined without encoding again.

A segment is a range of source frames and all output frames that these own (see
`film.timeline`). Whoever makes it decodes one source frame more, the neighbour that follows,
and so knows the last pair's motion and whether it is a cut; nothing else of the clip matters
to it. All pieces, joined, have the frames and timestamps of the clip made in one go.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Protocol, Self

import numpy as np

from film.errors import OptionError
from film.overlap import ReadAhead, WriteBehind
from film.scenes import is_cut
from film.timeline import PairPlan, Retiming
from film.video import Clip, Decoder, Encoder, Encoding, Pixels

__all__ = ["Between", "MadeSegment", "Recipe", "Segment", "make_segment", "plan_segments"]

# Decoded frames waiting for the network, and made ones waiting for the encoder. At 3840×2160 one
# is 25 MB (50 MB beyond 8 bits).
_AHEAD = 3
_BEHIND = 3


class Between(Protocol):
    """Whatever makes frames between two; `film.interpolator.Interpolator` does."""

    def between(self, first: Pixels, second: Pixels, instants: Sequence[Fraction], /) -> Iterator[Pixels]:
        """Make the frames at `instants` in (0, 1), in order."""
        ...


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What is to become of a clip; the same for all its segments.

    Attributes:
        clip: What `film.video.probe` found.
        retiming: When its frames are shown.
        encoding: How the result is compressed.
        scene_detection: Whether cuts are held rather than made into something between.
    """

    clip: Clip
    retiming: Retiming
    encoding: Encoding
    scene_detection: bool = True


@dataclass(frozen=True, kw_only=True)
class Segment:
    """The source frames `start` to `stop` − 1, and the output frames that they own."""

    start: int
    stop: int

    def to_json(self) -> dict[str, int]:
        """Give plain values that JSON can hold."""
        return {"start": self.start, "stop": self.stop}

    @classmethod
    def from_json(cls, values: dict[str, int]) -> Self:
        """Make a segment from what `to_json` gave."""
        return cls(start=values["start"], stop=values["stop"])


@dataclass(frozen=True, kw_only=True)
class MadeSegment:
    """What came of a segment.

    Attributes:
        path: Of the piece, an MP4 without sound.
        frames: Output frames in it.
        made: Of these, frames that the network made.
        cuts: Pairs that were held because they are cuts.
    """

    path: Path
    frames: int
    made: int
    cuts: int


def plan_segments(retiming: Retiming, *, most_frames: int) -> list[Segment]:
    """Cut a clip into as few segments as hold at most `most_frames` output frames each, of even length.

    A source frame isn't divided, so one that alone owns more output frames has a segment to
    itself. No segment is without output frames.

    Raises:
        OptionError: If `most_frames` isn't positive.
    """
    if most_frames < 1:
        raise OptionError(f"a segment must hold at least one frame, not {most_frames}")
    # Source frames that show something, each with those behind it that don't, are what is divided.
    owned = ((index, retiming.outputs(index, index + 1)) for index in range(retiming.timeline.frame_count))
    starts, firsts = (list(column) for column in zip(*((i, shown.start) for i, shown in owned if shown), strict=True))
    starts.append(retiming.timeline.frame_count)
    firsts.append(retiming.output_frame_count)
    return [Segment(start=starts[left], stop=starts[right]) for left, right in pairwise(_ends(firsts, most_frames))]


def _ends(firsts: Sequence[int], most: int) -> list[int]:
    """Divide units into the fewest runs of at most `most` outputs, as even as that allows.

    Args:
        firsts: Number of each unit's first output, rising strictly from 0, and behind them the count of all.
        most: Outputs in a run of several units; one unit may have more.

    Returns:
        Indices at which runs end and begin, the first 0 and the last `len(firsts) - 1`.
    """
    last = len(firsts) - 1
    # From behind, every run as long as it may be: from where on one run suffices, two do, …
    earliest = [last]
    while earliest[-1] > 0:
        stop = earliest[-1]
        earliest.append(min(stop - 1, bisect_left(firsts, firsts[stop] - most)))
    ends = [0]
    for left in range(len(earliest) - 2, -1, -1):
        start = ends[-1]
        goal = firsts[start] + (firsts[last] - firsts[start]) / (left + 1)
        end = bisect_left(firsts, goal)
        if goal - firsts[end - 1] < firsts[end] - goal:
            end -= 1
        # No more than a run may hold; no less than that the others suffice for the rest; and a unit for each.
        end = min(end, bisect_right(firsts, firsts[start] + most) - 1, last - left)
        ends.append(max(end, earliest[left], start + 1))
    return ends


def make_segment(
    recipe: Recipe,
    segment: Segment,
    target: Path,
    *,
    interpolator: Between,
    on_frame: Callable[[], None] | None = None,
) -> MadeSegment:
    """Make a segment's piece: an MP4 at `target`, without sound, for `film.video.join`.

    Decoding, making and encoding overlap. Nothing is left at `target` where this fails.

    Args:
        recipe: What is to become of the clip.
        segment: Which part of it.
        target: The file to write.
        interpolator: Makes the frames between two.
        on_frame: Called after every output frame, in this thread.

    Raises:
        SourceBroken: If the source ends early or its frames don't decode.
        NoSpace: If the disk is full.
        FfmpegFailed: If ffmpeg fails or is killed.
    """
    clip = recipe.clip
    # One frame more than the segment has: its last pair's second. The clip's last frame has none.
    count = min(segment.stop + 1, clip.frame_count) - segment.start
    maker = _Maker(recipe, interpolator)
    with Encoder(
        target,
        size=(clip.width, clip.height),
        rate=recipe.retiming.rate,
        colour=clip.colour,
        bit_depth=clip.bit_depth,
        encoding=recipe.encoding,
    ) as encoder:
        with (
            Decoder(clip, first=segment.start, count=count) as decoder,
            ReadAhead((frame.pixels for frame in decoder), size=_AHEAD, stop=decoder.close) as sources,
            WriteBehind(encoder.write, size=_BEHIND, stop=encoder.abandon) as written,
        ):
            for pixels in maker.frames(segment, iter(sources)):
                written.put(pixels)
                if on_frame is not None:
                    on_frame()
        encoder.close()  # in here, so that Ctrl-C while it finishes ends it
    return MadeSegment(path=target, frames=maker.shown, made=maker.made, cuts=maker.cuts)


class _Maker:
    """Turns source frames into output frames, and counts what it did."""

    def __init__(self, recipe: Recipe, interpolator: Between) -> None:
        self._recipe = recipe
        self._interpolator = interpolator
        self.shown = self.made = self.cuts = 0

    def frames(self, segment: Segment, sources: Iterator[Pixels]) -> Iterator[Pixels]:
        """Give the segment's output frames in order; two source frames are held at a time."""
        first = next(sources)
        for plan in self._recipe.retiming.plan(segment.start, segment.stop):
            second = next(sources, None)
            for pixels in self._pair(plan, first, second):
                self.shown += 1
                yield pixels
            if second is None:
                return
            first = second

    def _pair(self, plan: PairPlan, first: Pixels, second: Pixels | None) -> Iterator[Pixels]:
        """Give what is shown from `first` on, until `second`; source frames are passed on untouched."""
        if second is None or not plan.between or self._is_held(first, second):
            yield from (first for _ in plan.instants)
            return
        made = self._interpolator.between(first, second, plan.between)
        for instant in plan.instants:
            if instant:
                self.made += 1
                yield next(made)
            else:
                yield first

    def _is_held(self, first: Pixels, second: Pixels) -> bool:
        """Say whether there is nothing between two frames: they are one and the same, or two scenes."""
        if np.array_equal(first, second):
            return True
        if self._recipe.scene_detection and is_cut(first, second):
            self.cuts += 1
            return True
        return False
