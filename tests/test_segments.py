"""Pieces of a clip, made one by one and joined, are the clip made in one go."""

import json
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from film.errors import OptionError, SourceBroken
from film.evaluation import Blend
from film.pipeline import interpolate_video, retime
from film.segments import Recipe, Segment, make_segment, plan_segments
from film.timeline import Retiming, Timeline
from film.video import Encoding, Pixels, join, probe
from tests.clips import LOSSLESS
from tests.drawn import draw, flat, frames_of, moving, texture, times_of

EXACT = Encoding(crf=0, preset="ultrafast")


class Failing:
    """Makes a few frames, then fails."""

    def __init__(self, *, after: int) -> None:
        self.left = after

    def between(self, first: Pixels, second: Pixels, instants: Sequence[Fraction], /) -> Iterator[Pixels]:
        assert first.shape == second.shape
        for _ in instants:
            if not self.left:
                raise RuntimeError("out of order")
            self.left -= 1
            yield first


# How a clip is divided


@st.composite
def retimings(draw: st.DrawFn) -> Retiming:
    gaps = draw(st.lists(st.integers(1, 40), min_size=1, max_size=60))
    ticks = [sum(gaps[:count]) for count in range(len(gaps) + 1)]
    return Retiming(
        timeline=Timeline(ticks=ticks, time_base=Fraction(1, 100)),
        multiplier=draw(st.integers(1, 8)),
        output_rate=draw(st.fractions(1, 240, max_denominator=1001)),
        keep_duration=draw(st.booleans()),
    )


def shown(retiming: Retiming, segment: Segment) -> int:
    return len(retiming.outputs(segment.start, segment.stop))


@given(retimings(), st.integers(1, 200))
def test_segments_tile_the_clip_and_none_is_empty(retiming: Retiming, most: int) -> None:
    segments = plan_segments(retiming, most_frames=most)
    assert segments[0].start == 0
    assert segments[-1].stop == retiming.timeline.frame_count
    assert all(before.stop == after.start for before, after in pairwise(segments))
    assert all(shown(retiming, segment) for segment in segments)
    assert sum(shown(retiming, segment) for segment in segments) == retiming.output_frame_count


@given(retimings(), st.integers(1, 200))
def test_a_segment_keeps_the_limit_unless_one_frame_alone_exceeds_it(retiming: Retiming, most: int) -> None:
    for segment in plan_segments(retiming, most_frames=most):
        owners = [
            index
            for index in range(segment.start, segment.stop)
            if shown(retiming, Segment(start=index, stop=index + 1))
        ]
        assert shown(retiming, segment) <= most or len(owners) == 1


@given(retimings(), st.integers(1, 200))
def test_no_division_within_the_limit_has_fewer_segments(retiming: Retiming, most: int) -> None:
    # Filling one after the other gives the fewest there can be.
    fewest, room = 0, 0
    for index in range(retiming.timeline.frame_count):
        owned = shown(retiming, Segment(start=index, stop=index + 1))
        if owned > room:
            fewest, room = fewest + 1, most
        room = max(0, room - owned)
    assert len(plan_segments(retiming, most_frames=most)) == fewest


@pytest.mark.parametrize(
    ("frames", "multiplier", "most", "expected"),
    [
        (10, 4, 10, [8, 8, 8, 8, 8]),  # no two frames' outputs and a half
        (10, 1, 4, [3, 4, 3]),
        (100, 2, 200, [200]),
        (100, 2, 199, [100, 100]),
        (3, 64, 10, [64, 64, 64]),  # one frame alone has more than that
    ],
)
def test_segments_are_few_and_even(frames: int, multiplier: int, most: int, expected: list[int]) -> None:
    retiming = Retiming(
        timeline=Timeline.regular(frames, Fraction(25)), multiplier=multiplier, output_rate=Fraction(50)
    )
    assert sorted(shown(retiming, each) for each in plan_segments(retiming, most_frames=most)) == sorted(expected)


