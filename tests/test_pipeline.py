"""A clip in, a smooth clip out: frames, times, sound and colour, of clips drawn for it."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import film
from film.errors import OptionError
from film.evaluation import Blend
from film.network.config import FilmConfig
from film.pipeline import Progress, interpolate_photos, interpolate_video
from film.video import Encoding, Pixels, probe, read_image, write_image
from film.weights import WeightSet
from tests.clips import LOSSLESS, colours, ffmpeg, packets, tone, turn_header
from tests.drawn import HEIGHT, WIDTH, draw, flat, frames_of, means_of, moving, texture, times_of

EXACT = Encoding(crf=0, preset="ultrafast")
WITH_AAC = (*LOSSLESS, "-pix_fmt", "yuv420p", "-c:a", "aac")


class Counting(Blend):
    """Blends, and remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[list[Fraction]] = []

    def between(self, first: Pixels, second: Pixels, instants: Sequence[Fraction], /) -> Iterator[Pixels]:
        self.asked.append(list(instants))
        return super().between(first, second, instants)


class Marking:
    """Shows a grey that no source frame has."""

    def between(self, first: Pixels, second: Pixels, instants: Sequence[Fraction], /) -> Iterator[Pixels]:
        assert first.shape == second.shape
        yield from (np.full_like(first, 170) for _ in instants)


# Every frame shown


def test_twice_the_frames_at_twice_the_rate_last_as_long(tmp_path: Path) -> None:
    source = draw(tmp_path / "in.mkv", moving(1, 8), rate="30000/1001")
    target = tmp_path / "out.mp4"
    summary = interpolate_video(source, target, encoding=EXACT, interpolator=Blend())
    clip = probe(target)
    assert (clip.width, clip.height, clip.frame_count) == (64, 48, 16)
    assert clip.average_rate == Fraction(60000, 1001)
    assert clip.duration == Fraction(16 * 1001, 60000)
    assert times_of(target) == [Fraction(index * 1001, 60000) for index in range(16)]
    assert (summary.target, summary.width, summary.height) == (target, 64, 48)
    assert (summary.frames, summary.made, summary.cuts, summary.sound) == (16, 7, 0, None)
    assert (summary.rate, summary.duration) == (Fraction(60000, 1001), Fraction(16 * 1001, 60000))
    assert summary.seconds > 0


def test_source_frames_pass_untouched_and_made_ones_lie_between(tmp_path: Path) -> None:
    source = draw(tmp_path / "in.mkv", flat(20, 40, 80, 120))
    target = tmp_path / "out.mp4"
    interpolator = Counting()
    interpolate_video(source, target, multiplier=4, encoding=EXACT, interpolator=interpolator)
    frames = frames_of(target)
    assert np.array_equal(frames[::4], flat(20, 40, 80, 120))
    assert interpolator.asked == [[Fraction(1, 4), Fraction(1, 2), Fraction(3, 4)]] * 3
    # Luma has 219 steps for 255 greys, so a made grey is up to one off.
    expected = [20, 25, 30, 35, 40, 50, 60, 70, 80, 90, 100, 110, 120, 120, 120, 120]  # the last one is held
    assert [frame.mean() for frame in frames] == pytest.approx(expected, abs=1)


def test_slow_motion_stretches_the_sound_to_the_pictures_end(tmp_path: Path) -> None:
    source = draw(tmp_path / "in.mp4", moving(1, 10), sound=tone(1), options=WITH_AAC)
    target = tmp_path / "out.mp4"
    summary = interpolate_video(source, target, multiplier=4, output_fps=10, interpolator=Blend())
    clip = probe(target)
    assert (clip.frame_count, clip.average_rate, clip.duration) == (40, Fraction(10), Fraction(4))
    assert summary.sound is not None
    assert summary.sound.tempo == Fraction(1, 4)
    (track,) = clip.audio
    assert track.codec == "aac"
    assert abs(track.start + track.duration - clip.duration) <= Fraction(1, 10)
    assert pitch_of(target) == pytest.approx(440, abs=8)


def pitch_of(path: Path) -> float:
    """Give the strongest frequency of a clip's sound, in Hz."""
    samples = np.frombuffer(ffmpeg("-i", path, "-vn", "-ac", "1", "-ar", "8000", "-f", "s16le", "-"), "<i2")
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum)) * 8000 / len(samples)


