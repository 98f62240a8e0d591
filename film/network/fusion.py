"""From two aligned images to the one between: the decoder and its two heads."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from film.network.config import FilmConfig
from film.network.layers import convolution
from film.network.pyramid import upsample_nearest

__all__ = ["BlendParts", "Fusion"]

_CELL = 2


class BlendParts(NamedTuple):
    """What the blend head says of every full-size pixel; all float32, `(B, H, W, …)`."""

    logit: tf.Tensor  # 1 channel: how much more the first image is trusted than the second
    residual: tf.Tensor  # RGB, added at the end
    correction: tf.Tensor  # 4 channels, pixels: of the flow that reads the first image, then of the second's


class Fusion(keras.layers.Layer):  # type: ignore[misc]
    """A U-Net decoder over the aligned pyramid (FILM section 3.3).

    It starts from the coarsest aligned level and climbs: double the size, a 2×2 convolution,
    join with the aligned level, two 3×3 convolutions. Every level thus sees the images and
    features that were warped at its own resolution.
    """

    def __init__(self, config: FilmConfig, **options: Any) -> None:
        """Make the convolutions that `config` asks for; `options` are Keras's own (name, dtype)."""
        super().__init__(autocast=False, **options)
        self.config = config
        self.levels: list[list[keras.layers.Layer]] = []
        for level in range(config.fusion_pyramid_levels - 1):
            filters = config.fusion_channels(level)
            self.levels.append(
                [
                    convolution(config.fusion_channels(level + 1), filters, 2, dtype=self.dtype_policy, linear=True),
                    convolution(config.aligned_channels(level) + filters, filters, 3, dtype=self.dtype_policy),
                    convolution(filters, filters, 3, dtype=self.dtype_policy),
                ]
            )
        shapes = config.weight_shapes()
        kernel, bias = shapes["fusion/out/kernel"], shapes["fusion/out/bias"]
        # float32 whatever the policy: half precision's steps near white are an eighth of an 8-bit one,
        # and 32 of a 16-bit one. The blend head starts at zero, which is the plain blend.
        start = 0.0 if config.head == "blend" else 1.0
        self.out = convolution(kernel[2], bias[0], kernel[0], dtype="float32", linear=True, initial_scale=start)
        # The last of each starts at zero: a network that learnt without them goes on from where it was.
        self.corrections: list[list[keras.layers.Layer]] = []
        for level in config.corrected_levels:
            filters, motion = (shapes[f"fusion/{level}/motion_{part}/bias"][0] for part in "ab")
            self.corrections.append(
                [
                    convolution(config.fusion_channels(level), filters, 3, dtype=self.dtype_policy),
                    convolution(filters, motion, 3, dtype=self.dtype_policy, linear=True, initial_scale=0.0),
                ]
            )
        self.built = True

    def call(self, aligned: Sequence[tf.Tensor]) -> tf.Tensor:
        """Decode the aligned pyramid, finest level first, each `(B, h, w, aligned_channels(level))`.

        Returns:
            `(B, h, w, …)` float32 at the finest level's size: RGB, or what `split` takes apart.
        """
        values = aligned[-1]
        for level in reversed(range(len(self.levels))):
            values = self.climb(level, values, aligned[level])
        return self.out(values)

    def climb(self, level: int, values: tf.Tensor, aligned: tf.Tensor) -> tf.Tensor:
        """Go from what level `level` + 1 holds to what `level` does, `(B, h, w, fusion_channels(level))`."""
        up, first, second = self.levels[level]
        return second(first(tf.concat([aligned, up(upsample_nearest(values))], axis=-1)))

    def correction(self, level: int, values: tf.Tensor) -> tf.Tensor:
        """Say by how much the flows of `level` are off, from what that level holds.

        Returns:
            `(B, h, w, 4)` float32, pixels of the level: (dx, dy) of the flow that reads the first image, then
            of the one that reads the second.
        """
        hidden, last = self.corrections[self.config.corrected_levels.index(level)]
        return tf.cast(last(hidden(values)), tf.float32)

    @staticmethod
    def split(cells: tf.Tensor) -> BlendParts:
        """Take the blend head's `(B, H/2, W/2, 32)` apart into full-size planes."""
        pixels = tf.nn.depth_to_space(cells, _CELL)
        return BlendParts(*tf.split(pixels, [1, 3, 4], axis=-1))

    def get_config(self) -> dict[str, Any]:
        """Give the plain values that `from_config` makes this layer of."""
        return {**super().get_config(), "config": self.config.to_json()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Fusion":
        """Make a layer from what `get_config` gave."""
        return cls(**{**config, "config": FilmConfig.from_json(config["config"])})
