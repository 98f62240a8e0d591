"""What a FILM network is made of, and the shapes that follow from it.

Pure arithmetic: TensorFlow isn't needed to know which weights a configuration has.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self, get_args

from film.errors import OptionError

__all__ = ["FilmConfig"]

Head = Literal["rgb", "blend"]

_RGB = 3
_FLOW = 2  # (dx, dy)
# Of the blend head, for one full-size pixel: blend logit, RGB residual, one flow
# correction for each direction.
_BLEND_HEAD = 1 + _RGB + 2 * _FLOW
_PHASES = 4  # the pixels of one 2×2 cell
_CORRECTION_FILTERS = 32
_HEAD_CONVOLUTION_SIZE = 3
# OpenCV's search takes no image that is smaller (`DISOpticalFlow::calc`).
_SMALLEST_SEARCHED_SIDE = 12


@dataclass(frozen=True, kw_only=True)
class FilmConfig:
    """The sizes of one FILM network (Reda et al. 2022, arXiv 2202.04901, section 3).

    Attributes:
        pyramid_levels: Levels of the image, feature and flow pyramids. The largest motion
            that the network can follow grows as 2^(pyramid_levels − 1).
        fusion_pyramid_levels: The finest levels that are aligned and fused.
        specialized_levels: The finest levels that have a flow predictor of their own; all
            coarser ones share one.
        sub_levels: Stages of the feature tree that is run on every image level.
        filters: Channels of the first stage; each following stage doubles them.
        flow_convs: 3×3 convolutions of each predictor: one entry for every specialized
            level, finest first, then the shared one.
        flow_filters: Channels of these convolutions, in the same order.
        flow_passes: How often each of these predictors is asked at a level of its own, in the same order; empty
            stands for once. What is still missing after a pass is what the next one is asked for.
        head: `"rgb"` ends in a 1×1 convolution to RGB, as published. `"blend"` works at
            half size (every 2×2 cell of pixels becomes 12 channels) and ends in a
            blend of both warped images plus a residual; that is the compact network.
        any_instant: Whether the weights were trained at instants other than 0.5.
        refined: Whether the decoder corrects both flows at every fused level before the next
            finer one is aligned by them. FILM's flows lie on the grids of the two images but
            are used on that of the instant, which is wrong wherever motion isn't smooth; the
            decoder is the first to see both images where the new one is to be. Needs the
            blend head, which already corrects the finest flows so.
        searched_levels: The finest levels at which what the estimator found competes with what `film.search`
            did, with both of the other way round, reversed, and with no motion at all; each pixel keeps the one that
            matches best around it. Needs no weights.
        projected: Whether flows are first carried to the grid of the instant that they are used on: FILM's lie on the
            grids of the two images. Needs no weights.
        multi_hypothesis: Whether the image is a weighted mean of three: by the motion that the decoder ends with, by
            each way's flow put in the place of the other's, and by none. Where nobody can know the motion a
            mean of what is likely is nearer to the truth than any one guess. Needs the blend head, and no weights.
    """

    pyramid_levels: int
    fusion_pyramid_levels: int
    specialized_levels: int
    sub_levels: int
    filters: int
    flow_convs: tuple[int, ...]
    flow_filters: tuple[int, ...]
    flow_passes: tuple[int, ...] = ()
    head: Head = "rgb"
    any_instant: bool = False
    refined: bool = False
    searched_levels: int = 0
    projected: bool = False
    multi_hypothesis: bool = False

    def __post_init__(self) -> None:
        """Check the invariants.

        Raises:
            OptionError: If a value is of the wrong type, a size isn't positive, the fused or specialized levels
                exceed the pyramid, the sub-tree is deeper than the specialized levels allow, or the predictors'
                lists don't have `specialized_levels + 1` entries.
        """
        for name in ("pyramid_levels", "fusion_pyramid_levels", "specialized_levels", "sub_levels", "filters"):
            if not _is_size(getattr(self, name)):
                raise OptionError(f"{name} must be a whole number of at least 1, not {getattr(self, name)!r}")
        self._check_levels()
        for name in ("flow_convs", "flow_filters"):
            self._check_predictors(name)
        if self.flow_passes != ():
            self._check_predictors("flow_passes")
        if any(filters % 2 for filters in self.flow_filters):
            raise OptionError(f"flow_filters are halved once, so they must be even, not {self.flow_filters}")
        if self.head not in get_args(Head):
            raise OptionError(f"head must be 'rgb' or 'blend', not {self.head!r}")
        for name in ("any_instant", "refined", "projected", "multi_hypothesis"):
            if not isinstance(getattr(self, name), bool):
                raise OptionError(f"{name} must be true or false, not {getattr(self, name)!r}")
        self._check_search()
        if self.refined and self.head != "blend":
            raise OptionError("refined needs the blend head, which starts as a plain blend by the flows it is given")
        if self.multi_hypothesis and self.head != "blend":
            raise OptionError("multi_hypothesis needs the blend head: the other has no images to take the mean of")

    def _check_levels(self) -> None:
        if self.fusion_pyramid_levels > self.pyramid_levels:
            raise OptionError(
                f"fusion_pyramid_levels ({self.fusion_pyramid_levels}) can't exceed "
                f"pyramid_levels ({self.pyramid_levels})"
            )
        if self.specialized_levels >= self.pyramid_levels:
            raise OptionError(
                f"specialized_levels ({self.specialized_levels}) must be below "
                f"pyramid_levels ({self.pyramid_levels}): the coarsest level uses the shared predictor"
            )
        if self.sub_levels > self.specialized_levels + 1:
            # A coarser level would have more feature channels than the shared predictor's first.
            raise OptionError(
                f"sub_levels ({self.sub_levels}) can't exceed specialized_levels + 1 "
                f"({self.specialized_levels + 1}): all levels of the shared predictor need the same channels"
            )

    def _check_search(self) -> None:
        if self.searched_levels != 0 and not _is_size(self.searched_levels):
            raise OptionError(f"searched_levels must be a whole number of at least 0, not {self.searched_levels!r}")
        if self.searched_levels > self.pyramid_levels:
            raise OptionError(
                f"searched_levels ({self.searched_levels}) can't exceed pyramid_levels ({self.pyramid_levels})"
            )
        if self.searched_levels and self.multiple < _SMALLEST_SEARCHED_SIDE:
            raise OptionError(
                f"searched_levels needs images of at least {_SMALLEST_SEARCHED_SIDE} pixels, and these sizes allow for "
                f"{self.multiple}: take more fusion_pyramid_levels"
            )

    def _check_predictors(self, name: str) -> None:
        values = getattr(self, name)
        if not isinstance(values, tuple) or not all(_is_size(value) for value in values):
            raise OptionError(f"{name} must be a tuple of whole numbers of at least 1, not {values!r}")
        if len(values) != self.specialized_levels + 1:
            raise OptionError(
                f"{name} needs {self.specialized_levels + 1} entries (one for every specialized "
                f"level and the shared one), not {len(values)}"
            )

    @classmethod
    def published(cls) -> Self:
        """Give the configuration of the three released networks (L1, VGG, Style): 34.4 M parameters."""
        return cls(
            pyramid_levels=7,
            fusion_pyramid_levels=5,
            specialized_levels=3,
            sub_levels=4,
            filters=64,
            flow_convs=(3, 3, 3, 3),
            flow_filters=(32, 64, 128, 256),
        )

    @classmethod
    def compact(cls) -> Self:
        """Give the configuration of the bundled network, which a laptop CPU can run: 0.87 M parameters."""
        return cls(
            pyramid_levels=6,
            fusion_pyramid_levels=4,
            specialized_levels=3,
            sub_levels=3,
            filters=16,
            flow_convs=(2, 2, 2, 2),
            flow_filters=(16, 32, 48, 64),
            head="blend",
            any_instant=True,
            flow_passes=(1, 1, 2, 2),
            refined=True,
            searched_levels=2,
            projected=True,
            multi_hypothesis=True,
        )

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Make a configuration from what `to_json` gave.

        Raises:
            OptionError: If a name is unknown or missing, or a value breaks an invariant.
        """
        plain: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
        }
        try:
            return cls(**plain)
        except TypeError as error:
            raise OptionError(f"not a FILM configuration: {error}") from error

    def to_json(self) -> dict[str, Any]:
        """Give plain values that JSON can hold."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @property
    def cell(self) -> int:
        """Pixels that one finest feature spans along an axis: 1, or 2 in the blend head's half-size network."""
        return 2 if self.head == "blend" else 1

    @property
    def multiple(self) -> int:
        """What height and width have to be a multiple of, in pixels.

        The fused levels have to double exactly; coarser ones, of odd sizes too, are cut to size. The published
        networks' pictures are padded to the coarsest level nevertheless, as their authors pad them.
        """
        return self.stride if self.head == "rgb" else int(2 ** (self.fusion_pyramid_levels - 1)) * self.cell

    @property
    def stride(self) -> int:
        """What tiles of one picture have to begin at multiples of, in pixels, for all levels to halve alike."""
        return int(2 ** (self.pyramid_levels - 1)) * self.cell

    @property
    def image_channels(self) -> int:
        """Channels of one level of the image as the features see it: RGB of every pixel in a cell."""
        return _RGB * self.cell**2

    def feature_channels(self, level: int) -> int:
        """Count the channels of feature level `level` (0 = finest): stages 0 to min(level, sub_levels − 1)."""
        return sum(self.filters * 2**stage for stage in range(min(level + 1, self.sub_levels)))

    def predictor(self, level: int) -> int:
        """Say which flow predictor serves level `level`: its own, or the shared one (the last)."""
        return min(level, self.specialized_levels)

    def passes(self, level: int) -> int:
        """Say how often the predictor of level `level` is asked there."""
        return self.flow_passes[self.predictor(level)] if self.flow_passes else 1

    def aligned_channels(self, level: int) -> int:
        """Count the channels of aligned level `level`: both warped images with features, both flows."""
        return 2 * (self.image_channels + self.feature_channels(level) + _FLOW)

    def fusion_channels(self, level: int) -> int:
        """Count the channels that the decoder holds at fused level `level`; it starts from the coarsest as aligned."""
        if level == self.fusion_pyramid_levels - 1:
            return self.aligned_channels(level)
        return int(self.filters * 2 ** min(level, self.specialized_levels))

    @property
    def corrected_levels(self) -> range:
        """Give the fused levels, finest first, at which the decoder corrects the flows for the next finer one."""
        return range(1, self.fusion_pyramid_levels if self.refined else 1)

    @property
    def encoded_per_pixel(self) -> float:
        """Count the floats per full-size pixel that one image's pyramids take: its cells and its features."""
        channels = [self.image_channels + self.feature_channels(level) for level in range(self.pyramid_levels)]
        return float(sum(count / 4**level for level, count in enumerate(channels)) / self.cell**2)

    @property
    def activations_per_pixel(self) -> float:
        """Count the floats per full-size pixel that one pair keeps: both pyramids, what is aligned and searched for."""
        aligned = sum(self.aligned_channels(level) / 4**level for level in range(self.fusion_pyramid_levels))
        return 2 * self.encoded_per_pixel + float(aligned / self.cell**2) + self._searched_per_pixel

    @property
    def _searched_per_pixel(self) -> float:
        """Count the floats per full-size pixel of the flows searched for, both ways: of full size and halved."""
        sizes = range(self.searched_levels + self.cell - 1 if self.searched_levels else 0)
        return float(2 * _FLOW * sum(1 / 4**size for size in sizes))

    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        """Name every weight and its shape, in the order in which the released checkpoints hold them.

        Convolution kernels are (height, width, channels in, channels out), biases (channels out,).
        """
        shapes: dict[str, tuple[int, ...]] = {}

        def convolution(name: str, size: int, channels_in: int, channels_out: int) -> int:
            shapes[f"{name}/kernel"] = (size, size, channels_in, channels_out)
            shapes[f"{name}/bias"] = (channels_out,)
            return channels_out

        channels = self.image_channels
        for stage in range(self.sub_levels):
            for part in "ab":
                channels = convolution(f"features/stage_{stage}/{part}", 3, channels, self.filters * 2**stage)

        for index, (count, filters) in enumerate(zip(self.flow_convs, self.flow_filters, strict=True)):
            name = "shared" if index == self.specialized_levels else str(index)
            channels = 2 * self.feature_channels(index)
            for position in range(count):
                channels = convolution(f"flow/{name}/conv_{position}", 3, channels, filters)
            channels = convolution(f"flow/{name}/squeeze", 1, channels, filters // 2)
            convolution(f"flow/{name}/out", 1, channels, _FLOW)

        for level in range(self.fusion_pyramid_levels - 1):
            filters = self.fusion_channels(level)
            convolution(f"fusion/{level}/up", 2, self.fusion_channels(level + 1), filters)
            convolution(f"fusion/{level}/a", 3, self.aligned_channels(level) + filters, filters)
            convolution(f"fusion/{level}/b", 3, filters, filters)
        if self.head == "rgb":
            convolution("fusion/out", 1, self.fusion_channels(0), _RGB)
        else:
            convolution("fusion/out", _HEAD_CONVOLUTION_SIZE, self.fusion_channels(0), _PHASES * _BLEND_HEAD)
        for level in self.corrected_levels:
            filters = convolution(f"fusion/{level}/motion_a", 3, self.fusion_channels(level), _CORRECTION_FILTERS)
            convolution(f"fusion/{level}/motion_b", 3, filters, 2 * _FLOW)
        return shapes


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
