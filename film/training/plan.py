"""How a network is to be trained."""

import math
from dataclasses import dataclass, field
from pathlib import Path

from film.errors import OptionError
from film.network import FilmConfig

__all__ = ["Plan"]

# In smaller crops there is no motion to speak of, and `film.search` takes none under 12.
_SMALLEST_SIZE = 16


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How to train.

    Attributes:
        textures: Folders of photographs and videos to learn from.
        minutes: When to be done: the learning rate falls as a half cosine over this time, resumed runs included.
        size: Height and width of the crops, pixels; at least 16, a multiple of the network's.
        batch: Crops in a step.
        learning_rate: Adam's, at the start.
        warp_weight: What the warped images count at the start, beside the picture; falls to a hundredth.
        motion_weight: What a pixel's error of the true motion, where it is known, counts at the start, beside the
            picture; falls to a hundredth.
        decibel_weight: What a decibel of the mean squared error counts, beside the mean error.
        average: Share of the running average of the weights that a step leaves as it was.
        seed: Of everything drawn.
        validation: How many triplets to validate on.
        network: The sizes of the network.
    """

    textures: tuple[Path, ...]
    minutes: float
    size: int = 128
    batch: int = 4
    learning_rate: float = 8e-4
    warp_weight: float = 0.5
    motion_weight: float = 0.01
    decibel_weight: float = 0.004
    average: float = 0.999
    seed: int = 0
    validation: int = 48
    network: FilmConfig = field(default_factory=FilmConfig.compact)

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            OptionError: If a number isn't positive and finite (the loss's weights and `seed` may be 0), `average`
                isn't in [0, 1), or `size` is below 16 or isn't a multiple of the network's.
        """
        for name in ("minutes", "size", "batch", "learning_rate", "validation"):
            if not 0 < getattr(self, name) < math.inf:
                raise OptionError(f"{name} must be positive, not {getattr(self, name)}")
        for name in ("warp_weight", "motion_weight", "decibel_weight", "seed"):
            if not 0 <= getattr(self, name) < math.inf:
                raise OptionError(f"{name} can't be {getattr(self, name)}: 0 is the least")
        if not 0 <= self.average < 1:
            raise OptionError(f"average must be at least 0 and below 1, not {self.average}")
        if self.size < _SMALLEST_SIZE:
            raise OptionError(f"size must be at least {_SMALLEST_SIZE} pixels, not {self.size}")
        if self.size % self.network.multiple:
            raise OptionError(f"size must be a multiple of {self.network.multiple}, not {self.size}")
