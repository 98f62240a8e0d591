"""The arithmetic between the convolutions: pyramids, ×2 resizing and warps.

All functions take NHWC tensors. Sizes only ever change by exactly 2, so resizing is
written with reshapes and slices: XLA compiles these and their gradients on every
device, which it doesn't for TensorFlow's own nearest-neighbour resize.
"""

from collections.abc import Callable, Sequence

import tensorflow as tf

from film.network.compiling import fused

__all__ = [
    "flow_pyramid",
    "image_pyramid",
    "pool",
    "project",
    "upsample_bilinear",
    "upsample_nearest",
    "warp",
    "warp_bicubic",
    "window_means",
]


def pool(image: tf.Tensor) -> tf.Tensor:
    """Halve `(B, H, W, C)` by averaging every 2×2 cell; of an odd last row or column what there is."""
    return tf.nn.avg_pool2d(image, ksize=2, strides=2, padding="SAME")


def image_pyramid(image: tf.Tensor, levels: int) -> list[tf.Tensor]:
    """Give `image` and its `levels` − 1 successive halvings, finest first."""
    pyramid = [image]
    while len(pyramid) < levels:
        pyramid.append(pool(pyramid[-1]))
    return pyramid


def flow_pyramid(flow: tf.Tensor, levels: int) -> list[tf.Tensor]:
    """Give `flow`, `(B, H, W, 2)` in pixels, and its `levels` − 1 successive halvings, in pixels of each."""
    pyramid = [flow]
    while len(pyramid) < levels:
        pyramid.append(pool(pyramid[-1]) / 2.0)
    return pyramid


def upsample_nearest(image: tf.Tensor) -> tf.Tensor:
    """Double `(B, H, W, C)` along both axes by repeating every pixel."""
    batch, height, width, channels = _sizes(image)
    cells = tf.reshape(image, (batch, height, 1, width, 1, channels))
    return tf.reshape(tf.tile(cells, (1, 1, 2, 1, 2, 1)), (batch, 2 * height, 2 * width, channels))


@fused
def upsample_bilinear(image: tf.Tensor) -> tf.Tensor:
    """Double `(B, H, W, C)` along both axes bilinearly.

    Pixel centres lie at halves, as in `tf.image.resize`: a new pixel is ¾ of the old one that it
    lies in and ¼ of that one's nearest neighbour; beyond the edge the edge repeats.
    """
    return _double(_double(image, axis=1), axis=2)


def _double(image: tf.Tensor, axis: int) -> tf.Tensor:
    sizes = _sizes(image)
    begin = [0, 0, 0, 0]
    one = list(sizes)
    one[axis] = 1
    but_one = list(sizes)
    but_one[axis] = sizes[axis] - 1
    last = list(begin)
    last[axis] = sizes[axis] - 1
    second = list(begin)
    second[axis] = 1
    before = tf.concat([tf.slice(image, begin, one), tf.slice(image, begin, but_one)], axis)
    after = tf.concat([tf.slice(image, second, but_one), tf.slice(image, last, one)], axis)
    pairs = tf.stack([0.75 * image + 0.25 * before, 0.75 * image + 0.25 * after], axis + 1)
    doubled = list(sizes)
    doubled[axis] = 2 * sizes[axis]
    return tf.reshape(pairs, doubled)


@fused
def warp(image: tf.Tensor, flow: tf.Tensor) -> tf.Tensor:
    """Read `image` where `flow` points: out[y, x] = image[y + dy, x + dx], bilinearly.

    Args:
        image: `(B, H, W, C)`, of any float type.
        flow: `(B, H, W, 2)` float32, pixels of this level, (dx, dy). Beyond the edge the edge repeats.

    Returns:
        `(B, H, W, C)` of `image`'s type.
    """
    return _read(image, flow, (0, 1), _linear)


@fused
def warp_bicubic(image: tf.Tensor, flow: tf.Tensor) -> tf.Tensor:
    """Do what `warp` does, bicubically (Keys 1981, a = −½): it blurs less between pixels, and may overshoot at edges.

    Args:
        image: `(B, H, W, C)` float32.
        flow: `(B, H, W, 2)` float32, pixels of this level, (dx, dy). Beyond the edge the edge repeats.

    Returns:
        The shape of `image`.
    """
    return _read(image, flow, (-1, 0, 1, 2), _cubic)


