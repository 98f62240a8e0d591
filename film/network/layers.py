"""The convolution that every part of the network is made of."""

from typing import Any

import keras

__all__ = ["LEAK", "convolution"]

# Slope of the leaky ReLU below zero; the same everywhere in the released network.
LEAK = 0.2


def convolution(  # noqa: PLR0913 (three sizes, and three things that differ from one place to the next)
    channels_in: int, channels: int, size: int, *, dtype: Any = None, linear: bool = False, initial_scale: float = 1.0
) -> keras.layers.Conv2D:
    """Make a `size`×`size` convolution with bias and SAME padding, built and ready for its weights.

    Args:
        channels_in: Channels that it will be given.
        channels: Channels that it makes.
        size: Height and width of the kernel, in pixels.
        dtype: Keras dtype policy.
        linear: Whether to leave out the leaky ReLU.
        initial_scale: Variance of the first kernel relative to Glorot's; 0 starts at zero.
    """
    layer = keras.layers.Conv2D(
        channels,
        size,
        padding="same",
        activation=None if linear else keras.layers.LeakyReLU(negative_slope=LEAK, dtype=dtype),
        kernel_initializer=keras.initializers.VarianceScaling(initial_scale, "fan_avg", "uniform")
        if initial_scale
        else "zeros",
        dtype=dtype,
    )
    layer.build((None, None, None, channels_in))
    return layer
