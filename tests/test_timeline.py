"""Frame counts, instants, durations and pieces, on regular and irregular timelines."""

from fractions import Fraction
from itertools import chain, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from film.errors import OptionError, SourceBroken, TooFewFrames
from film.timeline import PairPlan, Retiming, Timeline

NTSC_FILM = Fraction(24000, 1001)
NTSC = Fraction(30000, 1001)
MILLISECOND = Fraction(1, 1000)


rates = st.one_of(
    st.integers(1, 240).map(Fraction),
    st.sampled_from([NTSC_FILM, NTSC, 2 * NTSC, Fraction(25, 2), Fraction(2997, 100)]),
)
regular_timelines = st.builds(Timeline.regular, st.integers(2, 20), rates)
irregular_timelines = st.builds(
    lambda start, gaps, time_base, last: Timeline(
        ticks=tuple(start + sum(gaps[:count]) for count in range(len(gaps) + 1)),
        time_base=time_base,
        shown_seconds=last and (sum(gaps) + last) * time_base,
    ),
    start=st.integers(-1000, 1000),
    gaps=st.lists(st.integers(1, 120), min_size=1, max_size=20),
    time_base=st.sampled_from([MILLISECOND, Fraction(1, 25), Fraction(1, 600), Fraction(1, 90000)]),
    last=st.one_of(st.none(), st.integers(1, 120)),
)
timelines = st.one_of(regular_timelines, irregular_timelines)
retimings = st.builds(
    Retiming, timeline=timelines, multiplier=st.integers(1, 12), output_rate=rates, keep_duration=st.booleans()
)


def in_milliseconds(frame_count: int, rate: Fraction) -> Timeline:
    """Round a regular timeline to milliseconds, as Matroska does."""
    ticks = tuple(round(1000 * index / rate) for index in range(frame_count))
    return Timeline(ticks=ticks, time_base=MILLISECOND, shown_seconds=frame_count / rate)


def instants(retiming: Retiming) -> list[tuple[int, Fraction]]:
    return [(pair.index, instant) for pair in retiming.plan() for instant in pair.instants]


@given(timelines, st.integers(1, 64), rates)
def test_every_frame_shown_gives_n_times_m_frames_and_the_exact_duration(
    timeline: Timeline, multiplier: int, rate: Fraction
) -> None:
    retiming = Retiming(timeline=timeline, multiplier=multiplier, output_rate=rate)
    count = timeline.frame_count
    assert retiming.output_frame_count == count * multiplier
    assert retiming.output_duration == Fraction(count * multiplier) / rate
    assert retiming.stretch == multiplier * (count / timeline.duration) / rate
    assert retiming.made_frame_count == (count - 1) * (multiplier - 1)


@given(timelines, st.integers(1, 12), rates)
def test_every_pair_gets_the_instants_k_over_m_and_the_last_frame_is_held(
    timeline: Timeline, multiplier: int, rate: Fraction
) -> None:
    *pairs, last = Retiming(timeline=timeline, multiplier=multiplier, output_rate=rate).plan()
    assert all(pair.instants == tuple(Fraction(k, multiplier) for k in range(multiplier)) for pair in pairs)
    assert last.instants == (0,) * multiplier


@given(timelines, rates)
def test_a_kept_duration_is_missed_by_at_most_half_an_output_frame(timeline: Timeline, rate: Fraction) -> None:
    retiming = Retiming(timeline=timeline, multiplier=2, output_rate=rate, keep_duration=True)
    if retiming.output_frame_count > 1:
        assert abs(retiming.drift) <= 1 / (2 * rate)
    assert retiming.in_step


@given(timelines, rates)
def test_a_kept_duration_samples_the_true_times(timeline: Timeline, rate: Fraction) -> None:
    retiming = Retiming(timeline=timeline, multiplier=2, output_rate=rate, keep_duration=True)
    for pair in retiming.plan():
        for output, instant in pair.outputs:
            wanted = output / rate
            if pair.index == timeline.frame_count - 1:
                assert instant == 0
                assert wanted >= timeline.time(pair.index) - retiming.tolerance(pair.index - 1)
                continue
            shown = timeline.time(pair.index) + instant * timeline.gap(pair.index)
            if instant:
                assert shown == wanted
            else:
                before = retiming.tolerance(max(pair.index - 1, 0))
                assert -before <= wanted - shown <= retiming.tolerance(pair.index)


@given(retimings)
def test_a_plan_numbers_every_output_frame_once_and_in_order(retiming: Retiming) -> None:
    plan = list(retiming.plan())
    assert [pair.index for pair in plan] == list(range(retiming.timeline.frame_count))
    assert [number for pair in plan for number, _ in pair.outputs] == list(range(retiming.output_frame_count))
    assert sum(len(pair.between) for pair in plan) == retiming.made_frame_count