def test_a_multiplier_of_one_only_changes_the_rate(tmp_path: Path) -> None:
    source = draw(tmp_path / "in.mkv", flat(20, 40, 80, 120), rate="24")
    target = tmp_path / "out.mov"
    summary = interpolate_video(source, target, multiplier=1, output_fps=12.5, encoding=EXACT, interpolator=Marking())
    assert probe(target).average_rate == Fraction(25, 2)
    assert np.array_equal(frames_of(target), flat(20, 40, 80, 120))
    assert (summary.frames, summary.made, summary.duration) == (4, 0, Fraction(8, 25))


def test_the_rate_of_a_variable_clip_is_the_multiplier_times_its_mean(tmp_path: Path) -> None:
    source = draw(tmp_path / "in.mkv", flat(*range(0, 240, 20)), times="77*N+13*mod(N,3)")
    target = tmp_path / "out.mp4"
    summary = interpolate_video(source, target, multiplier=3, interpolator=Blend())
    assert summary.rate == 3 * probe(source).average_rate
    assert summary.frames == probe(target).frame_count == 36
    assert abs(summary.duration - probe(source).duration) < Fraction(1, 1000)


# Duration kept


def test_keeping_the_duration_shows_every_instant_at_its_time(tmp_path: Path) -> None:
    # 10 frames a second, each 10 brighter: at time t the grey is 100·t.
    source = draw(tmp_path / "in.mkv", flat(*range(0, 130, 10)))
    target = tmp_path / "out.mp4"
    summary = interpolate_video(source, target, output_fps=24, keep_duration=True, encoding=EXACT, interpolator=Blend())
    assert summary.frames == round(1.3 * 24) == 31
    assert summary.made == sum(1 for frame in range(31) if frame * 10 % 24 and frame / 24 < 1.2)
    expected = [min(100 * frame / 24, 120) for frame in range(31)]
    assert means_of(target) == pytest.approx(expected, abs=1.5)


def test_keeping_the_duration_at_a_lower_rate_drops_frames(tmp_path: Path) -> None:
    source = draw(tmp_path / "in.mkv", flat(*range(0, 130, 10)))
    target = tmp_path / "out.mp4"
    summary = interpolate_video(
        source, target, output_fps=5, keep_duration=True, encoding=EXACT, interpolator=Marking()
    )
    assert (summary.frames, summary.made) == (7, 0)  # 6.5 frames; every second one as it was
    assert means_of(target) == pytest.approx([0, 20, 40, 60, 80, 100, 120], abs=1)


def test_a_variable_rate_is_sampled_by_the_frames_true_times(tmp_path: Path) -> None:
    # Frame n comes at n² · 10 ms and its grey is a tenth of its milliseconds: at time t the grey is 100·t again.
    source = draw(tmp_path / "in.mkv", flat(*(n * n for n in range(16))), times="10*N*N")
    assert probe(source).time(15) == Fraction(225, 100)
    target = tmp_path / "out.mp4"
    interpolate_video(source, target, output_fps=20, keep_duration=True, encoding=EXACT, interpolator=Blend())
    clip = probe(target)
    assert clip.average_rate == 20
    assert abs(clip.duration - probe(source).duration) <= Fraction(1, 40)
    expected = [min(5 * frame, 225) for frame in range(clip.frame_count)]
    assert means_of(target) == pytest.approx(expected, abs=2.5)  # half of what an output frame adds


def test_sound_is_copied_where_a_variable_clip_keeps_its_duration(tmp_path: Path) -> None:
    source = draw(tmp_path / "in.mp4", moving(1, 10), times="90*N+20*mod(N,2)", sound=tone(0.9), options=WITH_AAC)
    target = tmp_path / "out.mp4"
    interpolate_video(source, target, output_fps=30, keep_duration=True, interpolator=Blend())
    assert packets(target, "a:0") == packets(source, "a:0")


# Sound


@pytest.mark.parametrize("codec", ["aac", "flac", "libmp3lame"])
def test_sound_in_step_is_copied_bit_for_bit(tmp_path: Path, codec: str) -> None:
    source = draw(tmp_path / "in.mkv", moving(1, 10), sound=tone(1), options=(*LOSSLESS, "-c:a", codec))
    target = tmp_path / "out.mp4"
    summary = interpolate_video(source, target, interpolator=Blend())
    assert payload(target) == payload(source)
    assert summary.sound is not None
    assert [track.copied for track in summary.sound.tracks] == [True]
    assert abs(probe(target).audio[0].start - probe(source).audio[0].start) <= Fraction(1, 1000)


