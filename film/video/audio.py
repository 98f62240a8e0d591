"""What becomes of each track of sound when the picture's duration changes, or doesn't.

A track is copied bit for bit where the picture's duration stays (to within one output frame
over the whole clip) and MP4 can hold the codec. Else it becomes AAC; where the
duration changes it is stretched by the same factor, with its pitch kept, so that everything is
heard at the picture that it belongs to. It then ends with the picture: what is left over, often
a few hundredths of a second that stretching would make a long wait of, is cut off, and what is
missing is silent.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from film.video.colour import Filter
from film.video.probe import AudioTrack, Clip

__all__ = ["COPIED", "SoundPlan", "TrackPlan", "aac_options", "plan_sound", "sample_rate", "stretch_filters"]

# What the MP4 registration authority has a code for and ffmpeg from 5.1 on writes without being
# told to be experimental. Browsers play aac, mp3, opus and flac; Apple's players ac3, eac3 and
# alac too. Left out: vorbis (a private code, few players), PCM (ffmpeg 6 and later), DTS.
COPIED = ("aac", "ac3", "alac", "eac3", "flac", "mp2", "mp3", "opus")

# Of ffmpeg's AAC encoder, in Hz (ISO 14496-3, table 1.18). Others become 48 kHz.
_AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_AAC_RATE = 48000
_AAC_CHANNELS = 8
_STEREO = 2
_WINDOWS_PER_SECOND = 24  # of atempo
_BITS_PER_CHANNEL = 64_000  # a second; plus the same once: stereo gets 192 kbit/s
_SLOWEST, _FASTEST = Fraction(1, 2), Fraction(2)  # of one atempo; beyond, it skips samples


@dataclass(frozen=True, kw_only=True)
class TrackPlan:
    """What becomes of one track.

    Attributes:
        track: The source's.
        copied: Whether its packets stay as they are.
        start: When it starts in the output, in seconds after the first picture.
        duration: Of the output, in seconds.
    """

    track: AudioTrack
    copied: bool
    start: Fraction
    duration: Fraction


@dataclass(frozen=True, kw_only=True)
class SoundPlan:
    """What becomes of a clip's sound.

    Attributes:
        tempo: How many times faster it is played; 1 where the duration stays.
        tracks: In the source's order.
    """

    tempo: Fraction
    tracks: tuple[TrackPlan, ...]


def plan_sound(clip: Clip, *, picture_duration: Fraction, output_rate: Fraction) -> SoundPlan | None:
    """Decide what becomes of the clip's sound, or None where it has none.

    Args:
        clip: The source.
        picture_duration: Of the output's picture, in seconds.
        output_rate: Frames per second of the output.
    """
    if not clip.audio:
        return None
    if abs(picture_duration - clip.duration) < 1 / output_rate:
        tracks = tuple(
            TrackPlan(track=track, copied=track.codec in COPIED, start=track.start, duration=track.duration)
            for track in clip.audio
        )
        return SoundPlan(tempo=Fraction(1), tracks=tracks)
    scale = picture_duration / clip.duration
    starts = [track.start * scale for track in clip.audio]
    tracks = tuple(
        TrackPlan(track=track, copied=False, start=start, duration=picture_duration - start)
        for track, start in zip(clip.audio, starts, strict=True)
        if start < picture_duration
    )
    return SoundPlan(tempo=1 / scale, tracks=tracks)


def stretch_filters(plan: TrackPlan, tempo: Fraction, delay: Fraction) -> list[Filter]:
    """Give the filters that make an encoded track, to the sample.

    Args:
        plan: Of the track.
        tempo: Of the whole plan.
        delay: By how much the output's picture starts after its time 0, in seconds.
    """
    rate = sample_rate(plan.track)
    samples = math.ceil(plan.duration * rate)
    shape: dict[str, str | int] = {"sample_rates": rate}
    if plan.track.channels > _AAC_CHANNELS:
        shape["channel_layouts"] = "stereo"
    return [
        # From the track's start on, which isn't where all decoders' first samples are.
        ("asetpts", {"expr": f"PTS-{float(plan.track.start + delay):.9f}/TB"}),
        # Gaps in the source's times become silence, so that what follows them stays in time.
        ("aresample", {"async": 1, "first_pts": 0}),
        ("aformat", shape),
        *(part for factor in _factors(tempo) for part in _stretched(factor, rate)),
        ("apad", {"whole_len": samples}),
        ("atrim", {"end_sample": samples}),
        ("asetpts", {"expr": f"N+{round((plan.start + delay) * rate)}"}),
    ]


def sample_rate(track: AudioTrack) -> int:
    """Give the sample rate in Hz at which a track is encoded: its own, where AAC has it."""
    return track.sample_rate if track.sample_rate in _AAC_RATES else _AAC_RATE


def aac_options(tracks: Sequence[TrackPlan]) -> dict[str, str | int]:
    """Give the output options of every track, numbered in their order."""
    options: dict[str, str | int] = {}
    for number, plan in enumerate(tracks):
        if plan.copied:
            options[f"c:a:{number}"] = "copy"
            continue
        channels = plan.track.channels if 0 < plan.track.channels <= _AAC_CHANNELS else _STEREO
        options[f"c:a:{number}"] = "aac"
        options[f"b:a:{number}"] = _BITS_PER_CHANNEL * (channels + 1)
        if plan.track.language:
            options[f"metadata:s:a:{number}"] = f"language={plan.track.language}"  # a filter loses it
    return options


def _stretched(factor: float, rate: int) -> list[Filter]:
    """Give the filters of one change of tempo, without its two habits.

    atempo works in windows of the power of two samples at or above a 24th of a second. What it gives is early
    by a quarter of one (measured with bursts, at factors from 1/4 to 8, on ffmpeg 5.1 and newer), and
    it swallows the end. Silence in front of and after its input makes up for both.
    """
    window = 1 << math.ceil(math.log2(rate / _WINDOWS_PER_SECOND))
    return [
        ("adelay", {"delays": f"{window // 4}S", "all": 1}),
        ("apad", {"pad_len": window}),
        ("atempo", {"tempo": f"{factor:.12g}"}),
    ]


def _factors(tempo: Fraction) -> list[float]:
    """Split `tempo` into the fewest equal factors that one atempo each does well."""
    if tempo == 1:
        return []
    count = 1
    while not _SLOWEST <= float(tempo) ** (1 / count) <= _FASTEST:
        count += 1
    return [float(tempo) ** (1 / count)] * count