@given(retimings)
def test_instants_rise_within_a_pair_and_stay_below_one(retiming: Retiming) -> None:
    for pair in retiming.plan():
        assert all(0 <= instant < 1 for instant in pair.instants)
        assert all(earlier < later for earlier, later in pairwise(pair.between))
        assert list(pair.instants) == sorted(pair.instants)


@given(retimings, st.data())
def test_pieces_tile_the_uncut_plan(retiming: Retiming, data: st.DataObject) -> None:
    count = retiming.timeline.frame_count
    cuts = data.draw(st.lists(st.integers(0, count), max_size=6).map(sorted))
    pieces = list(pairwise([0, *cuts, count]))
    assert list(chain.from_iterable(retiming.plan(*piece) for piece in pieces)) == list(retiming.plan())
    assert list(chain.from_iterable(retiming.outputs(*piece) for piece in pieces)) == list(
        range(retiming.output_frame_count)
    )
    for piece in pieces:
        numbers = [number for pair in retiming.plan(*piece) for number, _ in pair.outputs]
        assert list(retiming.outputs(*piece)) == numbers


@given(st.integers(2, 400), st.sampled_from([NTSC_FILM, NTSC, Fraction(25), 2 * NTSC]), st.integers(1, 4))
def test_timestamps_rounded_to_milliseconds_leave_source_frames_alone(
    frame_count: int, rate: Fraction, multiplier: int
) -> None:
    timeline = in_milliseconds(frame_count, rate)
    retiming = Retiming(timeline=timeline, multiplier=1, output_rate=multiplier * rate, keep_duration=True)
    untouched = [pair.index for pair in retiming.plan() if 0 in pair.instants]
    assert untouched == list(range(frame_count))


@given(st.integers(2, 2000), st.one_of(st.integers(1, 120).map(Fraction), st.sampled_from([NTSC_FILM, NTSC])))
def test_a_regular_rate_is_known_exactly(frame_count: int, rate: Fraction) -> None:
    assert Timeline.regular(frame_count, rate).rate == rate


def test_times_rounded_to_milliseconds_are_taken_for_the_exact_ones() -> None:
    timeline = in_milliseconds(300, NTSC)
    assert timeline.ticks[:4] == (0, 33, 67, 100)
    assert timeline.is_regular
    assert timeline.time(100) == 100 / NTSC
    retiming = Retiming(timeline=timeline, multiplier=2, keep_duration=True)
    assert retiming.rate == 2 * NTSC
    assert {pair.instants for pair in retiming.plan(0, 299)} == {(Fraction(0), Fraction(1, 2))}


def test_times_off_by_more_than_a_tick_are_taken_as_they_are() -> None:
    timeline = Timeline(ticks=(0, 40, 82, 120), time_base=MILLISECOND, shown_seconds=Fraction(4, 25))
    assert not timeline.is_regular
    assert [timeline.time(index) for index in range(4)] == [0, Fraction(4, 100), Fraction(82, 1000), Fraction(12, 100)]


def test_a_last_frame_of_unknown_duration_lasts_as_long_as_the_one_before_it() -> None:
    timeline = Timeline(ticks=(0, 100, 500, 650), time_base=MILLISECOND)
    assert timeline.duration == Fraction(800, 1000)
    assert timeline.rate == 5


def test_film_at_24000_1001_kept_at_60_is_sampled_at_its_true_instants() -> None:
    timeline = Timeline.regular(24, NTSC_FILM)  # 1.001 s
    retiming = Retiming(timeline=timeline, multiplier=2, output_rate=Fraction(60), keep_duration=True)
    assert retiming.output_frame_count == 60
    assert retiming.drift == -Fraction(1, 1000)
    assert instants(retiming)[:5] == [
        (0, 0),
        (0, Fraction(400, 1001)),
        (0, Fraction(800, 1001)),
        (1, Fraction(199, 1001)),
        (1, Fraction(599, 1001)),
    ]
    # 57/60 s is frame 22 and 0.777 of the way on; 59/60 s lies after the last frame's start.
    assert instants(retiming)[57] == (22, Fraction(57, 60) * NTSC_FILM - 22)
    assert instants(retiming)[59] == (23, Fraction(0))


def test_ntsc_doubled_at_60_is_a_thousandth_fast_and_soon_out_of_step() -> None:
    short = Retiming(timeline=Timeline.regular(100, NTSC), multiplier=2, output_rate=Fraction(60))
    long = Retiming(timeline=Timeline.regular(1000, NTSC), multiplier=2, output_rate=Fraction(60))
    assert short.stretch == long.stretch == Fraction(1000, 1001)
    assert short.in_step  # 3.3 ms short of 3.3 s
    assert not long.in_step  # 33 ms short