def payload(path: Path) -> list[bytes]:
    """Give size and checksum of every packet of sound; the clocks of two containers differ."""
    return [packet.split(b",", 1)[1] for packet in packets(path, "a:0")]


def test_sound_that_mp4_can_not_hold_becomes_aac(tmp_path: Path) -> None:
    source = draw(tmp_path / "in.mkv", moving(1, 10), sound=tone(1), options=(*LOSSLESS, "-c:a", "pcm_s16le"))
    target = tmp_path / "out.mp4"
    interpolate_video(source, target, interpolator=Blend())
    (track,) = probe(target).audio
    assert track.codec == "aac"
    assert abs(track.duration - 1) < Fraction(1, 20)


def test_sound_can_be_left_out(tmp_path: Path) -> None:
    source = draw(tmp_path / "in.mp4", moving(1, 4), sound=tone(0.4), options=WITH_AAC)
    target = tmp_path / "out.mp4"
    summary = interpolate_video(source, target, preserve_audio=False, interpolator=Blend())
    assert probe(target).audio == ()
    assert summary.sound is None


# What is held


def test_a_cut_is_held_and_not_morphed(tmp_path: Path) -> None:
    source = draw(tmp_path / "in.mkv", [*moving(1, 3), *moving(2, 3)])
    target = tmp_path / "out.mp4"
    summary = interpolate_video(source, target, multiplier=3, encoding=EXACT, interpolator=Blend())
    frames = frames_of(target)
    assert (summary.cuts, summary.made) == (1, 8)
    for held in (6, 7, 8):
        assert np.array_equal(frames[held], np.roll(texture(1), 2, axis=1))
    assert np.array_equal(frames[9], texture(2))


def test_a_cut_is_made_like_any_pair_where_nobody_looks_for_it(tmp_path: Path) -> None:
    source = draw(tmp_path / "in.mkv", [texture(1), texture(2)])
    target = tmp_path / "out.mp4"
    summary = interpolate_video(source, target, scene_detection=False, encoding=EXACT, interpolator=Blend())
    assert (summary.cuts, summary.made) == (0, 1)
    blend = (texture(1).astype(float) + texture(2)) / 2
    assert np.abs(frames_of(target)[1] - blend).max() <= 1.5


def test_duplicates_are_held(tmp_path: Path) -> None:
    source = draw(tmp_path / "in.mkv", flat(40, 80, 80, 80, 120))
    target = tmp_path / "out.mp4"
    interpolator = Counting()
    summary = interpolate_video(source, target, encoding=EXACT, interpolator=interpolator)
    assert means_of(target) == pytest.approx([40, 60, 80, 80, 80, 80, 80, 100, 120, 120], abs=1)
    assert (summary.frames, summary.made, summary.cuts) == (10, 2, 0)
    assert len(interpolator.asked) == 2


# Colour


def test_a_still_scene_does_not_pump(tmp_path: Path) -> None:
    noisy = [texture(1) for _ in range(6)]
    for index, frame in enumerate(noisy):
        frame[0, index] = 20  # so that no two are equal and all between are made
    source = draw(tmp_path / "in.mkv", noisy)
    target = tmp_path / "out.mp4"
    summary = interpolate_video(source, target, multiplier=4, interpolator=Blend())
    assert summary.made == 15
    means = means_of(target)
    assert max(means) - min(means) <= 1
    assert np.mean(means) == pytest.approx(np.mean(means_of(source)), abs=1)


@pytest.mark.parametrize(
    ("name", "options", "size"),
    [
        ("8 bits", ("-pix_fmt", "yuv420p", *LOSSLESS), (128, 96)),
        ("10 bits", ("-pix_fmt", "yuv420p10le", "-c:v", "libx264", "-crf", "4"), (128, 96)),
        ("odd size", ("-pix_fmt", "yuv444p", *LOSSLESS), (101, 75)),
        ("full range", ("-vf", "scale=out_range=full,format=yuv420p,setparams=range=pc", *LOSSLESS), (128, 96)),
        ("BT.709", ("-vf", "format=yuv420p,setparams=colorspace=bt709:range=tv", *LOSSLESS), (128, 96)),
    ],
)
def test_size_depth_and_colour_come_out_as_they_went_in(
    tmp_path: Path, name: str, options: tuple[str, ...], size: tuple[int, int]
) -> None:
    source = colours(tmp_path / f"{name}.mp4", *options, size=size, frames=4)
    target = tmp_path / "out.mp4"
    interpolate_video(source, target, interpolator=Blend())
    before, after = probe(source), probe(target)
    assert (after.width, after.height) == size
    assert after.bit_depth == before.bit_depth
    assert after.duration == before.duration
    for tag in ("matrix", "full_range", "range_tagged"):
        assert getattr(after.colour, tag) == getattr(before.colour, tag)
    for was, now in zip(frames_of(source), frames_of(target)[::2], strict=True):
        difference = was.mean(axis=(0, 1)) - now.mean(axis=(0, 1))
        assert np.abs(difference).max() * 255 / np.iinfo(was.dtype).max < 1


