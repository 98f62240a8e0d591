"""What an image looks like to the network: the feature pyramid."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from film.network.config import FilmConfig
from film.network.layers import convolution
from film.network.pyramid import pool

__all__ = ["FeatureExtractor"]


class FeatureExtractor(keras.layers.Layer):  # type: ignore[misc]
    """Features that look alike at every scale (FILM section 3.1).

    One small tree of convolutions, `sub_levels` stages deep, is run on every level of the
    image pyramid with the same weights. Stage j of level i lies at the resolution of level
    i + j, so level n of the feature pyramid gathers what all trees have to say at its
    resolution: its own stage 0, the next finer level's stage 1, and so on. A large motion at
    a fine level then looks like a small one at a coarse level, where it can be followed.

    Invariant: level n has `config.feature_channels(n)` channels.
    """

    def __init__(self, config: FilmConfig, **options: Any) -> None:
        """Make the convolutions that `config` asks for; `options` are Keras's own (name, dtype)."""
        super().__init__(autocast=False, **options)
        self.config = config
        self.stages: list[list[keras.layers.Layer]] = []
        channels = config.image_channels
        for stage in range(config.sub_levels):
            filters = config.filters * 2**stage
            self.stages.append(
                [
                    convolution(channels, filters, 3, dtype=self.dtype_policy),
                    convolution(filters, filters, 3, dtype=self.dtype_policy),
                ]
            )
            channels = filters
        self.built = True

    def call(self, images: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """Turn an image pyramid, each `(B, h, w, image_channels)`, into the feature pyramid.

        Returns:
            As many levels, finest first, each `(B, h, w, feature_channels(level))`.
        """
        levels = len(images)
        trees = [self._tree(image, min(self.config.sub_levels, levels - level)) for level, image in enumerate(images)]
        pyramid = []
        for level in range(levels):
            depth = min(level + 1, self.config.sub_levels)
            pyramid.append(tf.concat([trees[level - stage][stage] for stage in range(depth)], axis=-1))
        return pyramid

    def _tree(self, image: tf.Tensor, depth: int) -> list[tf.Tensor]:
        outputs: list[tf.Tensor] = []
        for first, second in self.stages[:depth]:
            outputs.append(second(first(pool(outputs[-1]) if outputs else image)))
        return outputs

    def get_config(self) -> dict[str, Any]:
        """Give the plain values that `from_config` makes this layer of."""
        return {**super().get_config(), "config": self.config.to_json()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "FeatureExtractor":
        """Make a layer from what `get_config` gave."""
        return cls(**{**config, "config": FilmConfig.from_json(config["config"])})
