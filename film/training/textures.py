"""The photographs and clips that training pictures are cut from."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from film.errors import TrainingError
from film.training.selection import shrink

__all__ = ["PHOTOGRAPHS", "VIDEOS", "Textures", "load"]

logger = logging.getLogger(__name__)

Picture = NDArray[np.uint8]  # (H, W, 3), RGB

PHOTOGRAPHS = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})
VIDEOS = frozenset({".mp4", ".mkv", ".mov", ".webm", ".avi", ".m4v"})

# A crop has to have room to move, and a long side beyond this only costs memory: crops are
# at most a few hundred pixels wide.
_SMALLEST_SIDE = 192
_LONGEST_SIDE = 1280
# Frames kept of one clip; at 1280×720 that is 0.7 GB.
_MOST_FRAMES = 260
_SHORTEST_CLIP = 3
# Every tenth photograph is kept from training, to validate on.
_VALIDATION_EVERY = 10


@dataclass(frozen=True)
class Textures:
    """What to cut from: photographs, each at full, half and quarter size, and runs of real frames."""

    photographs: Sequence[Sequence[Picture]]
    clips: Sequence[Sequence[Picture]]

    def training(self) -> "Textures":
        """Give the part to learn from: nine of ten photographs, and the first four fifths of every clip."""
        kept = [levels for index, levels in enumerate(self.photographs) if index % _VALIDATION_EVERY]
        return Textures(kept, _usable(clip[: len(clip) * 4 // 5] for clip in self.clips))

    def validation(self) -> "Textures":
        """Give the part that training never sees."""
        last_fifths = _usable(clip[len(clip) * 4 // 5 :] for clip in self.clips)
        return Textures(self.photographs[::_VALIDATION_EVERY], last_fifths)


def load(directories: Iterable[Path]) -> Textures:
    """Read all photographs and videos below `directories`, in the order of their paths.

    Raises:
        TrainingError: If a folder is missing, or there are fewer than 20 usable photographs.
    """
    photographs: list[list[Picture]] = []
    clips: list[Sequence[Picture]] = []
    for directory in directories:
        if not directory.is_dir():
            raise TrainingError(f"{directory} is not a folder; give folders of photographs and videos to learn from")
        for path in sorted(directory.rglob("*")):
            if path.suffix.lower() in PHOTOGRAPHS:
                picture = _read_photograph(path)
                if picture is not None:
                    photographs.append(_levels(picture))
            elif path.suffix.lower() in VIDEOS:
                clips.append(_read_clip(path))
    clips = _usable(clips)
    if len(photographs) < 2 * _VALIDATION_EVERY:
        raise TrainingError(
            f"only {len(photographs)} usable photographs (at least {_SMALLEST_SIDE} px on the short side) were found; "
            f"{2 * _VALIDATION_EVERY} are the least to learn from, and hundreds are better"
        )
    logger.info("textures loaded", extra={"photographs": len(photographs), "clips": len(clips)})
    return Textures(photographs, clips)


def _usable(clips: Iterable[Sequence[Picture]]) -> list[Sequence[Picture]]:
    """Leave out the clips that are too short for two neighbours and one between."""
    return [clip for clip in clips if len(clip) >= _SHORTEST_CLIP]


def _read_photograph(path: Path) -> Picture | None:
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        logger.warning("unreadable photograph left out", extra={"file": path.name})
        return None
    rgb = shrink(np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8), _LONGEST_SIDE)
    return rgb if min(rgb.shape[:2]) >= _SMALLEST_SIDE else None


def _levels(picture: Picture) -> list[Picture]:
    """Give the picture at full, half and quarter size, so that none is read at a step that aliases."""
    levels = [picture]
    while len(levels) < 3:  # noqa: PLR2004 (full, half, quarter)
        levels.append(np.asarray(cv2.resize(levels[-1], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8))
    return levels


def _read_clip(path: Path) -> list[Picture]:
    capture = cv2.VideoCapture(str(path))
    frames: list[Picture] = []
    while len(frames) < _MOST_FRAMES:
        more, frame = capture.read()
        if not more:
            break
        frames.append(shrink(np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), np.uint8), _LONGEST_SIDE))
    capture.release()
    if len(frames) < _SHORTEST_CLIP:
        logger.warning("clip without enough readable frames left out", extra={"file": path.name})
    return frames
