"""What a wrong picture costs."""

import math
from collections.abc import Sequence

import tensorflow as tf

from film.network.pyramid import pool

__all__ = ["charbonnier", "decibel_loss", "motion_loss", "picture_loss", "psnr"]

# Of [0, 1]: below a quarter of an 8-bit step errors cost quadratically, above linearly.
_CHARBONNIER_EPSILON = 1e-3
_PICTURE_SCALES = 3
_SMALLEST_ERROR = 0.5 / 255  # of [0, 1]: half an 8-bit step
# Pixels: errors of motion below this cost quadratically, above linearly, so that the few that nobody
# could know (what is hidden, what has left the picture) don't outweigh all others.
_MOTION_EPSILON = 0.1


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


def decibel_loss(made: tf.Tensor, truth: tf.Tensor) -> tf.Tensor:
    """Give each picture's mean squared error in dB, averaged: what quality is measured by, turned round.

    A tenth of an easy picture's error counts for as much as a tenth of a hard one's, beside which other losses
    don't notice it. Below half an 8-bit step there is nothing more to win.
    """
    squares = tf.reduce_mean(tf.square(made - truth), axis=(1, 2, 3))
    return tf.reduce_mean(10.0 / math.log(10.0) * tf.math.log(squares + _SMALLEST_ERROR**2))


def motion_loss(motions: Sequence[tf.Tensor], truth: tf.Tensor, known: tf.Tensor) -> tf.Tensor:
    """Compare motions from the instant to both images with the true one, each in pixels of its own size.

    Args:
        motions: `(B, H / 2^k, W / 2^k, 4)`, finest first, k from 0 on; (dx, dy) to the first image, then to the second.
        truth: `(B, H, W, 4)`, in pixels of full size.
        known: `(B,)`: 1 where `truth` is one, else 0.
    """
    total = 0.0
    for index, moved in enumerate(motions):
        if index:
            truth = pool(truth) / 2.0
        squares = tf.square(moved - truth)
        for way in tf.split(squares, 2, axis=-1):
            length = tf.sqrt(tf.reduce_sum(way, axis=-1) + _MOTION_EPSILON**2)
            total += tf.reduce_mean(known[:, None, None] * length)
    return total / (2.0 * len(motions))


def psnr(made: tf.Tensor, truth: tf.Tensor) -> tf.Tensor:
    """Give the peak signal-to-noise ratio of each of `(B, H, W, 3)` in [0, 1], dB: `(B,)`."""
    return tf.image.psnr(tf.clip_by_value(made, 0.0, 1.0), truth, max_val=1.0)