@pytest.mark.parametrize("most", [0, -1])
def test_a_segment_of_nothing_is_refused(most: int) -> None:
    retiming = Retiming(timeline=Timeline.regular(4, Fraction(25)), multiplier=2)
    with pytest.raises(OptionError, match=f"at least one frame, not {most}"):
        plan_segments(retiming, most_frames=most)


@given(st.integers(0, 10**9), st.integers(1, 10**9))
def test_a_segment_survives_json(start: int, length: int) -> None:
    segment = Segment(start=start, stop=start + length)
    assert Segment.from_json(json.loads(json.dumps(segment.to_json()))) == segment


# What comes of the pieces

VARIABLE = "100*N+40*mod(N,2)+60*gt(N,6)"  # milliseconds; and a longer gap after the seventh frame
CUTS = (4, 8)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Draw 12 frames of three scenes that meet before frames 4 and 8: regular, variable, and H.264 with B-frames."""
    folder = tmp_path_factory.mktemp("clips")
    frames = [*moving(1, 4), *moving(2, 4), *moving(3, 4)]
    frames[6] = frames[5]  # a duplicate
    return {
        "regular": draw(folder / "regular.mkv", frames),
        "variable": draw(folder / "variable.mkv", frames, times=VARIABLE),
        "reordered": draw(
            folder / "reordered.mp4", frames, options=("-c:v", "libx264", "-bf", "3", "-g", "5", "-pix_fmt", "yuv420p")
        ),
    }


def recipe_for(path: Path, *, multiplier: int, rate: Fraction | None, keep_duration: bool) -> Recipe:
    clip = probe(path)
    retiming = retime(clip, multiplier=multiplier, output_rate=rate, keep_duration=keep_duration)
    return Recipe(clip=clip, retiming=retiming, encoding=EXACT)


@pytest.mark.parametrize(
    ("clip", "multiplier", "rate", "keep_duration", "borders"),
    [
        ("regular", 2, None, False, (3, 4, 8)),  # a frame before a cut, and at the cuts
        ("regular", 3, Fraction(10), False, (1, 7)),
        ("regular", 2, Fraction(7), True, (5, 9)),  # fewer frames than before
        ("regular", 2, Fraction(30000, 1001), True, (4, 11)),
        ("variable", 2, Fraction(25), True, (2, 6, 7)),
        ("variable", 3, None, False, (6,)),
        ("reordered", 2, None, False, (3, 7, 10)),
    ],
)
def test_pieces_joined_are_the_uncut_run(  # noqa: PLR0913, PLR0917  (a row of the table above)
    tmp_path: Path,
    clips: dict[str, Path],
    clip: str,
    multiplier: int,
    rate: Fraction | None,
    keep_duration: bool,
    borders: tuple[int, ...],
) -> None:
    recipe = recipe_for(clips[clip], multiplier=multiplier, rate=rate, keep_duration=keep_duration)
    ends = (0, *borders, recipe.clip.frame_count)
    made = [
        make_segment(recipe, Segment(start=start, stop=stop), tmp_path / f"{start}.mp4", interpolator=Blend())
        for start, stop in pairwise(ends)
    ]
    joined, uncut = tmp_path / "joined.mp4", tmp_path / "uncut.mp4"
    join([piece.path for piece in made], joined, rate=recipe.retiming.rate)
    summary = interpolate_video(
        clips[clip],
        uncut,
        multiplier=multiplier,
        output_fps=rate,
        keep_duration=keep_duration,
        encoding=EXACT,
        interpolator=Blend(),
    )
    assert times_of(joined) == times_of(uncut)
    assert np.array_equal(frames_of(joined), frames_of(uncut))
    assert probe(joined).average_rate == recipe.retiming.rate
    assert sum(piece.frames for piece in made) == summary.frames == len(frames_of(uncut))
    assert sum(piece.made for piece in made) == summary.made
    assert sum(piece.cuts for piece in made) == summary.cuts


def test_planned_segments_joined_have_every_frame(tmp_path: Path, clips: dict[str, Path]) -> None:
    recipe = recipe_for(clips["regular"], multiplier=2, rate=None, keep_duration=False)
    segments = plan_segments(recipe.retiming, most_frames=7)
    assert [(each.start, each.stop) for each in segments] == [(0, 3), (3, 6), (6, 9), (9, 12)]
    pieces = [
        make_segment(recipe, each, tmp_path / f"{each.start}.mp4", interpolator=Blend()).path for each in segments
    ]
    joined = tmp_path / "joined.mp4"
    join(pieces, joined, rate=recipe.retiming.rate)
    frames = frames_of(joined)
    assert len(frames) == 24
    assert np.array_equal(frames[::2], frames_of(clips["regular"]))
    assert times_of(joined) == [Fraction(index, 20) for index in range(24)]


def test_a_cut_at_the_border_of_two_segments_is_held(tmp_path: Path, clips: dict[str, Path]) -> None:
    recipe = recipe_for(clips["regular"], multiplier=2, rate=None, keep_duration=False)
    piece = make_segment(recipe, Segment(start=0, stop=4), tmp_path / "piece.mp4", interpolator=Blend())
    # Frames 0 to 3 with three made between; the cut before frame 4 is known, though that frame is the next piece's.
    assert (piece.frames, piece.made, piece.cuts) == (8, 3, 1)
    frames = frames_of(piece.path)
    assert np.array_equal(frames[6], np.roll(texture(1), 3, axis=1))
    assert np.array_equal(frames[7], frames[6])


def test_every_frame_of_a_piece_is_counted_when_it_is_made(tmp_path: Path, clips: dict[str, Path]) -> None:
    recipe = recipe_for(clips["regular"], multiplier=3, rate=None, keep_duration=False)
    counted: list[int] = []
    piece = make_segment(
        recipe,
        Segment(start=9, stop=12),
        tmp_path / "piece.mp4",
        interpolator=Blend(),
        on_frame=lambda: counted.append(1),
    )
    assert piece.frames == len(counted) == 9
    assert piece.made == 4


def test_a_piece_whose_interpolator_fails_leaves_nothing(tmp_path: Path, clips: dict[str, Path]) -> None:
    recipe = recipe_for(clips["regular"], multiplier=4, rate=None, keep_duration=False)
    folder = tmp_path / "pieces"
    folder.mkdir()
    with pytest.raises(RuntimeError, match="out of order"):
        make_segment(recipe, Segment(start=0, stop=12), folder / "piece.mp4", interpolator=Failing(after=5))
    assert not list(folder.iterdir())


def test_a_piece_whose_source_is_another_one_by_now_leaves_nothing(tmp_path: Path) -> None:
    source = draw(tmp_path / "source.mkv", flat(*range(0, 240, 20)))
    recipe = recipe_for(source, multiplier=2, rate=None, keep_duration=False)
    draw(source, flat(0, 20, 40))
    folder = tmp_path / "pieces"
    folder.mkdir()
    with pytest.raises(SourceBroken, match=r"source\.mkv is damaged: frame 3 of 12"):
        make_segment(recipe, Segment(start=0, stop=12), folder / "piece.mp4", interpolator=Blend())
    assert not list(folder.iterdir())


def test_a_piece_replaces_what_a_former_try_left(tmp_path: Path) -> None:
    source = draw(tmp_path / "source.mp4", flat(40, 50, 90), options=LOSSLESS)
    recipe = recipe_for(source, multiplier=2, rate=None, keep_duration=False)
    target = tmp_path / "piece.mp4"
    target.write_text("half a piece")
    assert make_segment(recipe, Segment(start=1, stop=3), target, interpolator=Blend()).frames == 4
    assert [round(float(frame.mean())) for frame in frames_of(target)] == [50, 70, 90, 90]
