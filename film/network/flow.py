"""Where each pixel of one image lies in the other: coarse-to-fine flow."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from film.network.config import FilmConfig
from film.network.layers import convolution
from film.network.pyramid import upsample_bilinear, warp

__all__ = ["FlowEstimator", "FlowPyramid"]

# The first flows are all but zero, so that training starts from the plain blend.
_INITIAL_FLOW_SCALE = 1e-4


class FlowPyramid(NamedTuple):
    """Flow from one image to another: levels finest first, `(B, h, w, 2)` float32, pixels of the level."""

    flows: list[tf.Tensor]
    residuals: list[tf.Tensor]  # what each level added to the one below it


class FlowEstimator(keras.layers.Layer):  # type: ignore[misc]
    """Residual flow over a feature pyramid (FILM section 3.2).

    The coarsest level guesses the flow from both features alone. Each finer level doubles what
    it was handed, warps the second image's features by it, and predicts only what is still
    missing. All levels from `specialized_levels` on share one predictor: features look alike
    at every scale, so what was learnt of small motion at fine levels serves large motion at
    coarse ones. Where the configuration says so, a level is gone over more than once.
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

    def call(self, first: Sequence[tf.Tensor], second: Sequence[tf.Tensor]) -> FlowPyramid:
        """Find the flow that carries the grid of `first` to the matching places in `second`.

        Args:
            first: Feature pyramid of the image on whose grid the flow lies.
            second: Feature pyramid of the image that the flow reads.
        """
        flows: list[tf.Tensor] = []
        residuals: list[tf.Tensor] = []
        for level in reversed(range(len(first))):
            handed = upsample_bilinear(2.0 * flows[0]) if flows else None
            flow = handed
            for _ in range(self.config.passes(level)):
                if flow is None:  # nothing is known yet
                    flow = self._predict(level, first[level], second[level])
                else:
                    flow += self._predict(level, first[level], warp(second[level], flow))
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
