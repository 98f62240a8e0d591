"""What is to become of a clip, and whether that is more than the house makes: all before any work begins."""

import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from urllib.parse import unquote, urlsplit

from film.pipeline import retime
from film.segments import Recipe
from film.video import Clip, Encoding, SoundPlan, plan_sound
from service.errors import OutputTooLarge, SourceTooLarge
from service.intake import ARTIFACT
from service.jobs import Options, price_of
from service.settings import Settings

__all__ = ["Plan", "plan", "result_name"]

# Of a still picture in H.264 at our quality; what moves takes tens of times more. So nothing is
# refused that might have fitted, and what doesn't fit after all is stopped when that shows.
_LEAST_BITS_PER_PIXEL = 0.02
_LONGEST_NAME = 60  # characters


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to become of a clip.

    Attributes:
        recipe: Of its pictures.
        sound: Of its sound; None for none.
        price: Credits for all frames that the network would make, held cuts included.
    """

    recipe: Recipe
    sound: SoundPlan | None
    price: Decimal


def plan(clip: Clip, options: Options, settings: Settings) -> Plan:
    """Say what is to become of a clip.

    Raises:
        SourceTooLarge: If its frames are too large, or it is too long.
        OutputTooLarge: If more frames or bytes would come out than are made.
        TooFewFrames: If nothing lies between its frames.
        OptionError: If the options don't suit it.
    """
    _check_source(clip, settings)
    retiming = retime(
        clip,
        multiplier=options.frame_multiplier,
        output_rate=Fraction(options.output_fps),
        keep_duration=options.keep_duration,
    )
    frames = retiming.output_frame_count
    if frames > settings.max_output_frames:
        raise OutputTooLarge(f"the result would have {frames} frames; this service makes {settings.max_output_frames}")
    if clip.width * clip.height * frames * _LEAST_BITS_PER_PIXEL / 8 > settings.max_output_bytes:
        raise OutputTooLarge(f"the result would be larger than {settings.max_output_bytes} bytes")
    sound = None
    if options.preserve_audio:
        sound = plan_sound(clip, picture_duration=retiming.output_duration, output_rate=retiming.rate)
    return Plan(
        recipe=Recipe(clip=clip, retiming=retiming, encoding=Encoding(), scene_detection=options.scene_detection),
        sound=sound,
        price=price_of(
            width=clip.width,
            height=clip.height,
            made=retiming.made_frame_count,
            per_megapixel=settings.price_per_megapixel,
        ),
    )


def result_name(input_video: str) -> str:
    """Give the name of a result's file: the source's, as far as it has one and its characters are plain."""
    if input_video.startswith(ARTIFACT):
        return "video.mp4"
    last = unquote(urlsplit(input_video).path).rpartition("/")[2]
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", last.rpartition(".")[0] or last)[:_LONGEST_NAME].strip("-")
    return f"{stem or 'video'}.mp4"


def _check_source(clip: Clip, settings: Settings) -> None:
    if clip.width * clip.height > settings.max_source_pixels:
        raise SourceTooLarge(
            f"input_video has frames of {clip.width}×{clip.height} pixels; "
            f"this service takes {settings.max_source_pixels} pixels"
        )
    if clip.duration > settings.max_source_seconds:
        raise SourceTooLarge(
            f"input_video lasts {float(clip.duration):.1f} seconds; this service takes {settings.max_source_seconds:g}"
        )
