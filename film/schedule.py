"""In which order the frames between two are made, and from which two each.

A network trained at any instant makes every frame from the source pair itself, whose
flows are computed once. A network trained at the middle only makes each new frame from
the two nearest frames there are, in the order that keeps its relative instant nearest
the middle. At 2^k − 1 evenly spaced instants that is the released tool's recursion: the
middle, then the middle of each half, all at relative instant 1/2. At other spacings the
relative instants come close to 1/2 only, so such a network's frames are approximate.

Steps come depth first, so frames can be shown in order while few are held: for n evenly
spaced instants at most log2(n + 1) + 3, the source pair included.

Frames are named by their instants: 0 and 1 are the source pair, the others are made.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from film.errors import OptionError

__all__ = ["Step", "schedule"]

_FIRST = Fraction(0)
_SECOND = Fraction(1)
_MIDDLE = Fraction(1, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One frame to be made.

    Attributes:
        instant: Of the new frame, in (0, 1).
        left: Instant of the frame before it that it is made from; 0 is the pair's first.
        right: Instant of the frame after it that it is made from; 1 is the pair's second.
        shown: Instants of the made frames that can be shown once this one is there, in
            order. All steps' together are all instants, in order.
        released: Instants of the made frames that, once these are shown, no later step
            needs. All steps' together are all instants.
    """

    instant: Fraction
    left: Fraction
    right: Fraction
    shown: tuple[Fraction, ...]
    released: tuple[Fraction, ...]

    @property
    def relative_instant(self) -> Fraction:
        """Where the new frame lies between the two that it is made from, in (0, 1)."""
        return (self.instant - self.left) / (self.right - self.left)


@dataclass(frozen=True, slots=True)
class _Span:
    """The wanted instants `start` to `stop` − 1, which lie between two frames there are."""

    start: int
    stop: int
    left: Fraction
    right: Fraction


def schedule(instants: Sequence[Fraction | float], *, any_instant: bool) -> Iterator[Step]:
    """Give the steps that make the frames at `instants`, each after those that it is made from.

    Args:
        instants: In (0, 1), rising strictly. None is fine, and gives no steps.
        any_instant: Whether the network was trained at instants other than the middle.

    Returns:
        As many steps as instants.

    Raises:
        OptionError: If the instants don't rise strictly within (0, 1).
    """
    try:
        wanted = tuple(Fraction(instant) for instant in instants)
    except (ValueError, OverflowError) as error:  # not a number, or infinite
        raise OptionError(f"instants must be numbers between 0 and 1, not {list(instants)}") from error
    if any(later <= earlier for earlier, later in pairwise((_FIRST, *wanted, _SECOND))) and wanted:
        raise OptionError(f"instants must rise strictly between 0 and 1, not {', '.join(map(str, instants))}")
    return _direct(wanted) if any_instant else _recursive(wanted)


def _direct(wanted: tuple[Fraction, ...]) -> Iterator[Step]:
    for instant in wanted:
        yield Step(instant=instant, left=_FIRST, right=_SECOND, shown=(instant,), released=(instant,))


def _recursive(wanted: tuple[Fraction, ...]) -> Iterator[Step]:
    """Split the span at the instant nearest its middle, then its left part, then its right part."""
    spans = [_Span(0, len(wanted), _FIRST, _SECOND)] if wanted else []
    shown = 0
    held: list[Fraction] = []
    while spans:
        span = spans.pop()
        chosen = _nearest_the_middle(wanted, span)
        instant = wanted[chosen]
        if chosen + 1 < span.stop:
            spans.append(_Span(chosen + 1, span.stop, instant, span.right))
        if span.start < chosen:
            spans.append(_Span(span.start, chosen, span.left, instant))
        held.append(instant)
        # What is still to be made begins with the next span: everything before it is there.
        ready = spans[-1].start if spans else len(wanted)
        needed = {end for waiting in spans for end in (waiting.left, waiting.right)}
        released = tuple(name for name in held if name not in needed and name < _instant_at(wanted, ready))
        held = [name for name in held if name not in released]
        yield Step(instant=instant, left=span.left, right=span.right, shown=wanted[shown:ready], released=released)
        shown = ready


def _instant_at(wanted: tuple[Fraction, ...], position: int) -> Fraction:
    return wanted[position] if position < len(wanted) else _SECOND


def _nearest_the_middle(wanted: tuple[Fraction, ...], span: _Span) -> int:
    """Find the position whose relative instant is nearest 1/2; the earlier of two equally near."""
    middle = span.left + (span.right - span.left) * _MIDDLE
    return min(range(span.start, span.stop), key=lambda position: (abs(wanted[position] - middle), position))
