"""Which frame is shown when: instants, rates, frame counts and durations, all exact.

A clip has N source frames. Source frame i owns the time from its own timestamp to the
next frame's, and with it the output frames shown there: pair i is that frame and its
successor, and pair N − 1 is the last frame alone, which is held. An output frame is a
pair and an instant in [0, 1): 0 is the source frame itself, passed through untouched.

- Every frame shown (`keep_duration=False`): pair i gets the instants 0, 1/M … (M − 1)/M
  and the last frame is held M times, so N·M frames come out and the clip lasts N·M/F.
- Duration kept (`keep_duration=True`): output frame k shows what is to be seen k/F after
  the first frame, by the source's true timestamps. The multiplier has no part in it but
  for the default rate.

An output rate that isn't given is M times the source's own, in both ways.

Pure arithmetic on `Fraction`: no numpy, no ffmpeg.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from typing import Final, Self

from film.errors import OptionError, SourceBroken, TooFewFrames

__all__ = ["MULTIPLIERS", "OUTPUT_RATES", "PairPlan", "Retiming", "Timeline", "check_multiplier", "check_rate"]

MULTIPLIERS: Final = range(1, 65)
OUTPUT_RATES: Final = (Fraction(1), Fraction(240))
"""Lowest and highest output rate, in frames a second; both are allowed."""

_FEWEST_FRAMES = 2
_FINEST_RATE = 1001  # the denominator of NTSC's rates
_HALF = Fraction(1, 2)
_COARSEST_ROUNDED = 2  # ticks a frame; at one or two a tick is a frame's own time, not a rounding
# Where an output frame counts as the source frame itself; see Retiming.tolerance.
_SAME_INSTANT = Fraction(1, 512)
_FINE_TICKS = 8
_OUTPUT_SHARE = Fraction(1, 8)


def check_multiplier(multiplier: int) -> None:
    """Refuse a multiplier out of range.

    Raises:
        OptionError: If it isn't a whole number from 1 to 64.
    """
    if type(multiplier) is not int or multiplier not in MULTIPLIERS:
        raise OptionError(
            f"the multiplier must be a whole number from {MULTIPLIERS[0]} to {MULTIPLIERS[-1]}, not {multiplier}"
        )


def check_rate(rate: Fraction | float, *, origin: str = "") -> Fraction:
    """Give a rate in frames a second as an exact number; `origin` is said behind one that is refused.

    A float stands for the simplest number near it: 12.5 for 25/2, 0.1 + 0.2 for 3/10.

    Raises:
        OptionError: If it isn't from 1 to 240.
    """
    lowest, highest = OUTPUT_RATES
    if not lowest <= rate <= highest:  # NaN isn't either
        raise OptionError(
            f"the output rate must be from {lowest} to {highest} frames a second, not {float(rate):.6g}{origin}"
        )
    return Fraction(rate).limit_denominator(_FINEST_RATE) if isinstance(rate, float) else Fraction(rate)


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """When a clip's frames are shown.

    Attributes:
        ticks: Timestamp of every frame, in units of `time_base`; they rise strictly.
        time_base: Seconds that one tick lasts, e.g. 1/90000.
        shown_seconds: From the first frame's start to the last frame's end; `None` where
            that isn't known: the last frame is then shown for as long as the one before it.
    """

    ticks: Sequence[int]
    time_base: Fraction
    shown_seconds: Fraction | None = None

    def __post_init__(self) -> None:
        """Check that time moves on.

        Raises:
            TooFewFrames: If there are fewer than two frames.
            SourceBroken: If a frame isn't later than the one before it, or the clip ends before
                its last frame is shown.
            OptionError: If the time base isn't positive.
        """
        if len(self.ticks) < _FEWEST_FRAMES:
            raise TooFewFrames(f"the source has too few frames ({len(self.ticks)}); making one between takes two")
        if self.time_base <= 0:
            raise OptionError(f"the time base must be positive, not {self.time_base}")
        for index, (earlier, later) in enumerate(pairwise(self.ticks), start=1):
            if later <= earlier:
                raise SourceBroken(
                    f"frame {index} of the source is not later than the one before it "
                    f"(timestamps {earlier} and {later}); remux the source or repair it"
                )
        if self.duration <= self._stamp(self.frame_count - 1):
            raise SourceBroken(
                f"the source's duration, {float(self.duration):.6g} s, ends before its last frame is shown; "
                "remux the source or repair it"
            )

    @classmethod
    def regular(cls, frame_count: int, rate: Fraction) -> Self:
        """Make the timeline of `frame_count` frames at a constant `rate`, in frames a second.

        Raises:
            TooFewFrames: If there are fewer than two frames.
            OptionError: If the rate isn't positive.
        """
        if rate <= 0:
            raise OptionError(f"a frame rate must be positive, not {rate}")
        return cls(ticks=range(frame_count), time_base=1 / Fraction(rate))

    @property
    def frame_count(self) -> int:
        """Frames in the clip, N."""
        return len(self.ticks)

    @cached_property
    def duration(self) -> Fraction:
        """Seconds from the first frame's start to the last frame's end."""
        if self.shown_seconds is not None:
            return self.shown_seconds
        return (2 * self.ticks[-1] - self.ticks[-2] - self.ticks[0]) * self.time_base

    @property
    def rate(self) -> Fraction:
        """Frames a second on average, r = N/duration."""
        return self.frame_count / self.duration

    @cached_property
    def is_regular(self) -> bool:
        """Whether all timestamps are those of the constant `rate`, rounded to ticks.

        Containers that count milliseconds store 30000/1001 as 33, 33, 34. The frames' true
        times are then the multiples of 1001/30000. Ticks as coarse as frames aren't rounded.
        """
        ticks_per_frame = 1 / (self.rate * self.time_base)
        slack = 1 if ticks_per_frame > _COARSEST_ROUNDED else 0
        numerator, denominator = ticks_per_frame.numerator, ticks_per_frame.denominator
        return all(
            abs((tick - self.ticks[0]) * denominator - index * numerator) <= slack * denominator
            for index, tick in enumerate(self.ticks)
        )

    def time(self, index: int) -> Fraction:
        """Seconds from the first frame to frame `index`, 0 to N − 1."""
        return index / self.rate if self.is_regular else self._stamp(index)

    def gap(self, index: int) -> Fraction:
        """Seconds from frame `index`, 0 to N − 2, to the next."""
        return self.time(index + 1) - self.time(index)

    def _stamp(self, index: int) -> Fraction:
        return (self.ticks[index] - self.ticks[0]) * self.time_base


@dataclass(frozen=True, slots=True, kw_only=True)
class PairPlan:
    """What is shown from one source frame until the next.

    Attributes:
        index: The source frame, i; its pair is (i, i + 1), or i alone for the last frame.
        first_output: Number of the first output frame shown here, counted from 0.
        instants: Instant in [0, 1) of every output frame shown here, in order; 0 is source
            frame i itself, which may be shown several times. Empty where the output rate is
            so low that none falls here.
    """

    index: int
    first_output: int
    instants: tuple[Fraction, ...]

    @property
    def outputs(self) -> tuple[tuple[int, Fraction], ...]:
        """Every output frame's number and instant."""
        return tuple(enumerate(self.instants, start=self.first_output))

    @property
    def between(self) -> tuple[Fraction, ...]:
        """The instants in (0, 1), rising strictly: those that a frame has to be made for."""
        return tuple(instant for instant in self.instants if instant)


