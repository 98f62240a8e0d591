"""The whole network, in the three stages that are worth remembering apart."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from film.errors import WeightsMismatch
from film.network.compiling import fused
from film.network.config import FilmConfig
from film.network.features import FeatureExtractor
from film.network.flow import FlowEstimator, FlowPyramid, Rivals
from film.network.fusion import Fusion
from film.network.pyramid import (
    flow_pyramid,
    image_pyramid,
    pool,
    project,
    upsample_bilinear,
    warp,
    warp_bicubic,
    window_means,
)
from film.search import inverse_search

__all__ = ["Encoded", "FilmNetwork", "Flows", "Made", "compact", "published"]

_HALF_SIZE_CELL = 2
# What the hypotheses count by themselves: the decoder's motion, each way's flow in the place of the other's, none.
_COUNTS = (1.0, 0.5, 0.15)
_MEAN_WINDOW = 5  # of half-size pixels, two boxes
_SMALLEST_MISMATCH = 1 / 255  # of [0, 1]
_LUMA = (0.299, 0.587, 0.114)  # of red, green and blue


class Encoded(NamedTuple):
    """One image as the network knows it; serves every pair that the image is in."""

    image: tf.Tensor  # (B, H, W, 3) float32 in [0, 1]
    cells: list[tf.Tensor]  # image pyramid on the features' grid, finest first
    features: list[tf.Tensor]  # feature pyramid, finest first


class Flows(NamedTuple):
    """The motion of one pair; serves every instant between its images."""

    forward: FlowPyramid  # first → second: lies on the first's grid, reads the second
    backward: FlowPyramid  # second → first: lies on the second's grid, reads the first


class Made(NamedTuple):
    """An image between two, and what it was made of."""

    image: tf.Tensor  # (B, H, W, 3) float32, not clipped
    x0_warped: tf.Tensor  # both images, moved to the instant; the same shape and type
    x1_warped: tf.Tensor
    # What moved them: (B, h, w, 4) float32, pixels of the level, (dx, dy) from the instant to the first image,
    # then to the second. Finest first; the blend head's first is of full size and its others of half and less.
    motions: list[tf.Tensor]


class FilmNetwork(keras.Model):  # type: ignore[misc]
    """FILM (Reda et al., ECCV 2022, arXiv 2202.04901).

    `encode` each image, find the `flows` of a pair, `render` any instant between. The parts
    can be called by themselves, so that what repeats is computed once; `call` runs all three.

    Invariant: heights and widths are multiples of `config.multiple`.
    """

    def __init__(self, config: FilmConfig, *, mixed_precision: bool = False, **options: Any) -> None:
        """Make a network with fresh weights.

        Args:
            config: Its sizes.
            mixed_precision: Convolve in float16 (for GPUs); weights, flow and the head stay float32.
            options: Keras's own (name).
        """
        super().__init__(**options)
        self.config = config
        self.mixed_precision = mixed_precision
        policy = keras.DTypePolicy("mixed_float16" if mixed_precision else "float32")
        self.extractor = FeatureExtractor(config, dtype=policy, name="features")
        self.estimator = FlowEstimator(config, dtype=policy, name="flow")
        self.fusion = Fusion(config, dtype=policy, name="fusion")
        self.built = True

    def encode(self, image: tf.Tensor) -> Encoded:
        """Find the features of `(B, H, W, 3)` images, float32 RGB in [0, 1], gamma space."""
        cells = self.cells(image)
        return Encoded(image, cells, self.extractor(cells))

    def cells(self, image: tf.Tensor) -> list[tf.Tensor]:
        """Give the pyramid of `(B, H, W, 3)` images on the features' grid, `(B, h, w, image_channels)` a level."""
        levels = image_pyramid(image, self.config.pyramid_levels)
        if self.config.cell > 1:
            levels = [tf.nn.space_to_depth(_even(level), self.config.cell) for level in levels]
        return [tf.cast(level, tf.float16) for level in levels] if self.mixed_precision else levels

    def search(self, first: Encoded, second: Encoded, padding: tf.Tensor | None = None) -> tf.Tensor | None:
        """Find the motion between two images by `film.search`, which runs on the processor and can't be compiled.

        Args:
            first: One image.
            second: The other.
            padding: What of them isn't picture, `(2, 2)` int32 as `inverse_search` takes it; none where left out.

        Returns:
            `(2B, H, W, 2)` float32 as `inverse_search` gives it; `None` if the configuration has no use for it.
        """
        if not self.config.searched_levels:
            return None
        if padding is None:
            padding = tf.zeros((2, 2), tf.int32)
        found = tf.numpy_function(inverse_search, [_luma(first.image), _luma(second.image), padding], tf.float32)
        batch, height, width, _ = first.image.shape
        return tf.ensure_shape(found, (None if batch is None else 2 * batch, height, width, 2))

    def flows(self, first: Encoded, second: Encoded, found: tf.Tensor | None = None) -> Flows:
        """Find the motion between two images, both ways.

        Args:
            first: One image.
            second: The other.
            found: What `search` gave; left out, it is asked.
        """
        if found is None:
            found = self.search(first, second)
        # Both directions as one batch: the coarse levels are too small to keep a processor busy alone.
        ahead = [tf.concat(pair, axis=0) for pair in zip(first.features, second.features, strict=True)]
        back = [tf.concat(pair, axis=0) for pair in zip(second.features, first.features, strict=True)]
        both = self.estimator(ahead, back, rivals=self._rivals(first, second, found))
        halves = [[tf.split(level, 2, axis=0) for level in levels] for levels in both]
        forward, backward = (FlowPyramid(*([level[way] for level in levels] for levels in halves)) for way in (0, 1))
        return Flows(forward, backward)

    def _rivals(self, first: Encoded, second: Encoded, found: tf.Tensor | None) -> Rivals | None:
        if found is None or not self.config.searched_levels:
            return None
        levels = self.config.searched_levels
        ends = list(zip(first.cells[:levels], second.cells[:levels], strict=True))
        flows = flow_pyramid(found, levels + self.config.cell - 1)[self.config.cell - 1 :]
        return Rivals(
            [tf.concat(pair, axis=0) for pair in ends], [tf.concat(pair[::-1], axis=0) for pair in ends], flows
        )

    def render(self, first: Encoded, second: Encoded, flows: Flows, instant: tf.Tensor) -> dict[str, tf.Tensor]:
        """Make the image at `instant`, `(B,)` float32 in (0, 1), between two images.

        A network that was trained at 0.5 alone still follows the instant: its flows are scaled to it.

        Returns:
            `image`: `(B, H, W, 3)` float32, not clipped. `x0_warped`, `x1_warped`: both images, moved to the
            instant; the same shape and type.
        """
        made = self.make(first, second, flows, instant)
        return {"image": made.image, "x0_warped": made.x0_warped, "x1_warped": made.x1_warped}

    def make(self, first: Encoded, second: Encoded, flows: Flows, instant: tf.Tensor) -> Made:
        """Do what `render` does, and tell more."""
        instant = tf.reshape(instant, (-1, 1, 1, 1))
        ways = list(zip(flows.backward.flows, flows.forward.flows, strict=True))
        if self.config.projected:
            ways = [project(back, ahead, instant) for back, ahead in ways]
        motions = [_motion(back, ahead, instant) for back, ahead in ways]
        values = correction = None
        for level in reversed(range(self.config.fusion_pyramid_levels)):
            if correction is not None:
                motions[level] += correction
            aligned = self._align(first, second, level, motions[level])
            values = aligned if values is None else self.fusion.climb(level, values, aligned)
            if level in self.config.corrected_levels:
                found = self.fusion.correction(level, values)
                correction = upsample_bilinear(2.0 * (found if correction is None else correction + found))
        decoded = self.fusion.out(values)
        if self.config.head == "rgb":
            channels = self.config.image_channels
            offset = channels + self.config.feature_channels(0)
            x0_warped = tf.cast(aligned[..., :channels], tf.float32)
            x1_warped = tf.cast(aligned[..., offset : offset + channels], tf.float32)
            return Made(decoded, x0_warped, x1_warped, motions)
        exchanged = None
        if self.config.multi_hypothesis:  # each way's flow, reversed, in the place of the other's
            back, ahead = ways[0]
            exchanged = _motion(-ahead, -back, instant)
        images = first.image, second.image
        image, x0_warped, x1_warped, motion = _blend(decoded, motions[0], exchanged, images, instant)
        return Made(image, x0_warped, x1_warped, [motion, *motions])

    def _align(self, first: Encoded, second: Encoded, level: int, motion: tf.Tensor) -> tf.Tensor:
        """Move both images and their features to the instant, and join them with the motion that did it."""
        warped = [
            warp(tf.concat([end.cells[level], end.features[level]], axis=-1), way)
            for end, way in zip((first, second), tf.split(motion, 2, axis=-1), strict=True)
        ]
        return tf.concat([*warped, tf.cast(motion, warped[0].dtype)], axis=-1)

    def call(self, inputs: Mapping[str, tf.Tensor], training: bool = False) -> dict[str, tf.Tensor]:  # noqa: FBT001, FBT002 (Keras's signature)
        """Run all stages, called as the released SavedModel is.

        Args:
            inputs: `x0`, `x1`: `(B, H, W, 3)` float32 in [0, 1]; `time`: `(B, 1)` float32 in (0, 1).
            training: Unused; nothing here behaves differently then.
        """
        del training
        first, second = self.encode(inputs["x0"]), self.encode(inputs["x1"])
        return self.render(first, second, self.flows(first, second), inputs["time"])

    def named_weights(self) -> dict[str, NDArray[np.float32]]:
        """Give every weight under its name in `config.weight_shapes()`."""
        names = self.config.weight_shapes()
        return {name: weight.numpy() for name, weight in zip(names, self._ordered(), strict=True)}

    def set_named_weights(self, weights: Mapping[str, NDArray[np.float32]]) -> None:
        """Take every weight from `weights`.

        Raises:
            WeightsMismatch: If a name is missing or unknown, or a shape differs; then nothing was changed.
        """
        shapes = self.config.weight_shapes()
        if odd := sorted(set(shapes).symmetric_difference(weights)):
            raise WeightsMismatch(f"weight {odd[0]!r} is {'missing' if odd[0] in shapes else 'unknown'}")
        for name, shape in shapes.items():
            if weights[name].shape != shape:
                raise WeightsMismatch(f"weight {name!r} has the shape {weights[name].shape}, not {shape}")
        for name, weight in zip(shapes, self._ordered(), strict=True):
            weight.assign(weights[name])

    def _ordered(self) -> list[keras.Variable]:
        """List the variables in the order of `config.weight_shapes()`."""
        layers = [layer for stage in self.extractor.stages for layer in stage]
        layers += [layer for predictor in self.estimator.predictors for layer in predictor]
        layers += [layer for level in self.fusion.levels for layer in level]
        corrections = [layer for level in self.fusion.corrections for layer in level]
        layers += [self.fusion.out, *corrections]
        return [variable for layer in layers for variable in (layer.kernel, layer.bias)]

    def get_config(self) -> dict[str, Any]:
        """Give the plain values that `from_config` makes this network of."""
        return {"config": self.config.to_json(), "mixed_precision": self.mixed_precision, "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> "FilmNetwork":
        """Make a network, with fresh weights, from what `get_config` gave."""
        del custom_objects
        return cls(**{**config, "config": FilmConfig.from_json(config["config"])})


def _even(image: tf.Tensor) -> tf.Tensor:
    """Repeat the last row or column of `(B, H, W, C)` where there is an odd number of them."""
    _, height, width, _ = tf.unstack(tf.shape(image))
    padded = tf.pad(image, [[0, 0], [0, height % 2], [0, width % 2], [0, 0]], mode="SYMMETRIC")
    sizes = (None if size is None else size + size % 2 for size in image.shape[1:3])
    return tf.ensure_shape(padded, (image.shape[0], *sizes, image.shape[3]))


@fused
def _luma(image: tf.Tensor) -> tf.Tensor:
    """Weigh the colours as Rec. 601 does: `(B, H, W, 3)` in [0, 1] to `(B, H, W)` uint8."""
    weighted = tf.reduce_sum(tf.clip_by_value(image, 0.0, 1.0) * tf.constant(_LUMA), axis=-1)
    return tf.cast(tf.round(weighted * float(tf.uint8.max)), tf.uint8)


def _motion(back: tf.Tensor, ahead: tf.Tensor, instant: tf.Tensor) -> tf.Tensor:
    """Give what moves the scene from the instant to the first image, and to the second; `(B, h, w, 4)`."""
    return tf.concat([instant * back, (1.0 - instant) * ahead], axis=-1)


@fused
def _blend(
    decoded: tf.Tensor,
    motion: tf.Tensor,
    exchanged: tf.Tensor | None,
    images: tuple[tf.Tensor, tf.Tensor],
    instant: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """Make the image of what the blend head says; give it, both images moved to it, and what moved them.

    Args:
        decoded: What `Fusion.split` takes apart.
        motion: Of the finest level: what `_motion` gave, corrected.
        exchanged: What it gives of both ways exchanged, the second hypothesis; `None` for a single one.
        images: The pair.
        instant: `(B, 1, 1, 1)`.
    """
    parts = Fusion.split(decoded)
    motion = upsample_bilinear(_HALF_SIZE_CELL * motion) + parts.correction
    warped = _moved(images, motion)
    # Where the head has no opinion, the nearer image counts for more: with a logit of 0 this is
    # (1 − t)·first + t·second.
    share = tf.sigmoid(parts.logit + tf.math.log(1.0 - instant) - tf.math.log(instant))
    if exchanged is None:
        image = _mixed(*warped, share)
    else:
        image = _mean((warped, _moved(images, upsample_bilinear(_HALF_SIZE_CELL * exchanged)), images), share)
    return image + parts.residual, *warped, motion


def _moved(images: tuple[tf.Tensor, tf.Tensor], motion: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    to_first, to_second = tf.split(motion, 2, axis=-1)
    return warp_bicubic(images[0], to_first), warp_bicubic(images[1], to_second)


def _mixed(x0_warped: tf.Tensor, x1_warped: tf.Tensor, share: tf.Tensor) -> tf.Tensor:
    return share * x0_warped + (1.0 - share) * x1_warped


def _mean(pairs: Sequence[tuple[tf.Tensor, tf.Tensor]], share: tf.Tensor) -> tf.Tensor:
    """Take the mean over hypotheses, each a pair of images moved to the instant.

    A hypothesis counts for as much less as its two images differ more around a pixel.
    """
    halved = [[pool(image) for image in pair] for pair in pairs]  # a quarter of the work, and the same answer
    mismatches = [tf.reduce_mean(tf.abs(one - other), axis=-1, keepdims=True) for one, other in halved]
    around = window_means(tf.stop_gradient(tf.concat(mismatches, axis=-1)), _MEAN_WINDOW)
    counts = tf.constant(_COUNTS) / (around + _SMALLEST_MISMATCH)
    weights = upsample_bilinear(counts / tf.reduce_sum(counts, axis=-1, keepdims=True))
    weights = tf.split(weights, len(pairs), axis=-1)
    x0_mean, x1_mean = (
        tf.add_n([weight * image for weight, image in zip(weights, images, strict=True)])
        for images in zip(*pairs, strict=True)
    )
    return _mixed(x0_mean, x1_mean, share)


def published(*, mixed_precision: bool = False) -> FilmNetwork:
    """Make the released network's twin; its weights come from `film.weights`."""
    return FilmNetwork(FilmConfig.published(), mixed_precision=mixed_precision)


def compact(*, mixed_precision: bool = False) -> FilmNetwork:
    """Make the compact network; its weights come from `film.weights`."""
    return FilmNetwork(FilmConfig.compact(), mixed_precision=mixed_precision)
