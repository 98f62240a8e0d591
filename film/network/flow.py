"""Where each pixel of one image lies in the other: coarse-to-fine flow."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from film.network.compiling import fused
from film.network.config import FilmConfig
from film.network.layers import convolution
from film.network.pyramid import upsample_bilinear, warp, window_means

__all__ = ["FlowEstimator", "FlowPyramid", "Rivals", "closest"]

# The first flows are all but zero, so that training starts from the plain blend.
_INITIAL_FLOW_SCALE = 1e-4

# Two boxes of this many pixels, one after the other, are the window that a match is judged by.
_WINDOW = 11
# What the others' mismatches count beside that of the estimator's flow.
_RIVALS_SHARE = 0.9
# Of [0, 1]: mismatches well below this don't count.
_MATCH_EPSILON = 1e-2


class FlowPyramid(NamedTuple):
    """Flow from one image to another: levels finest first, `(B, h, w, 2)` float32, pixels of the level."""

    flows: list[tf.Tensor]
    residuals: list[tf.Tensor]  # what each level added to the one below it


class Rivals(NamedTuple):
    """What the estimator's flow has to compete with, at the finest levels; finest first.

    The batch holds pairs one way round, and then the same pairs the other way round: motion that is seen one way may be
    hidden the other way, so each way's flows, reversed, compete for the other as well.
    """

    first: Sequence[tf.Tensor]  # what matches are judged by, `(B, h, w, C)`: the image on whose grid the flow lies
    second: Sequence[tf.Tensor]  # the image that it reads
    flows: Sequence[tf.Tensor]  # another flow of each of these levels, `(B, h, w, 2)`


class FlowEstimator(keras.layers.Layer):  # type: ignore[misc]
    """Residual flow over a feature pyramid (FILM section 3.2).

    The coarsest level guesses the flow from both features alone. Each finer level doubles what
    it was handed, warps the second image's features by it, and predicts only what is still
    missing. All levels from `specialized_levels` on share one predictor: features look alike
    at every scale, so what was learnt of small motion at fine levels serves large motion at
    coarse ones. Where the configuration says so, a level is gone over more than once, and at the
    finest levels its flow competes with one that was found otherwise.
    """

    def __init__(self, config: FilmConfig, **options: Any) -> None:
        """Make the predictors that `config` asks for; `options` are Keras's own (name, dtype)."""
        super().__init__(autocast=False, **options)
        self.config = config
        self.predictors: list[list[keras.layers.Layer]] = []
        for level, (count, filters) in enumerate(zip(config.flow_convs, config.flow_filters, strict=True)):
            channels = 2 * config.feature_channels(level)
            layers = []
            for _ in range(count):
                layers.append(convolution(channels, filters, 3, dtype=self.dtype_policy))
                channels = filters
            layers.append(convolution(channels, filters // 2, 1, dtype=self.dtype_policy))
            layers.append(
                convolution(filters // 2, 2, 1, dtype=self.dtype_policy, linear=True, initial_scale=_INITIAL_FLOW_SCALE)
            )
            self.predictors.append(layers)
        self.built = True

    def call(
        self, first: Sequence[tf.Tensor], second: Sequence[tf.Tensor], rivals: Rivals | None = None
    ) -> FlowPyramid:
        """Find the flow that carries the grid of `first` to the matching places in `second`.

        Args:
            first: Feature pyramid of the image on whose grid the flow lies.
            second: Feature pyramid of the image that the flow reads.
            rivals: What was found otherwise, as many levels as `config.searched_levels`; `None` for nothing.
        """
        flows: list[tf.Tensor] = []
        residuals: list[tf.Tensor] = []
        for level in reversed(range(len(first))):
            handed = _cut(upsample_bilinear(2.0 * flows[0]), first[level]) if flows else None
            flow = handed
            for _ in range(self.config.passes(level)):
                if flow is None:  # nothing is known yet
                    flow = self._predict(level, first[level], second[level])
                else:
                    flow += self._predict(level, first[level], warp(second[level], flow))
            if rivals is not None and level < len(rivals.flows):
                found = rivals.flows[level]
                others = [found, _reversed(found), _reversed(flow), tf.zeros_like(flow)]
                flow = closest(rivals.first[level], rivals.second[level], flow, others)
            flows.insert(0, flow)
            residuals.insert(0, flow if handed is None else flow - handed)
        return FlowPyramid(flows, residuals)

    def _predict(self, level: int, first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
        values = tf.concat([first, second], axis=-1)
        for layer in self.predictors[self.config.predictor(level)]:
            values = layer(values)
        # Half precision can't tell neighbouring pixels apart beyond 2048: flow is float32 throughout.
        return tf.cast(values, tf.float32)

    def get_config(self) -> dict[str, Any]:
        """Give the plain values that `from_config` makes this layer of."""
        return {**super().get_config(), "config": self.config.to_json()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "FlowEstimator":
        """Make a layer from what `get_config` gave."""
        return cls(**{**config, "config": FilmConfig.from_json(config["config"])})


@fused
def closest(first: tf.Tensor, second: tf.Tensor, flow: tf.Tensor, others: Sequence[tf.Tensor]) -> tf.Tensor:
    """Choose among flows, pixel by pixel, the one by which two images match best around it.

    Args:
        first: `(B, H, W, C)`, the image on whose grid the flows lie.
        second: The image that they read, the same shape.
        flow: `(B, H, W, 2)` float32.
        others: More of that shape.
    """
    mismatches = window_means(
        tf.concat([_mismatch(first, second, found) for found in (flow, *others)], axis=-1), _WINDOW
    )
    scales = tf.constant([1.0, *(_RIVALS_SHARE for _ in others)])
    chosen = tf.argmin(mismatches * scales, axis=-1)[..., None]
    for index, other in enumerate(others, start=1):
        flow = tf.where(chosen == index, other, flow)
    return flow


def _cut(flow: tf.Tensor, level: tf.Tensor) -> tf.Tensor:
    """Leave out the last row or column that a level of odd size doesn't have."""
    sizes = tf.shape(level)
    return tf.ensure_shape(flow[:, : sizes[1], : sizes[2]], (*level.shape[:3], 2))


def _reversed(flow: tf.Tensor) -> tf.Tensor:
    """Give each pair the flow of its other way round, pointing back: roughly where it came from."""
    one_way, other_way = tf.split(flow, 2, axis=0)
    return -tf.concat([other_way, one_way], axis=0)


def _mismatch(first: tf.Tensor, second: tf.Tensor, flow: tf.Tensor) -> tf.Tensor:
    difference = tf.cast(first - warp(second, tf.stop_gradient(flow)), tf.float32)
    return tf.reduce_mean(tf.sqrt(tf.square(difference) + _MATCH_EPSILON**2), axis=-1, keepdims=True)
