"""What a clip's numbers mean as colours, and how both conversions are told so.

Decoding to RGB and encoding back use the same matrix and the same range, so a frame that
passes through comes out as it went in, whatever the tags say. The tags themselves go on to
the output. A clip without a matrix tag stays without one, and is converted by the rule by
which players guess: source and output have one size, so they guess the same for both.

Two habits of ffmpeg's scaler are worked around, so that 8 and more bits, both ranges, and old
and new versions give the same numbers (measured, with ramps of every matrix):

- its 16-bit RGB reaches 255·256 for white, not 65535, and something else again where
  the source is full range; a table (`lutrgb`) maps it to the whole scale and back;
- writing full range it rounds by up to half a step to one side in newer versions; so full
  range is written as limited range in 16 bits and stretched by a table (`lutyuv`).
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from film.video.pixel_formats import has_alpha, is_rgb, is_subsampled

__all__ = ["Colour", "Filter", "filters_from_rgb", "filters_to_rgb", "matrix_for"]

Filter = tuple[str, dict[str, Any]]  # its name and its options

# Players' rule for untagged video (mpv's, for one): HD is BT.709, smaller is BT.601.
_HD_WIDTH = 1280
_SD_HEIGHT = 576

# Tags (as ffmpeg prints them) to the matrices that its scaler knows. What isn't named here
# (ICtCp, YCgCo and others that are rare or not linear in R'G'B') is converted by the guess for
# the size: the network sees other hues, but what passes through comes back as it was.
_MATRICES = {
    "bt709": "bt709",
    "fcc": "fcc",
    "bt470bg": "bt601",
    "smpte170m": "bt601",
    "smpte240m": "smpte240m",
    "bt2020nc": "bt2020",
    "bt2020c": "bt2020",
}

# Where a chroma sample lies among its luma samples, as (horizontal, vertical) in 1/256 of a
# luma step: what the scaler's *_chr_pos options take.
_SITINGS = {
    "left": (0, 128),
    "center": (128, 128),
    "topleft": (0, 0),
    "top": (128, 0),
    "bottomleft": (0, 256),
    "bottom": (128, 256),
}
_DEFAULT_SITING = "left"  # MPEG-2's and H.264's (ITU-T H.264, E.2.1: chroma_sample_loc_type 0)

# Exact rounding, and chroma interpolated at full resolution in both directions.
_EXACT = {"flags": "bicubic+accurate_rnd+full_chroma_int+full_chroma_inp", "sws_dither": "none"}

_BYTE = 8
_WORD = 16
_FULL_SCALE = (1 << _WORD) - 1
_SCALER_WHITE = 255 << _BYTE  # of its 16-bit RGB, and 219 and 224 << 8 are its limited ranges
# BT.601's and BT.709's limited range in 16 bits: black, and the spans of luma and chroma.
_BLACK, _LUMA, _GREY, _CHROMA = 16 << _BYTE, 219 << _BYTE, 128 << _BYTE, 224 << _BYTE


@dataclass(frozen=True, kw_only=True)
class Colour:
    """How a clip's Y'CbCr is to be read (ITU-T H.273). None: the clip doesn't say.

    Attributes:
        matrix: Between R'G'B' and Y'CbCr, as ffmpeg names it: `"bt709"`, `"smpte170m"`, …
        primaries: The chromaticities of red, green, blue and white.
        transfer: From light to code values: `"bt709"`, `"smpte2084"`, …
        full_range: Whether luma fills 0 to 255 (8 bits); else 16 to 235.
        range_tagged: Whether the clip itself says which range.
        siting: Where chroma samples lie among luma samples: `"left"`, `"center"`, `"topleft"`, …
    """

    matrix: str | None = None
    primaries: str | None = None
    transfer: str | None = None
    full_range: bool = False
    range_tagged: bool = False
    siting: str | None = None


def matrix_for(colour: Colour, size: tuple[int, int]) -> str:
    """Name the scaler's matrix for a clip of `size` (width, height) in pixels."""
    guess = "bt709" if size[0] >= _HD_WIDTH or size[1] > _SD_HEIGHT else "bt601"
    return _MATRICES.get(colour.matrix or "", guess)


