"""Which pictures are worth learning from: photographs, each of them once.

Pictures are (H, W, 3) uint8 in OpenCV's order of channels, BGR.
"""

import logging
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["Picture", "distinct_photographs", "is_photograph", "read_picture", "shrink"]

_log = logging.getLogger(__name__)

Picture = NDArray[np.uint8]

_SMALLEST_SIDE = 480  # pixels; below, a crop to train on has no room to move in

# A picture is measured at this long side, in square blocks of this many pixels.
_MEASURED_SIDE = 1024
_BLOCK = 16
# Standard deviation of grey levels in a block. Sensor noise alone exceeds the first; only
# something to see exceeds the second.
_FLAT_DEVIATION, _TEXTURED_DEVIATION = 0.7, 4.0
# Set by eye on some 120 desktop backgrounds: all but the blurriest photographs pass, and
# most drawings, being flat areas and smooth gradients, don't.
_LARGEST_FLAT_SHARE, _SMALLEST_TEXTURED_SHARE = 0.2, 0.25

_HASH_SIDE = 16
_SAME_PICTURE_BITS = 24  # of 256; two unrelated pictures differ in about 128


def read_picture(file: Path) -> Picture | None:
    """Read a picture, turned the way its camera was held, or give nothing where it doesn't decode."""
    picture = cv2.imread(str(file), cv2.IMREAD_COLOR)
    return None if picture is None else np.asarray(picture, dtype=np.uint8)


def shrink(picture: Picture, long_side: int) -> Picture:
    """Scale a picture down until its longer side has at most `long_side` pixels."""
    scale = long_side / max(picture.shape[:2])
    if scale >= 1:
        return picture
    return np.asarray(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def is_photograph(picture: Picture) -> bool:
    """Tell whether a picture is large enough, few of its blocks are perfectly flat and enough show some texture."""
    if min(picture.shape[:2]) < _SMALLEST_SIDE:
        return False
    grey = cv2.cvtColor(shrink(picture, _MEASURED_SIDE), cv2.COLOR_BGR2GRAY).astype(np.float32)
    rows, columns = (side // _BLOCK for side in grey.shape)
    blocks = grey[: rows * _BLOCK, : columns * _BLOCK].reshape(rows, _BLOCK, columns, _BLOCK)
    deviation = blocks.std(axis=(1, 3))
    flat, textured = (deviation < _FLAT_DEVIATION).mean(), (deviation > _TEXTURED_DEVIATION).mean()
    return bool(flat <= _LARGEST_FLAT_SHARE and textured >= _SMALLEST_TEXTURED_SHARE)


def distinct_photographs(files: Iterable[Path]) -> list[Path]:
    """Choose the photographs among picture files, and of each only the largest copy.

    Files that don't decode are passed over. One picture is in memory at a time.
    """
    found: list[tuple[int, Path, NDArray[np.bool_]]] = []
    for file in files:
        picture = read_picture(file)
        if picture is None:
            _log.warning("%s is passed over: it doesn't decode", file.name)
        elif is_photograph(picture):
            found.append((picture.size, file, _fingerprint(picture)))
    chosen: list[Path] = []
    fingerprints: list[NDArray[np.bool_]] = []
    for _, file, fingerprint in sorted(found, key=lambda entry: (-entry[0], entry[1])):
        if all(np.count_nonzero(fingerprint != other) > _SAME_PICTURE_BITS for other in fingerprints):
            chosen.append(file)
            fingerprints.append(fingerprint)
    return chosen


def _fingerprint(picture: Picture) -> NDArray[np.bool_]:
    """Give 256 bits that all sizes and compressions of a picture share: where it grows brighter to the right.

    This is the difference hash, on a picture reduced to 16 rows of 17 pixels.
    """
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    small = np.asarray(cv2.resize(grey, (_HASH_SIDE + 1, _HASH_SIDE), interpolation=cv2.INTER_AREA))
    return np.asarray(small[:, 1:] > small[:, :-1])
