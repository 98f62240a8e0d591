"""What the names that ffmpeg gives to pixel formats say about them."""

import re

__all__ = ["bit_depth_of", "has_alpha", "is_rgb", "is_subsampled"]

_RGB_NAMES = ("rgb", "bgr", "gbr", "argb", "abgr", "0rgb", "0bgr", "x2rgb", "x2bgr", "pal8", "mono")
_ALPHA_NAMES = ("rgba", "bgra", "argb", "abgr", "gbrap", "yuva", "ayuv", "vuya", "ya8", "ya16", "pal8")


def bit_depth_of(pixel_format: str) -> int:
    """Say how many bits a sample of `pixel_format` (ffmpeg's name) has; floating point counts as 16."""
    name = re.sub(r"(msb)?(le|be)$", "", pixel_format)
    if name.startswith(("x2rgb10", "x2bgr10", "xv30", "v30x", "y210", "p010", "p210", "p410", "nv20")):
        return 10
    if name.startswith(("xyz12", "xv36", "y212", "p012", "p212", "p412")):
        return 12
    if name.startswith(
        ("p016", "p216", "p416", "rgb48", "bgr48", "rgba64", "bgra64", "ya16", "y216", "xv48", "ayuv64")
    ):
        return 16
    planar = re.fullmatch(r"(?:yuva?4\d\dp|gbra?p|gray|bayer_[a-z]{4})(9|1\d|f?32|f?16)", name)
    if planar is None:
        return 16 if re.search(r"(f16|f32|rgb96|rgba128)$", name) else 8
    return min(16, int(planar[1].lstrip("f")))


def is_rgb(pixel_format: str) -> bool:
    """Say whether `pixel_format` holds R'G'B' (or an index into it) rather than Y'CbCr or grey."""
    return pixel_format.startswith(_RGB_NAMES)


def has_alpha(pixel_format: str) -> bool:
    """Say whether `pixel_format` holds how opaque each pixel is."""
    return pixel_format.startswith(_ALPHA_NAMES)


def is_subsampled(pixel_format: str) -> tuple[bool, bool]:
    """Say whether `pixel_format` has fewer chroma samples than luma, across and down."""
    digits = "".join(character for character in pixel_format if character.isdigit())
    if digits.startswith(("420", "410")) or pixel_format.startswith(("nv12", "nv21", "p010", "p012", "p016")):
        return True, True
    packed = ("nv16", "nv20", "yuyv", "uyvy", "yvyu", "y210", "y212", "y216", "p210", "p212", "p216")
    return digits.startswith(("422", "411")) or pixel_format.startswith(packed), digits.startswith("440")
