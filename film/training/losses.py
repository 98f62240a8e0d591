"""What a wrong picture costs."""

from collections.abc import Sequence

import tensorflow as tf

from film.network import Encoded, FilmNetwork, Flows
from film.network.pyramid import pool, warp

__all__ = ["charbonnier", "picture_loss", "psnr", "warp_loss"]

# Of [0, 1]: below a quarter of an 8-bit step errors cost quadratically, above linearly.
_CHARBONNIER_EPSILON = 1e-3
_PICTURE_SCALES = 3


def charbonnier(made: tf.Tensor, truth: tf.Tensor) -> tf.Tensor:
    """Give the mean of √(error² + ε²), a smooth absolute error (Charbonnier et al. 1994)."""
    return tf.reduce_mean(tf.sqrt(tf.square(made - truth) + _CHARBONNIER_EPSILON**2))


def picture_loss(made: tf.Tensor, truth: tf.Tensor) -> tf.Tensor:
    """Compare `(B, H, W, 3)` pictures at full, half and quarter size, so that large errors in place count too."""
    total = charbonnier(made, truth)
    for _ in range(_PICTURE_SCALES - 1):
        made, truth = pool(made), pool(truth)
        total += charbonnier(made, truth)
    return total / _PICTURE_SCALES


def warp_loss(
    network: FilmNetwork, pair: tuple[Encoded, Encoded], flows: Flows, truth: Sequence[tf.Tensor], instant: tf.Tensor
) -> tf.Tensor:
    """Compare both images, moved by the bare flows, with the truth at every level.

    Where something is hidden no flow can be right, so this can't go to zero and has to give way
    to `picture_loss`; but it reaches every flow predictor directly, which teaches motion quickly.
    """
    instant = tf.reshape(instant, (-1, 1, 1, 1))
    total = 0.0
    for level in range(network.config.pyramid_levels):
        to_first, to_second = flows.backward.flows[level] * instant, flows.forward.flows[level] * (1.0 - instant)
        total += charbonnier(warp(pair[0].cells[level], to_first), truth[level])
        total += charbonnier(warp(pair[1].cells[level], to_second), truth[level])
    return total / (2.0 * network.config.pyramid_levels)


def psnr(made: tf.Tensor, truth: tf.Tensor) -> tf.Tensor:
    """Give the peak signal-to-noise ratio of each of `(B, H, W, 3)` in [0, 1], dB: `(B,)`."""
    return tf.image.psnr(tf.clip_by_value(made, 0.0, 1.0), truth, max_val=1.0)
