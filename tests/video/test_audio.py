"""Sound: what is copied, what is stretched, and that it stays with the picture."""

import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from film.video import Clip, join, plan_sound, probe
from film.video.audio import stretch_filters
from tests.clips import LOSSLESS, ffmpeg, numbered, packets, real_clip, tone


def _joined(clip: Clip, folder: Path, *, frames: int, rate: str) -> Clip:
    """Put a clip's sound under a picture of `frames` frames at `rate`."""
    picture = numbered(folder / "piece.mp4", frames=frames, rate=rate)
    output_rate = Fraction(rate)
    sound = plan_sound(clip, picture_duration=frames / output_rate, output_rate=output_rate)
    join([picture], folder / "target.mp4", rate=output_rate, sound=sound, source=clip)
    return probe(folder / "target.mp4")


def _samples(path: Path, rate: int = 48000) -> np.ndarray:
    """Give the first track as players play it: mono, from the file's start on."""
    raw = ffmpeg("-i", path, "-map", "0:a:0", "-af", "aresample=async=1:first_pts=0", "-ac", "1", "-ar", str(rate),
                 "-f", "s16le", "-")  # fmt: skip
    return np.frombuffer(raw, "<i2").astype(float) / 32768


def _pitch(samples: np.ndarray, rate: int = 48000) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(spectrum.argmax() * rate / len(samples))


@pytest.mark.parametrize(
    ("codec", "suffix"),
    [("aac", "mp4"), ("libmp3lame", "mkv"), ("ac3", "mkv"), ("eac3", "mkv"), ("alac", "mp4"), ("mp2", "mkv"),
     ("libopus", "webm"), ("flac", "mkv"), ("aac", "ts")],
)  # fmt: skip
def test_sound_is_copied_bit_for_bit_where_the_duration_stays(tmp_path: Path, codec: str, suffix: str) -> None:
    video = ("-c:v", "libvpx", "-b:v", "200k") if suffix == "webm" else LOSSLESS
    source = numbered(tmp_path / f"source.{suffix}", *video, "-c:a", codec, frames=50, sound=tone(2))
    clip = probe(source)
    result = _joined(clip, tmp_path, frames=100, rate="50")
    # Bit for bit: sizes and checksums (MPEG-TS wraps AAC in a header of its own, ADTS).
    if suffix == "ts":
        before = ffmpeg("-i", source, "-c:a", "copy", "-bsf:a", "aac_adtstoasc", "-f", "framecrc", "-map", "0:a", "-")
        expected = [b",".join(line.split(b",")[4:6]) for line in before.splitlines() if not line.startswith(b"#")]
    else:
        expected = packets(source, "a:0")
    assert packets(tmp_path / "target.mp4", "a:0") == expected
    assert len(expected) > 10
    assert abs(result.audio[0].start - clip.audio[0].start) <= Fraction(1, 1000)


def test_a_real_clip_keeps_its_six_channels(tmp_path: Path) -> None:
    source = real_clip("bigbuckbunny.mp4")
    clip = probe(source)
    result = _joined(clip, tmp_path, frames=132, rate="25")
    assert packets(tmp_path / "target.mp4", "a:0") == packets(source, "a:0")
    assert [(track.codec, track.channels) for track in result.audio] == [("aac", 6)]


def test_a_clip_without_sound_has_no_plan(tmp_path: Path) -> None:
    clip = probe(numbered(tmp_path / "clip.mp4"))
    assert plan_sound(clip, picture_duration=Fraction(1), output_rate=Fraction(25)) is None


def test_a_drift_below_one_output_frame_is_copied_and_above_is_stretched(tmp_path: Path) -> None:
    clip = probe(numbered(tmp_path / "clip.mp4", *LOSSLESS, "-c:a", "aac", frames=50, sound=tone(2)))
    below = plan_sound(clip, picture_duration=2 + Fraction(39, 1000), output_rate=Fraction(25))
    above = plan_sound(clip, picture_duration=2 + Fraction(40, 1000), output_rate=Fraction(25))
    assert below is not None
    assert above is not None
    assert below.tempo == 1
    assert below.tracks[0].copied
    assert above.tempo == 2 / (2 + Fraction(40, 1000))
    assert not above.tracks[0].copied