@dataclass(frozen=True, kw_only=True)
class Retiming:
    """A timeline, and how it is to be shown.

    Attributes:
        timeline: The source's times.
        multiplier: Output frames for each source frame, M, 1 to 64. It has no part in the
            timing where the duration is kept, except in the default rate.
        output_rate: Output frames a second, F, 1 to 240; `None` for M times the source's rate.
        keep_duration: Whether the clip lasts as long as its source, sampled at k/F, instead
            of showing every frame at F.
    """

    timeline: Timeline
    multiplier: int
    output_rate: Fraction | None = None
    keep_duration: bool = False

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            OptionError: If the multiplier or the output rate, given or default, is out of range.
        """
        check_multiplier(self.multiplier)
        origin = f" ({self.multiplier} times the source's {float(self.timeline.rate):.6g}); choose one"
        check_rate(self.rate, origin=origin if self.output_rate is None else "")

    @cached_property
    def rate(self) -> Fraction:
        """Output frames a second, F, given or default."""
        if self.output_rate is None:
            return self.multiplier * self.timeline.rate
        return Fraction(self.output_rate)

    @cached_property
    def output_frame_count(self) -> int:
        """Frames that come out: N·M, or the nearest whole number to duration·F, at least 1."""
        if self.keep_duration:
            return max(1, math.floor(self.timeline.duration * self.rate + _HALF))
        return self.timeline.frame_count * self.multiplier

    @cached_property
    def made_frame_count(self) -> int:
        """Frames among them that lie between two source frames."""
        if self.keep_duration:
            return sum(len(pair.between) for pair in self.plan())
        return (self.timeline.frame_count - 1) * (self.multiplier - 1)

    @property
    def output_duration(self) -> Fraction:
        """Seconds that the output lasts."""
        return self.output_frame_count / self.rate

    @property
    def stretch(self) -> Fraction:
        """How many times longer than its source the output lasts: M·r/F, above 1 in slow motion.

        1 to within half an output frame where the duration is kept.
        """
        return self.output_duration / self.timeline.duration

    @property
    def drift(self) -> Fraction:
        """Seconds by which the picture outlasts the source's; below 0 where it ends sooner."""
        return self.output_duration - self.timeline.duration

    @property
    def in_step(self) -> bool:
        """Whether the source's sound fits as it is: the whole drift is under one output frame."""
        return abs(self.drift) < 1 / self.rate

    def plan(self, start: int = 0, stop: int | None = None) -> Iterator[PairPlan]:
        """Give the plans of the pairs `start` to `stop` − 1, in order; all N where not given.

        Every pair is there, also one that shows nothing. The plans of adjoining ranges, one
        after the other, are the plans of the whole range.

        Raises:
            OptionError: If it isn't 0 ≤ start ≤ stop ≤ N.
        """
        start, stop = self._checked(start, stop)
        first = self._first_output(start)
        for index in range(start, stop):
            following = self._first_output(index + 1)
            instants = tuple(self._instant(index, output) for output in range(first, following))
            yield PairPlan(index=index, first_output=first, instants=instants)
            first = following

    def outputs(self, start: int = 0, stop: int | None = None) -> range:
        """Give the numbers of the output frames that the pairs `start` to `stop` − 1 show.

        Raises:
            OptionError: If it isn't 0 ≤ start ≤ stop ≤ N.
        """
        start, stop = self._checked(start, stop)
        return range(self._first_output(start), self._first_output(stop))

    def tolerance(self, index: int) -> Fraction:
        """Seconds by which an output frame may miss a source frame of pair `index` and yet be that frame.

        1/512 of the gap can't be seen. Where the rate varies and ticks are fine beside the gap,
        one tick is what timestamps may be wrong by, as the first one and this one are each
        rounded by half of it. Never more than an eighth of an output frame, so that two don't
        become the same one.
        """
        gap = self.timeline.gap(index)
        tick = self.timeline.time_base
        rounded = not self.timeline.is_regular and _FINE_TICKS * tick <= gap
        return min(max(gap * _SAME_INSTANT, tick if rounded else Fraction(0)), _OUTPUT_SHARE / self.rate)

    def _checked(self, start: int, stop: int | None) -> tuple[int, int]:
        count = self.timeline.frame_count
        stop = count if stop is None else stop
        if not 0 <= start <= stop <= count:
            raise OptionError(f"pairs {start} to {stop} are outside the clip's 0 to {count}")
        return start, stop

    def _first_output(self, index: int) -> int:
        """Give the number of the first output frame that source frame `index` owns; for N, their count."""
        if not self.keep_duration:
            return index * self.multiplier
        if index == 0:
            return 0
        if index == self.timeline.frame_count:
            return self.output_frame_count
        # What lies just before a source frame is that frame.
        earliest = self.timeline.time(index) - self.tolerance(index - 1)
        return min(math.ceil(earliest * self.rate), self.output_frame_count)

    def _instant(self, index: int, output: int) -> Fraction:
        if index == self.timeline.frame_count - 1:
            return Fraction(0)
        if not self.keep_duration:
            return Fraction(output - index * self.multiplier, self.multiplier)
        after = output / self.rate - self.timeline.time(index)
        return after / self.timeline.gap(index) if after > self.tolerance(index) else Fraction(0)
