"""How fast a clip runs and how long it lasts, from its frames' times."""

from __future__ import annotations  # array[int] is a type to checkers only before Python 3.12

from array import array
from collections.abc import Sequence
from fractions import Fraction

__all__ = ["measure_pace"]

_FINEST = 100_000  # denominator of a rate
_STILL_RATE = Fraction(25)  # ffmpeg's own for a single picture
_COARSE = 2  # ticks per frame


def measure_pace(
    times: array[int], time_base: Fraction, last: Fraction, declared: Sequence[Fraction]
) -> tuple[Fraction, Fraction]:
    """Give (average frames per second, duration in seconds).

    Args:
        times: Of all frames, at least one, in ticks, increasing.
        time_base: Seconds per tick.
        last: How long the last frame is shown, in seconds; 0 where that isn't known.
        declared: Rates that the file declares, as ffmpeg prints them: with two digits.

    Where one rate explains every time to within the rounding of the container's ticks, it is
    taken for exact: 29.97 is 30000/1001 then, also in Matroska's milliseconds.
    """
    count = len(times)
    span = (times[-1] - times[0]) * time_base
    for rate, slack in _candidates(span / (count - 1) if count > 1 else last, declared):
        # Longer than a frame: the last one is really held, and the rate not constant.
        if _is_constant(times, time_base, rate, slack) and (count == 1 or last <= 1 / rate + time_base):
            return rate, count / rate
    if last <= 0:
        last = span / (count - 1)
    # Of a variable rate only an average; finer than this it would be a number that MP4 has no clock for.
    average = (count / (span + last)).limit_denominator(_FINEST)
    return max(average, Fraction(1, _FINEST)), span + last


def _candidates(interval: Fraction, declared: Sequence[Fraction]) -> list[tuple[Fraction, int]]:
    """List the rates that may be meant, most likely first, and by how many ticks times may differ from each.

    Args:
        interval: The mean one between frames, in seconds.
        declared: Rates that the file declares, as printed: with two digits.
    """
    usual, odd = [], []
    for value in declared:
        whole = Fraction(round(value))
        ntsc = Fraction(round(value * 1001 / 1000) * 1000, 1001)
        if whole == value:
            usual.append(whole)
        elif round(ntsc, 2) == value:
            usual.append(ntsc)  # 29.97 stands for 30000/1001
        else:
            odd += [value.limit_denominator(12), value]  # 33.33 for 100/3
    mean = [(1 / interval).limit_denominator(finest) for finest in (1001, _FINEST)] if interval > 0 else []
    ranked = [*((rate, 1) for rate in usual), *((rate, 0) for rate in mean), *((rate, 1) for rate in (*odd, *mean))]
    return [(rate, slack) for rate, slack in (*ranked, (_STILL_RATE, 1)) if rate > 0]


def _is_constant(times: array[int], time_base: Fraction, rate: Fraction, slack: int) -> bool:
    """Say whether every frame i is at i / rate to within `slack` ticks.

    Where ticks are hardly finer than frames, nothing is rounding and so none may differ.
    """
    step = 1 / (rate * time_base)  # ticks per frame
    first, numerator, denominator = times[0], step.numerator, step.denominator
    allowed = slack * denominator if step > _COARSE else 0
    return all(abs((time - first) * denominator - index * numerator) <= allowed for index, time in enumerate(times))