@pytest.mark.parametrize(
    ("frames", "rate", "factor"),
    [
        (100, "25", 2),  # slow motion
        (200, "25", 4),
        (50, "50", Fraction(1, 2)),
        (60, "24000/1001", Fraction(60 * 1001, 24000) / 2),
        (50, "1", 25),
        (1, "50", Fraction(1, 100)),
    ],
)
def test_stretched_sound_keeps_its_pitch_and_ends_with_the_picture(
    tmp_path: Path, frames: int, rate: str, factor: Fraction
) -> None:
    clip = probe(numbered(tmp_path / "clip.mp4", *LOSSLESS, "-c:a", "aac", frames=50, sound=tone(2)))
    result = _joined(clip, tmp_path, frames=frames, rate=rate)
    (track,) = result.audio
    assert track.codec == "aac"
    assert track.start == 0
    # The source's sound is 2 s long, but for what fills up AAC's last packet of 1024 samples.
    assert abs(track.duration - 2 * factor) < max(1 / Fraction(rate), Fraction(1025, 48000) * (1 + factor))
    assert abs(result.duration - 2 * factor) < Fraction(1, 1000)
    samples = _samples(tmp_path / "target.mp4")
    if factor >= Fraction(1, 2):
        middle = samples[len(samples) // 4 : len(samples) * 3 // 4]
        assert abs(_pitch(middle) - 440) < 3
        assert np.sqrt((middle**2).mean()) > 0.05  # sine makes it at 1/8


@pytest.mark.parametrize("factor", [2, 4, Fraction(1, 2)])
def test_a_click_stays_at_its_picture(tmp_path: Path, factor: Fraction) -> None:
    # Bursts of 30 ms at 0.5, 1 and 1.5 s.
    sound = (
        *("-f", "lavfi", "-i"),
        "aevalsrc='0.8*sin(2*PI*1000*t)*(lt(abs(t-0.515),0.015)+lt(abs(t-1.015),0.015)+lt(abs(t-1.515),0.015))':d=2",
    )
    clip = probe(numbered(tmp_path / "clip.mp4", *LOSSLESS, "-c:a", "aac", frames=50, sound=sound))
    rate = 25 / Fraction(factor)
    _joined(clip, tmp_path, frames=50, rate=str(rate))
    samples = np.abs(_samples(tmp_path / "target.mp4"))
    for middle in (0.515, 1.015, 1.515):
        around = samples[int((middle - 0.2) * factor * 48000) : int((middle + 0.2) * factor * 48000)]
        times = np.arange(len(around)) / 48000 + (middle - 0.2) * float(factor)
        assert abs((times * around).sum() / around.sum() - middle * float(factor)) < 0.02


@pytest.mark.parametrize("codec", ["pcm_s16le", "libvorbis", "wmav2"])
def test_sound_that_mp4_cannot_hold_becomes_aac_at_its_own_tempo(tmp_path: Path, codec: str) -> None:
    sound = ("-itsoffset", "0.3", *tone(2, pitch=1000))
    clip = probe(numbered(tmp_path / "clip.mkv", *LOSSLESS, "-c:a", codec, frames=60, sound=sound))
    result = _joined(clip, tmp_path, frames=60, rate="25")
    (track,) = result.audio
    assert track.codec == "aac"
    # AAC begins with 1024 samples of silence, and vorbis and wma take a moment too.
    assert abs(track.start - Fraction(3, 10)) < Fraction(7, 100)
    samples = _samples(tmp_path / "target.mp4")
    # Codecs add delays of their own, so what counts is where players of the source hear it.
    heard, loud = (np.flatnonzero(np.abs(played) > 0.05) / 48000 for played in (_samples(clip.path), samples))
    assert abs(heard[0] - 0.3) < 0.05
    assert abs(loud[0] - heard[0]) < 0.01
    assert abs(loud[-1] - heard[-1]) < 0.03
    assert abs(_pitch(samples[24000:72000]) - 1000) < 2


@pytest.mark.parametrize("offset", ["0.4", "-0.4"])
@pytest.mark.parametrize("scale", [1, 2])
def test_sound_that_starts_elsewhere_stays_where_it_was(tmp_path: Path, offset: str, scale: int) -> None:
    sound = ("-itsoffset", offset, *tone(1))
    clip = probe(numbered(tmp_path / "clip.mkv", *LOSSLESS, "-c:a", "flac", frames=50, sound=sound))
    assert abs(clip.audio[0].start - Fraction(offset)) <= Fraction(1, 1000)
    result = _joined(clip, tmp_path, frames=50, rate=str(Fraction(25, scale)))
    # Where it is stretched, AAC begins with 1024 samples of silence.
    early = Fraction(1024, 48000) if scale > 1 else 0
    assert abs(result.audio[0].start + early - clip.audio[0].start * scale) <= early + Fraction(2, 1000)
    assert result.frame_count == 50
    assert [result.time(index) for index in (0, 1, 49)] == [index * Fraction(scale, 25) for index in (0, 1, 49)]
    if scale == 1:
        assert packets(tmp_path / "target.mp4", "a:0") == packets(clip.path, "a:0")
    else:
        loud = np.flatnonzero(np.abs(_samples(tmp_path / "target.mp4")) > 0.05) / 48000
        shift = float(result.times[0] * result.time_base)  # the picture's start
        assert abs(loud[0] - shift - float(offset) * scale) < 0.02


@pytest.mark.parametrize("suffix", ["mp4", "ts", "mkv"])
def test_a_clock_that_does_not_start_at_zero_changes_nothing(tmp_path: Path, suffix: str) -> None:
    plain = numbered(tmp_path / "plain.mp4", "-c:v", "libx264", "-bf", "2", "-c:a", "aac", frames=50, sound=tone(2))
    source = tmp_path / f"source.{suffix}"
    ffmpeg("-i", plain, "-c", "copy", "-output_ts_offset", "7.5", source)
    clip = probe(source)
    before = clip.audio[0].start
    result = _joined(clip, tmp_path, frames=50, rate="25")
    assert abs(result.audio[0].start - before) <= Fraction(1, 1000)


def test_sound_that_is_longer_or_shorter_than_the_picture_stays_so_until_it_is_stretched(tmp_path: Path) -> None:
    for seconds in (1, 3):
        clip = probe(numbered(tmp_path / "clip.mp4", *LOSSLESS, "-c:a", "aac", frames=50, sound=tone(seconds)))
        assert abs(_joined(clip, tmp_path, frames=50, rate="25").audio[0].duration - seconds) < Fraction(1, 20)
        stretched = _joined(clip, tmp_path, frames=50, rate="50")
        assert abs(stretched.audio[0].duration - stretched.duration) < Fraction(1, 50)


def test_every_track_is_kept_also_when_some_are_copied_and_some_are_not(tmp_path: Path) -> None:
    path = numbered(
        tmp_path / "clip.mkv",
        *("-map", "0:v", "-map", "1:a", "-map", "1:a", "-map", "1:a", *LOSSLESS),
        *("-c:a:0", "pcm_s16le", "-c:a:1", "aac", "-c:a:2", "libvorbis", "-ac:a:2", "2"),
        *("-metadata:s:a:0", "language=deu", "-metadata:s:a:1", "language=eng", "-metadata:s:a:2", "language=fra"),
        frames=25,
        sound=tone(),
    )
    result = _joined(probe(path), tmp_path, frames=50, rate="50")
    assert [(track.codec, track.language, track.channels) for track in result.audio] == [
        ("aac", "deu", 1),
        ("aac", "eng", 1),
        ("aac", "fra", 2),
    ]
    assert packets(tmp_path / "target.mp4", "a:1") == packets(path, "a:1")  # 25 frames at 25, 50 at 50: no drift


@pytest.mark.parametrize(("rate", "expected"), [(8000, 8000), (44100, 44100), (96000, 48000), (48000, 48000)])
def test_unusual_sample_rates_become_usual_ones(tmp_path: Path, rate: int, expected: int) -> None:
    clip = probe(numbered(tmp_path / "clip.mkv", *LOSSLESS, "-c:a", "flac", frames=25, sound=tone(rate=rate)))
    (track,) = _joined(clip, tmp_path, frames=50, rate="25").audio
    assert (track.sample_rate, track.codec) == (expected, "aac")
    assert abs(track.duration - 2) < Fraction(1, 5)


@given(tempo=st.fractions(min_value=Fraction(1, 100), max_value=100))
def test_any_tempo_is_a_chain_of_steps_that_atempo_does_well(tempo: Fraction) -> None:
    clip = probe(real_clip("bigbuckbunny.mp4")) if not _CLIPS else _CLIPS[0]
    _CLIPS[:] = [clip]
    plan = plan_sound(clip, picture_duration=clip.duration * 2, output_rate=Fraction(25))
    assert plan is not None
    steps = [
        float(values["tempo"])
        for name, values in stretch_filters(plan.tracks[0], tempo, Fraction(0))
        if name == "atempo"
    ]
    assert all(0.5 <= step <= 2 for step in steps)
    assert math.isclose(math.prod(steps), tempo, rel_tol=1e-9)


_CLIPS: list[Clip] = []