def _read(
    image: tf.Tensor,
    flow: tf.Tensor,
    steps: Sequence[int],
    between: Callable[[Sequence[tf.Tensor], tf.Tensor], tf.Tensor],
) -> tf.Tensor:
    """Read `image` where `flow` points, from the pixels that lie `steps` from the one before it along either axis."""
    batch, height, width, channels = _sizes(image)
    top, down = _place(tf.cast(tf.range(height), tf.float32)[None, :, None] + flow[..., 1], height)
    left, along = _place(tf.cast(tf.range(width), tf.float32)[None, None, :] + flow[..., 0], width)
    down, along = tf.cast(down, image.dtype), tf.cast(along, image.dtype)
    # One gather over all pixels of the batch: rows of C numbers that lie together in memory.
    pixels = tf.reshape(image, (batch * height * width, channels))
    first_pixel = (tf.range(batch) * height * width)[:, None, None]
    columns = [tf.clip_by_value(left + step, 0, width - 1) for step in steps]
    rows = [first_pixel + tf.clip_by_value(top + step, 0, height - 1) * width for step in steps]
    lines = [between([tf.gather(pixels, row + column) for column in columns], along) for row in rows]
    return tf.ensure_shape(between(lines, down), image.shape)


def _linear(values: Sequence[tf.Tensor], beyond: tf.Tensor) -> tf.Tensor:
    """Interpolate between two neighbours, at `beyond` in [0, 1] from the first to the second."""
    here, there = values
    return here + beyond * (there - here)


def _cubic(values: Sequence[tf.Tensor], beyond: tf.Tensor) -> tf.Tensor:
    """Interpolate between four neighbours, at `beyond` in [0, 1] from the second to the third."""
    before, here, there, after = values
    slope, next_slope = 0.5 * (there - before), 0.5 * (after - here)  # a = −½: those of Catmull and Rom's spline
    square, step = beyond * beyond, there - here
    return (
        here
        + slope * beyond
        + square * (3.0 * step - 2.0 * slope - next_slope + beyond * (slope + next_slope - 2.0 * step))
    )


def project(back: tf.Tensor, ahead: tf.Tensor, instant: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Carry the flows between two images to the grid of an instant, along themselves.

    What is at x at the instant was elsewhere on the grids that the flows lie on, and it is their values there which
    are wanted. Where that is the mean of both flows at x says. One step of a fixed point: a second one gains nothing
    where motion is smooth, and jumps to and fro at the edges of what moves.

    Args:
        back: `(B, H, W, 2)` float32, pixels, (dx, dy): from the second image to the first, on the second's grid.
        ahead: From the first to the second, on the first's grid; the same shape.
        instant: `(B, 1, 1, 1)` in [0, 1].

    Returns:
        Both, of the same shape.
    """
    motion = 0.5 * (ahead - back)
    return warp(back, (1.0 - instant) * motion), warp(ahead, -instant * motion)


def window_means(values: tf.Tensor, window: int) -> tf.Tensor:
    """Average `(B, H, W, C)` around every pixel: two boxes of `window` pixels, of what of them lies inside."""
    for _ in range(2):
        for box in ((window, 1), (1, window)):
            values = tf.nn.avg_pool2d(values, ksize=box, strides=1, padding="SAME")
    return values


def _place(positions: tf.Tensor, size: int | tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Give the whole position before each position in [0, size), and how far beyond it lies, in [0, 1]."""
    last = tf.cast(size, tf.float32) - 1.0
    positions = tf.clip_by_value(positions, 0.0, last)
    before = tf.floor(positions)
    fraction = (positions - before)[..., None]
    # Clipped once more as integers: a position that isn't a number survives the first clip, and a
    # step of training that went wrong must end in a loss that is skipped, not in a crash.
    return tf.clip_by_value(tf.cast(before, tf.int32), 0, size - 1), fraction


def _sizes(image: tf.Tensor) -> list[int | tf.Tensor]:
    """Give the four sizes of `image`: numbers where they are known while tracing, tensors elsewhere."""
    dynamic = tf.shape(image)
    return [dynamic[axis] if size is None else size for axis, size in enumerate(image.shape)]