def test_a_rotated_clip_comes_out_upright(tmp_path: Path) -> None:
    upright = draw(tmp_path / "in.mp4", moving(1, 4), options=(*LOSSLESS, "-pix_fmt", "yuv420p"))
    source = turn_header(upright, 270)
    target = tmp_path / "out.mp4"
    interpolate_video(source, target, encoding=EXACT, interpolator=Blend())
    clip = probe(target)
    assert (clip.width, clip.height, clip.rotation) == (48, 64, 0)
    assert np.array_equal(frames_of(target)[0], np.rot90(texture(1)))


# Progress


def test_progress_is_told_after_every_frame(tmp_path: Path) -> None:
    source = draw(tmp_path / "in.mkv", moving(1, 5))
    told: list[Progress] = []
    interpolate_video(source, tmp_path / "out.mp4", multiplier=3, interpolator=Blend(), on_progress=told.append)
    assert [progress.frames_done for progress in told] == list(range(1, 16))
    assert {progress.frames_total for progress in told} == {15}
    elapsed = [progress.elapsed_seconds for progress in told]
    assert elapsed == sorted(elapsed)
    assert elapsed[0] >= 0


def test_progress_knows_the_total_where_the_duration_is_kept(tmp_path: Path) -> None:
    source = draw(tmp_path / "in.mkv", moving(1, 5))
    told: list[Progress] = []
    interpolate_video(
        source,
        tmp_path / "out.mp4",
        output_fps=24,
        keep_duration=True,
        interpolator=Blend(),
        on_progress=told.append,
    )
    assert [(each.frames_done, each.frames_total) for each in told] == [(count, 12) for count in range(1, 13)]


# Two photographs


def test_photographs_become_a_clip_from_one_to_the_other(tmp_path: Path) -> None:
    first, second = flat(20, 100)
    write_image(tmp_path / "a.png", first)
    write_image(tmp_path / "b.png", second)
    target = tmp_path / "out.mp4"
    told: list[Progress] = []
    summary = interpolate_photos(
        tmp_path / "a.png",
        tmp_path / "b.png",
        target,
        multiplier=8,
        encoding=EXACT,
        interpolator=Blend(),
        on_progress=told.append,
    )
    assert (summary.frames, summary.made, summary.rate) == (9, 7, Fraction(30))
    assert (summary.width, summary.height, summary.sound, summary.cuts) == (WIDTH, HEIGHT, None, 0)
    frames = frames_of(target)
    assert np.array_equal(frames[0], first)
    assert np.array_equal(frames[8], second)
    assert means_of(target) == pytest.approx(range(20, 101, 10), abs=1)
    assert probe(target).average_rate == 30
    assert [(each.frames_done, each.frames_total) for each in told] == [(count, 9) for count in range(1, 10)]


def test_photographs_of_eight_and_sixteen_bits_meet_at_sixteen(tmp_path: Path) -> None:
    deep = np.full((HEIGHT, WIDTH, 3), 100 * 257, np.uint16)
    write_image(tmp_path / "a.png", flat(20)[0])
    write_image(tmp_path / "b.png", deep)
    target = tmp_path / "out.mp4"
    interpolate_photos(
        tmp_path / "a.png", tmp_path / "b.png", target, output_fps=10, encoding=EXACT, interpolator=Blend()
    )
    assert probe(target).bit_depth == 10
    assert means_of(target) == pytest.approx([20, 60, 100], abs=0.3)


def test_a_multiplier_of_one_shows_both_photographs_alone(tmp_path: Path) -> None:
    for name, pixels in zip("ab", flat(20, 100), strict=True):
        write_image(tmp_path / f"{name}.png", pixels)
    target = tmp_path / "out.mp4"
    summary = interpolate_photos(
        tmp_path / "a.png", tmp_path / "b.png", target, multiplier=1, encoding=EXACT, interpolator=Marking()
    )
    assert (summary.frames, summary.made) == (2, 0)
    assert np.array_equal(frames_of(target), flat(20, 100))


