"""Which encoders can be chosen, and how well and how fast they are to compress."""

from dataclasses import dataclass
from typing import Any

from film.errors import OptionError
from film.video.binaries import check_encoder

__all__ = ["CODECS", "PRESETS", "Encoding"]


@dataclass(frozen=True, kw_only=True)
class _Codec:
    """What we have to know of an encoder.

    Attributes:
        crf: The default of its quality scale: good, visually lossless to most.
        worst: The largest value of that scale.
        odd: The chroma sampling that frames with an odd side get; None where there can be none.
        presets: Whether it knows x264's preset names.
        options: What it needs besides.
    """

    crf: int
    worst: int
    odd: str | None
    presets: bool
    options: dict[str, Any]


# Encoders that make closed groups of pictures, constant quality and 10 bits, in MP4.
CODECS = {
    "libx264": _Codec(crf=17, worst=51, odd="yuv444p", presets=True, options={}),
    "libx265": _Codec(
        crf=19,
        worst=51,
        odd="yuv444p",
        presets=True,
        options={"x265-params": "open-gop=0:log-level=error", "tag:v": "hvc1"},  # hvc1: Apple plays no other
    ),
    "libsvtav1": _Codec(crf=24, worst=63, odd=None, presets=False, options={"preset": 6}),
    "libvpx-vp9": _Codec(
        crf=24, worst=63, odd="yuv420p", presets=False, options={"b:v": 0, "row-mt": 1, "cpu-used": 2}
    ),
}
PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """How frames are compressed.

    Attributes:
        codec: ffmpeg's name of the encoder: one of `CODECS`.
        crf: Constant quality, 0 (lossless in 8-bit H.264) and up; None for a good default.
        preset: Speed against size, as x264 names it; other codecs than x264 and x265 have their own scale
            and ignore it.
    """

    codec: str = "libx264"
    crf: int | None = None
    preset: str = "medium"

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            OptionError: If `codec` or `preset` is unknown, or `crf` outside the codec's scale.
        """
        if self.codec not in CODECS:
            raise OptionError(f"codec {self.codec!r} isn't supported; choose one of {', '.join(CODECS)}")
        worst = CODECS[self.codec].worst
        if self.crf is not None and not 0 <= self.crf <= worst:
            raise OptionError(f"crf must be from 0 (best) to {worst}, not {self.crf}")
        if self.preset not in PRESETS:
            raise OptionError(f"preset must be one of {', '.join(PRESETS)}, not {self.preset!r}")

    def check(self) -> None:
        """Make sure, before any work begins, that our ffmpeg has this encoder.

        Raises:
            FfmpegMissing: If there is no ffmpeg, or it was built without the encoder.
        """
        check_encoder(self.codec)
