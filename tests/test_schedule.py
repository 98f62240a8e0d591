"""The order in which frames between two are made."""

from fractions import Fraction
from math import log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from film.errors import OptionError
from film.schedule import Step, schedule

HALF = Fraction(1, 2)


any_instants = st.sets(st.builds(Fraction, st.integers(1, 996), st.just(997)), max_size=40).map(sorted)


def evenly(multiplier: int) -> list[Fraction]:
    return [Fraction(k, multiplier) for k in range(1, multiplier)]


def most_held(steps: list[Step]) -> int:
    """Count the frames that have to be kept at once, the source pair and the newest included."""
    held = most = 2
    for step in steps:
        most = max(most, held + 1)
        held += 1 - len(step.released)
    return most


@given(any_instants, st.booleans())
def test_every_instant_is_made_once_shown_once_in_order_and_released_once(
    instants: list[Fraction], any_instant: bool
) -> None:
    steps = list(schedule(instants, any_instant=any_instant))
    assert sorted(step.instant for step in steps) == instants
    assert [instant for step in steps for instant in step.shown] == instants
    assert sorted(instant for step in steps for instant in step.released) == instants


@given(any_instants, st.booleans())
def test_what_is_used_or_shown_is_there_and_not_yet_released(instants: list[Fraction], any_instant: bool) -> None:
    there = {Fraction(0), Fraction(1)}
    shown: set[Fraction] = set()
    for step in schedule(instants, any_instant=any_instant):
        assert {step.left, step.right} <= there
        there.add(step.instant)
        assert set(step.shown) <= there
        shown |= set(step.shown)
        assert set(step.released) <= there & shown
        there -= set(step.released)
    assert there == {0, 1}


@given(any_instants)
def test_a_network_of_the_middle_uses_the_nearest_frames_made_so_far(instants: list[Fraction]) -> None:
    made = [Fraction(0), Fraction(1)]
    for step in schedule(instants, any_instant=False):
        assert step.left == max(instant for instant in made if instant < step.instant)
        assert step.right == min(instant for instant in made if instant > step.instant)
        made.append(step.instant)


@given(any_instants)
def test_of_all_instants_between_the_same_two_the_one_nearest_their_middle_comes_first(
    instants: list[Fraction],
) -> None:
    for step in schedule(instants, any_instant=False):
        rivals = [instant for instant in instants if step.left < instant < step.right]
        middle = (step.left + step.right) / 2
        assert abs(step.instant - middle) == min(abs(instant - middle) for instant in rivals)


@given(any_instants, st.booleans())
def test_relative_instants_lie_between_the_two(instants: list[Fraction], any_instant: bool) -> None:
    assert all(0 < step.relative_instant < 1 for step in schedule(instants, any_instant=any_instant))


@pytest.mark.parametrize("multiplier", [2, 4, 8, 16, 32, 64])
def test_powers_of_two_are_all_middles(multiplier: int) -> None:
    steps = list(schedule(evenly(multiplier), any_instant=False))
    assert {step.relative_instant for step in steps} == {HALF}


def test_four_times_is_the_middle_and_then_the_middle_of_each_half() -> None:
    quarter, three_quarters = Fraction(1, 4), Fraction(3, 4)
    assert list(schedule(evenly(4), any_instant=False)) == [
        Step(instant=HALF, left=Fraction(0), right=Fraction(1), shown=(), released=()),
        Step(instant=quarter, left=Fraction(0), right=HALF, shown=(quarter, HALF), released=(quarter,)),
        Step(
            instant=three_quarters,
            left=HALF,
            right=Fraction(1),
            shown=(three_quarters,),
            released=(HALF, three_quarters),
        ),
    ]


def test_three_times_takes_the_earlier_of_two_equally_near_and_then_a_true_middle() -> None:
    steps = list(schedule(evenly(3), any_instant=False))
    assert [(step.instant, step.relative_instant) for step in steps] == [
        (Fraction(1, 3), Fraction(1, 3)),
        (Fraction(2, 3), HALF),
    ]


@given(st.integers(2, 200), st.integers(1, 99))
def test_few_frames_are_held_for_evenly_spaced_instants(multiplier: int, offset: int) -> None:
    shifted = [instant - Fraction(offset, 100 * multiplier) for instant in evenly(multiplier)]
    for instants in (evenly(multiplier), shifted):
        assert most_held(list(schedule(instants, any_instant=False))) <= log2(len(instants) + 1) + 3


@given(any_instants)
def test_a_network_of_any_instant_makes_every_frame_from_the_source_pair(instants: list[Fraction]) -> None:
    steps = list(schedule(instants, any_instant=True))
    assert [step.instant for step in steps] == instants
    assert all(step.left == 0 and step.right == 1 for step in steps)
    assert [step.relative_instant for step in steps] == instants
    assert most_held(steps) <= 3


def test_floats_name_the_frames_as_well() -> None:
    assert [step.instant for step in schedule([0.25, 0.5], any_instant=False)] == [0.5, 0.25]


def test_no_instants_need_no_steps() -> None:
    assert list(schedule([], any_instant=False)) == []


@pytest.mark.parametrize("instants", [[0], [1], [0.5, 0.5], [0.6, 0.4], [-0.1], [1.5]])
def test_instants_that_do_not_rise_within_the_pair_are_refused(instants: list[float]) -> None:
    with pytest.raises(OptionError, match="rise strictly between 0 and 1"):
        schedule(instants, any_instant=False)


@pytest.mark.parametrize("instant", [float("nan"), float("inf"), -float("inf")])
def test_an_instant_that_is_no_number_is_refused(instant: float) -> None:
    with pytest.raises(OptionError, match="between 0 and 1"):
        schedule([instant], any_instant=True)