def filters_to_rgb(colour: Colour, size: tuple[int, int], pixel_format: str, bit_depth: int) -> list[Filter]:
    """Give the filters from a decoder's frames to R'G'B' of `size`, or R'G'B'A where they have alpha.

    Args:
        colour: How the frames are to be read.
        size: (width, height) of the result in pixels.
        pixel_format: Of the frames, as ffmpeg names it.
        bit_depth: Of the frames. Above 8 the result is rgb48le or rgba64le (0 to 65535), else
            rgb24 or rgba. Alpha stays as it was, in the upper `bit_depth` bits.
    """
    options: dict[str, Any] = {"w": size[0], "h": size[1], "out_range": "full", **_EXACT}
    if not is_rgb(pixel_format):
        options["in_color_matrix"] = matrix_for(colour, size)
        options["in_range"] = "full" if colour.full_range else "limited"
        options |= _siting_options("in", pixel_format, colour.siting)
    shallow, deep = ("rgba", "rgba64le") if has_alpha(pixel_format) else ("rgb24", "rgb48le")
    if bit_depth <= _BYTE:
        return [("scale", options), ("format", {"pix_fmts": shallow})]
    filters: list[Filter] = [("scale", options), ("format", {"pix_fmts": deep})]
    if not is_rgb(pixel_format):
        white = ((1 << bit_depth) - 1) << (_WORD - bit_depth) if colour.full_range else _SCALER_WHITE
        filters += [_table_rgb(Fraction(_FULL_SCALE, white)), ("format", {"pix_fmts": deep})]
    return filters


def filters_from_rgb(colour: Colour, size: tuple[int, int], pixel_format: str, bit_depth: int) -> list[Filter]:
    """Give the filters from R'G'B' (rgb24, or rgb48le where `bit_depth` exceeds 8) to an encoder.

    Args:
        colour: What the encoder's frames are to be, and are tagged as.
        size: (width, height) in pixels.
        pixel_format: Planar Y'CbCr, as ffmpeg names it.
        bit_depth: Of `pixel_format`.
    """
    to_ycbcr = {"in_range": "full", "out_range": "limited", "out_color_matrix": matrix_for(colour, size), **_EXACT}
    siting = _siting_options("out", pixel_format, None)
    filters: list[Filter]
    if bit_depth <= _BYTE and not colour.full_range:
        filters = [("scale", to_ycbcr | siting)]
    else:
        filters = [("scale", to_ycbcr), ("format", {"pix_fmts": "yuv444p16le"})]
        if bit_depth > _BYTE:
            # 65535 back to the scaler's white. 256/257 is exactly that.
            filters = [_table_rgb(Fraction(_SCALER_WHITE, _FULL_SCALE)), ("format", {"pix_fmts": "rgb48le"}), *filters]
        if colour.full_range:
            filters.append(_stretch(bit_depth))
        filters.append(("scale", {"in_range": "limited", "out_range": "limited", **_EXACT} | siting))
    tags = {
        "range": "pc" if colour.full_range else "tv" if colour.range_tagged else "unknown",
        "colorspace": colour.matrix or "unknown",
        "color_primaries": colour.primaries or "unknown",
        "color_trc": colour.transfer or "unknown",
    }
    return [*filters, ("format", {"pix_fmts": pixel_format}), ("setparams", tags)]


def _table_rgb(factor: Fraction) -> Filter:
    value = f"val*{factor.numerator}/{factor.denominator}+0.5"  # the table cuts off decimals
    return "lutrgb", {"r": value, "g": value, "b": value}


def _stretch(bit_depth: int) -> Filter:
    """Stretch 16-bit limited range so that its upper `bit_depth` bits are full range."""
    top = ((1 << bit_depth) - 1) << (_WORD - bit_depth)
    chroma = f"(val-{_GREY})*{top}/{_CHROMA}+{_GREY}+0.5"
    return "lutyuv", {"y": f"(val-{_BLACK})*{top}/{_LUMA}+0.5", "u": chroma, "v": chroma}


def _siting_options(side: str, pixel_format: str, siting: str | None) -> dict[str, int]:
    """Say where chroma lies on the scaler's `side`, for formats with less chroma than luma."""
    across, down = _SITINGS.get(siting or "", _SITINGS[_DEFAULT_SITING])
    horizontal, vertical = is_subsampled(pixel_format)
    return ({f"{side}_h_chr_pos": across} if horizontal else {}) | ({f"{side}_v_chr_pos": down} if vertical else {})