def test_a_variable_rate_is_sampled_at_its_own_times() -> None:
    timeline = Timeline(ticks=(0, 100, 400, 500), time_base=MILLISECOND)
    retiming = Retiming(timeline=timeline, multiplier=1, output_rate=Fraction(20), keep_duration=True)
    half = Fraction(1, 2)
    assert [pair.instants for pair in retiming.plan()] == [
        (0, half),
        (0, *(Fraction(k, 6) for k in range(1, 6))),
        (0, half),
        (0, 0),
    ]


def test_a_low_output_rate_leaves_pairs_that_show_nothing() -> None:
    retiming = Retiming(
        timeline=Timeline.regular(8, Fraction(8)), multiplier=1, output_rate=Fraction(2), keep_duration=True
    )
    assert [(pair.index, pair.first_output, len(pair.instants)) for pair in retiming.plan()] == [
        (0, 0, 1), (1, 1, 0), (2, 1, 0), (3, 1, 0), (4, 1, 1), (5, 2, 0), (6, 2, 0), (7, 2, 0),
    ]  # fmt: skip


def test_a_clip_shorter_than_half_an_output_frame_still_gives_one() -> None:
    retiming = Retiming(
        timeline=Timeline.regular(2, Fraction(100)), multiplier=1, output_rate=Fraction(1), keep_duration=True
    )
    assert list(retiming.plan()) == [
        PairPlan(index=0, first_output=0, instants=(Fraction(0),)),
        PairPlan(index=1, first_output=1, instants=()),
    ]


@given(regular_timelines.filter(lambda timeline: timeline.rate <= 60), st.integers(1, 4), st.booleans())
def test_the_default_rate_is_m_times_the_source_and_keeps_the_duration(
    timeline: Timeline, multiplier: int, keep_duration: bool
) -> None:
    retiming = Retiming(timeline=timeline, multiplier=multiplier, keep_duration=keep_duration)
    assert retiming.rate == multiplier * timeline.rate
    assert retiming.drift == 0
    assert retiming.stretch == 1
    assert retiming.output_frame_count == multiplier * timeline.frame_count


@pytest.mark.parametrize("multiplier", [0, -1, 65, 2.0, True])
def test_a_multiplier_out_of_range_is_refused_with_the_range(multiplier: int) -> None:
    with pytest.raises(OptionError, match=rf"from 1 to 64, not {multiplier}"):
        Retiming(timeline=Timeline.regular(2, Fraction(25)), multiplier=multiplier)


@pytest.mark.parametrize("rate", [Fraction(0), Fraction(-25), Fraction(999, 1000), Fraction(241)])
def test_an_output_rate_out_of_range_is_refused_with_the_range(rate: Fraction) -> None:
    with pytest.raises(OptionError, match="from 1 to 240 frames a second"):
        Retiming(timeline=Timeline.regular(2, Fraction(25)), multiplier=2, output_rate=rate)


def test_a_default_rate_out_of_range_says_where_it_comes_from() -> None:
    with pytest.raises(OptionError, match=r"not 960 \(32 times the source's 30\); choose one"):
        Retiming(timeline=Timeline.regular(2, Fraction(30)), multiplier=32)


@pytest.mark.parametrize("piece", [(-1, 2), (2, 1), (0, 4)])
def test_a_piece_outside_the_clip_is_refused(piece: tuple[int, int]) -> None:
    retiming = Retiming(timeline=Timeline.regular(3, Fraction(25)), multiplier=2)
    with pytest.raises(OptionError, match="outside the clip's 0 to 3"):
        retiming.outputs(*piece)


@pytest.mark.parametrize("ticks", [(), (5,)])
def test_fewer_than_two_frames_are_refused(ticks: tuple[int, ...]) -> None:
    with pytest.raises(TooFewFrames, match=rf"too few frames \({len(ticks)}\)"):
        Timeline(ticks=ticks, time_base=MILLISECOND)


@pytest.mark.parametrize("ticks", [(0, 10, 10, 20), (0, 10, 5, 20)])
def test_time_that_stands_still_or_goes_back_is_refused_with_the_frame(ticks: tuple[int, ...]) -> None:
    with pytest.raises(SourceBroken, match="frame 2 of the source is not later"):
        Timeline(ticks=ticks, time_base=MILLISECOND)


@pytest.mark.parametrize("time_base", [Fraction(0), Fraction(-1, 25)])
def test_a_time_base_that_is_not_positive_is_refused(time_base: Fraction) -> None:
    with pytest.raises(OptionError, match="time base must be positive"):
        Timeline(ticks=(0, 1), time_base=time_base)


def test_a_clip_that_ends_before_its_last_frame_is_refused() -> None:
    with pytest.raises(SourceBroken, match=r"duration, 0.04 s, ends before its last frame"):
        Timeline(ticks=(0, 40), time_base=MILLISECOND, shown_seconds=Fraction(4, 100))


def test_a_rate_of_nothing_is_refused() -> None:
    with pytest.raises(OptionError, match="frame rate must be positive"):
        Timeline.regular(2, Fraction(0))