def test_photographs_of_two_sizes_are_refused(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", flat(20)[0])
    write_image(tmp_path / "b.png", flat(20)[0][:40])
    with pytest.raises(OptionError, match="one size, not 64×48 and 64×40; crop or scale"):
        interpolate_photos(tmp_path / "a.png", tmp_path / "b.png", tmp_path / "out.mp4", interpolator=Blend())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png"]


def test_photographs_are_held_one_frame_at_a_time(tmp_path: Path) -> None:
    class Lazy(Blend):
        """Says how many frames were asked for when each was."""

        def between(self, first: Pixels, second: Pixels, instants: Sequence[Fraction], /) -> Iterator[Pixels]:
            for number, pixels in enumerate(super().between(first, second, instants), start=1):
                ahead.append(number - len(told))
                yield pixels

    ahead: list[int] = []
    told: list[Progress] = []
    for name, pixels in zip("ab", flat(20, 100), strict=True):
        write_image(tmp_path / f"{name}.png", pixels)
    interpolate_photos(
        tmp_path / "a.png",
        tmp_path / "b.png",
        tmp_path / "out.mp4",
        multiplier=32,
        interpolator=Lazy(),
        on_progress=told.append,
    )
    assert ahead == [0] * 31  # the first photograph was told before


# The network


@pytest.fixture(scope="module")
def random_network() -> film.Interpolator:
    config = FilmConfig(
        pyramid_levels=3,
        fusion_pyramid_levels=2,
        specialized_levels=1,
        sub_levels=2,
        filters=4,
        flow_convs=(1, 1),
        flow_filters=(4, 6),
    )
    random = np.random.default_rng(7)
    tensors = {name: random.normal(0, 0.1, shape).astype(np.float32) for name, shape in config.weight_shapes().items()}
    return film.Interpolator(WeightSet.of("random", config, tensors=tensors, version="1", training={}))


def test_a_network_of_any_weights_gets_a_clip_through(tmp_path: Path, random_network: film.Interpolator) -> None:
    source = draw(tmp_path / "in.mkv", moving(1, 4))
    target = tmp_path / "out.mp4"
    summary = film.interpolate_video(source, target, multiplier=4, encoding=EXACT, interpolator=random_network)
    assert (summary.frames, summary.made) == (16, 9)
    assert np.array_equal(frames_of(target)[::4], moving(1, 4))


def test_a_network_gets_ten_bits_and_odd_sizes_through(tmp_path: Path, random_network: film.Interpolator) -> None:
    source = colours(
        tmp_path / "in.mp4", "-pix_fmt", "yuv444p10le", "-c:v", "libx264", "-crf", "4", size=(65, 47), frames=3
    )
    target = tmp_path / "out.mp4"
    film.interpolate_video(source, target, interpolator=random_network)
    clip = probe(target)
    assert (clip.width, clip.height, clip.bit_depth, clip.frame_count) == (65, 47, 10, 6)


def test_the_default_network_puts_what_moves_between(tmp_path: Path) -> None:
    frames = [square_at(20 + 8 * index) for index in range(3)]
    target = tmp_path / "out.mp4"
    summary = film.interpolate_video(draw(tmp_path / "in.mkv", frames), target, encoding=EXACT)
    assert (summary.frames, summary.made) == (6, 2)
    assert [column_of(frame) for frame in frames_of(target)[:5]] == pytest.approx([20, 24, 28, 32, 36], abs=1)


def square_at(left: int) -> Pixels:
    """Draw a bright square of 24 pixels on a soft ground."""
    picture = np.repeat(np.repeat(texture(5) // 3, 2, axis=0), 2, axis=1)
    picture[36:60, left : left + 24] = 230
    return picture


def column_of(frame: Pixels) -> float:
    """Give the left edge of the square from the middle of what is bright."""
    rows, columns = np.nonzero(frame[..., 1] > 150)
    assert len(rows) > 24 * 24 * 0.8
    return float(columns.mean()) - 11.5


def test_the_default_network_makes_frames_between_photographs(tmp_path: Path) -> None:
    for name, left in (("a", 20), ("b", 32)):
        write_image(tmp_path / f"{name}.png", square_at(left))
    target = tmp_path / "out.mp4"
    film.interpolate_photos(tmp_path / "a.png", tmp_path / "b.png", target, multiplier=4, encoding=EXACT)
    assert [column_of(frame) for frame in frames_of(target)] == pytest.approx([20, 23, 26, 29, 32], abs=1)
    assert read_image(tmp_path / "a.png").shape == (96, 128, 3)
