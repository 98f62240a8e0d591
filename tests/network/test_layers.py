"""The parts between the convolutions, and what every layer owes Keras."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from film.network.compiling import compiled
from film.network.features import FeatureExtractor
from film.network.flow import FlowEstimator, closest
from film.network.fusion import Fusion
from film.network.pyramid import (
    flow_pyramid,
    image_pyramid,
    pool,
    project,
    upsample_bilinear,
    upsample_nearest,
    warp,
    warp_bicubic,
    window_means,
)

from .conftest import SMALL, SMALL_BLEND

Floats = NDArray[np.float32]

Warp = Callable[[Floats, Floats], tf.Tensor]
WARPS = [pytest.param(warp, id="bilinear"), pytest.param(warp_bicubic, id="bicubic")]

sizes = st.tuples(st.integers(1, 2), st.integers(1, 9), st.integers(1, 9), st.integers(1, 3))


def noise(*shape: int, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).random(shape, np.float32)


def steady(flow: tuple[float, float], height: int, width: int) -> Floats:
    """Give one flow (dx, dy) for all pixels."""
    return np.broadcast_to(np.array(flow, np.float32), (1, height, width, 2))


def check_layer(layer: keras.layers.Layer, *inputs: Any) -> None:
    """Check what every layer owes: made again from its plain configuration it computes the same, and it learns."""
    config = layer.get_config()
    again = type(layer).from_config(config)
    assert again.get_config() == config
    assert [weight.shape for weight in again.weights] == [weight.shape for weight in layer.weights]
    again.set_weights(layer.get_weights())
    with tf.GradientTape() as tape:
        expected = tf.nest.flatten(layer(*inputs))
        total = tf.add_n([tf.reduce_sum(tf.square(part)) for part in expected])
    for part, same in zip(expected, tf.nest.flatten(again(*inputs)), strict=True):
        np.testing.assert_array_equal(part, same)
    gradients = tape.gradient(total, layer.trainable_variables)
    assert all(np.isfinite(gradient).all() for gradient in gradients)


def features(seed: int) -> list[Floats]:
    return [
        noise(1, 16 >> level, 24 >> level, SMALL.feature_channels(level), seed=seed)
        for level in range(SMALL.pyramid_levels)
    ]


def aligned() -> list[Floats]:
    levels = range(SMALL.fusion_pyramid_levels)
    return [noise(1, 16 >> level, 24 >> level, SMALL.aligned_channels(level)) for level in levels]


@pytest.mark.parametrize(
    ("make", "inputs"),
    [
        (FeatureExtractor, [image_pyramid(tf.constant(noise(1, 16, 24, 3)), SMALL.pyramid_levels)]),
        (FlowEstimator, [features(1), features(2)]),
        (Fusion, [aligned()]),
    ],
    ids=["features", "flow", "fusion"],
)
@pytest.mark.parametrize("dtype", ["float32", "mixed_float16"])
def test_a_layer_made_from_its_configuration_computes_the_same(
    make: Callable[..., keras.layers.Layer], inputs: Sequence[Any], dtype: str
) -> None:
    layer = make(SMALL, dtype=dtype, name="layer")
    cast = tf.nest.map_structure(lambda part: tf.cast(part, layer.compute_dtype), inputs)
    check_layer(layer, *cast)


def test_features_gather_what_finer_levels_say_at_their_resolution() -> None:
    levels = FeatureExtractor(SMALL)(image_pyramid(tf.constant(noise(1, 16, 24, 3)), SMALL.pyramid_levels))
    # 4, 8 and 16 channels: stage 0 of the level itself, stage 1 of the next finer one, stage 2 of the one after
    assert [tuple(level.shape) for level in levels] == [(1, 16, 24, 4), (1, 8, 12, 12), (1, 4, 6, 28), (1, 2, 3, 28)]


@settings(max_examples=20)
@given(sizes)
def test_doubling_equals_tensorflows_own_resize(shape: tuple[int, int, int, int]) -> None:
    image = noise(*shape)
    size = (2 * shape[1], 2 * shape[2])
    np.testing.assert_allclose(upsample_bilinear(image), tf.image.resize(image, size, "bilinear"), atol=1e-6)
    np.testing.assert_array_equal(upsample_nearest(image), tf.image.resize(image, size, "nearest"))


@settings(max_examples=20)
@given(sizes)
def test_halving_what_was_doubled_by_repeating_gives_it_back(shape: tuple[int, int, int, int]) -> None:
    image = noise(*shape)
    np.testing.assert_allclose(pool(upsample_nearest(image)), image, atol=1e-6)


@pytest.mark.parametrize("warped", WARPS)
@settings(max_examples=20)
@given(dx=st.integers(-12, 12), dy=st.integers(-12, 12))
def test_warping_by_whole_pixels_shifts_and_repeats_the_edge(warped: Warp, dx: int, dy: int) -> None:
    image = noise(1, 6, 8, 2)
    rows, columns = np.clip(np.arange(6) + dy, 0, 5), np.clip(np.arange(8) + dx, 0, 7)
    np.testing.assert_array_equal(warped(image, steady((dx, dy), 6, 8)), image[:, rows][:, :, columns])


def test_warping_by_half_a_pixel_gives_the_mean_of_two() -> None:
    image = noise(1, 6, 8, 2)
    found = warp(image, steady((0.5, 0.0), 6, 8)).numpy()
    np.testing.assert_allclose(found[:, :, :-1], (image[:, :, :-1] + image[:, :, 1:]) / 2, atol=1e-6)
    found = warp(image, steady((0.0, -0.5), 6, 8)).numpy()
    np.testing.assert_allclose(found[:, 1:], (image[:, 1:] + image[:, :-1]) / 2, atol=1e-6)


@settings(max_examples=20)
@given(st.floats(0, 0.99), st.floats(0, 0.99))
def test_a_bicubic_warp_keeps_what_is_curved_and_a_bilinear_one_does_not(dx: float, dy: float) -> None:
    def curved(rows: NDArray[np.float64], columns: NDArray[np.float64]) -> NDArray[np.float64]:
        return rows**2 / 40 - rows * columns**2 / 600 + columns / 9

    rows, columns = np.mgrid[:8, :9].astype(np.float64)
    image = curved(rows, columns).astype(np.float32)[None, ..., None]
    inside, truth = np.s_[1:-2, 1:-2], curved(rows + dy, columns + dx)
    found = {warped: warped(image, steady((dx, dy), 8, 9)).numpy()[0, ..., 0] for warped in (warp, warp_bicubic)}
    np.testing.assert_allclose(found[warp_bicubic][inside], truth[inside], atol=1e-5)
    if abs(dy - 0.5) < 0.2:
        assert np.abs(found[warp] - truth)[inside].max() > 3e-3


def test_a_bicubic_warp_by_half_a_pixel_weighs_four() -> None:
    image = noise(1, 6, 8, 2)
    found = warp_bicubic(image, steady((0.5, 0.0), 6, 8)).numpy()
    expected = (9 * (image[:, :, 1:-2] + image[:, :, 2:-1]) - image[:, :, :-3] - image[:, :, 3:]) / 16
    np.testing.assert_allclose(found[:, :, 1:-2], expected, atol=1e-6)


@pytest.mark.parametrize("warped", WARPS)
def test_each_picture_of_a_batch_is_warped_by_its_own_flow(warped: Warp) -> None:
    images = noise(2, 6, 8, 2)
    flows = np.concatenate([steady((1, 0), 6, 8), steady((0, -2), 6, 8)])
    for index in (0, 1):
        alone = warped(images[index : index + 1], flows[index : index + 1])
        np.testing.assert_array_equal(warped(images, flows)[index], alone[0])


@settings(max_examples=20)
@given(st.floats(-3, 3), st.floats(-3, 3), st.floats(0, 1))
def test_flows_that_are_everywhere_the_same_are_so_at_any_instant(dx: float, dy: float, instant: float) -> None:
    back, ahead = steady((-dx, -dy), 6, 8), steady((dx, dy), 6, 8)
    for found, flow in zip(
        project(back, ahead, np.full((1, 1, 1, 1), instant, np.float32)), (back, ahead), strict=True
    ):
        np.testing.assert_allclose(found, flow, atol=1e-6)


def test_a_block_is_projected_to_where_it_is_at_each_pairs_own_instant() -> None:
    ahead, back = np.zeros((2, 3, 1, 6, 20, 2), np.float32)[:, :, 0]
    ahead[:, :, 4:10] = (4, 0)  # a block that goes right by 4, on the first image's grid and on the second's
    back[:, :, 8:14] = (-4, 0)
    instants = np.array([0.0, 0.5, 1.0], np.float32).reshape(3, 1, 1, 1)
    found = project(back, ahead, instants)
    for index, start in enumerate((4, 6, 8)):
        # Its middle, which both flows know of, moves along; at its ends one of them thinks that all stands still.
        for flow, value in zip(found, (-4, 4), strict=True):
            np.testing.assert_array_equal(flow[index, :, start + 2 : start + 4], np.full((6, 2, 2), (value, 0)))
    np.testing.assert_array_equal(found[1][0], ahead[0])  # nowhere to be carried to: its own grid is the instant's
    np.testing.assert_array_equal(found[0][2], back[2])


@pytest.mark.parametrize("window", [1, 3, 5])
def test_a_window_averages_what_of_it_lies_inside(window: int) -> None:
    values, reach = noise(1, 7, 9, 2), window // 2

    def box(image: NDArray[np.float64]) -> NDArray[np.float64]:
        rows = [image[:, max(0, y - reach) : y + reach + 1].mean(axis=1) for y in range(image.shape[1])]
        image = np.stack(rows, axis=1)
        columns = [image[:, :, max(0, x - reach) : x + reach + 1].mean(axis=2) for x in range(image.shape[2])]
        return np.stack(columns, axis=2)

    np.testing.assert_allclose(window_means(values, window), box(box(values.astype(np.float64))), atol=1e-5)


@pytest.mark.parametrize("warped", WARPS)
@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf, 1e30])
def test_a_flow_that_is_no_place_reads_something_and_spares_other_pixels(odd: float, warped: Warp) -> None:
    image = noise(1, 6, 8, 2)
    flow = np.zeros((1, 6, 8, 2), np.float32)
    flow[0, 2, 3] = odd
    found = warped(image, flow).numpy()
    found[0, 2, 3] = image[0, 2, 3]
    np.testing.assert_array_equal(found, image)


@pytest.mark.parametrize(
    "function", [upsample_bilinear, upsample_nearest, pool], ids=lambda function: function.__name__
)
def test_resizing_and_its_gradient_compile_and_are_the_same_compiled(function: Callable[..., tf.Tensor]) -> None:
    check_compiled(lambda image: function(image) ** 2, noise(1, 6, 8, 2))


def test_warping_and_both_its_gradients_compile_and_are_the_same_compiled() -> None:
    flow = np.random.default_rng(0).uniform(-4, 4, (1, 6, 8, 2)).astype(np.float32)
    check_compiled(lambda image, flow: warp(image, flow) ** 2, noise(1, 6, 8, 2), flow)


def check_compiled(function: Callable[..., tf.Tensor], *inputs: Floats) -> None:
    def differentiated(*values: tf.Tensor) -> tuple[tf.Tensor, list[tf.Tensor]]:
        with tf.GradientTape() as tape:
            tape.watch(values)
            found = function(*values)
        return found, tape.gradient(found, values)

    tensors = [tf.constant(value) for value in inputs]
    plain = tf.nest.flatten(differentiated(*tensors))
    compiled = tf.nest.flatten(tf.function(differentiated, jit_compile=True)(*tensors))
    assert len(plain) == 1 + len(inputs)
    for expected, found in zip(plain, compiled, strict=True):
        assert np.isfinite(found).all()
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_the_flow_that_matches_best_around_a_pixel_is_kept() -> None:
    second = noise(1, 40, 80, 3)
    # On the left all moves by 3, on the right it rests.
    first = np.concatenate([second[:, :, 3:43], second[:, :, 40:80]], axis=2)
    wrong, moving, resting = (steady((step, 0), 40, 80) for step in (-7, 3, 0))
    for flow, others in ((wrong, [moving, resting]), (moving, [resting, wrong]), (resting, [wrong, moving])):
        found = closest(first, second, flow, others).numpy()
        np.testing.assert_array_equal(found[:, :, 8:32], moving[:, :, 8:32])
        np.testing.assert_array_equal(found[:, :, 48:72], resting[:, :, 48:72])


def test_the_gradient_goes_to_the_flow_that_was_kept_alone() -> None:
    picture = noise(1, 8, 16, 3)
    kept, other = (tf.constant(steady((step, 0), 8, 16)) for step in (0, 5))
    with tf.GradientTape() as tape:
        tape.watch([kept, other])
        total = tf.reduce_sum(closest(picture, picture, kept, [other]))
    to_kept, to_other = tape.gradient(total, [kept, other])
    np.testing.assert_array_equal(to_kept, 1)
    np.testing.assert_array_equal(to_other, 0)


def test_a_flow_is_halved_in_size_and_in_length() -> None:
    pyramid = flow_pyramid(tf.constant(steady((4, -6), 8, 16)), 3)
    assert [level.shape for level in pyramid] == [(1, 8, 16, 2), (1, 4, 8, 2), (1, 2, 4, 2)]
    for index, level in enumerate(pyramid):
        np.testing.assert_array_equal(level, np.broadcast_to([4 / 2**index, -6 / 2**index], level.shape))


@pytest.mark.parametrize("whole", [False, True])
def test_a_graph_of_any_size_computes_the_same_compiled_in_part_and_as_a_whole(whole: bool) -> None:
    graph = compiled(lambda image, flow: upsample_bilinear(warp(image, flow)), whole=whole)
    for height, width in ((6, 8), (7, 9), (12, 5), (6, 8)):
        flow = np.random.default_rng(height).uniform(-4, 4, (1, height, width, 2)).astype(np.float32)
        image = noise(1, height, width, 2)
        np.testing.assert_allclose(graph(image, flow), upsample_bilinear(warp(image, flow)), atol=1e-5)


def parts(graph: Any, *inputs: Floats) -> int:
    """Count the parts of a graph that are compiled by themselves."""
    functions = graph.get_concrete_function(*map(tf.constant, inputs)).graph.as_graph_def().library.function
    return sum(function.attr["_XlaMustCompile"].b for function in functions)


def test_a_graph_is_compiled_in_parts_or_as_a_whole_but_never_both() -> None:
    inputs = noise(1, 6, 8, 2), steady((1, 2), 6, 8)
    assert parts(compiled(warp, whole=False), *inputs) == 1
    assert parts(compiled(warp, whole=True), *inputs) == 0


def test_the_blend_heads_cells_come_apart_into_full_size_planes() -> None:
    cells = noise(1, 3, 4, 32)
    parts = Fusion.split(tf.constant(cells))
    assert [tuple(part.shape) for part in parts] == [(1, 6, 8, 1), (1, 6, 8, 3), (1, 6, 8, 4)]
    # Each pixel's 8 numbers lie together: those of the cell's upper right pixel are numbers 8 to 15.
    np.testing.assert_array_equal(tf.concat(parts, -1)[0, 2, 5], cells[0, 1, 2, 8:16])


def test_a_fresh_decoder_of_the_blend_head_has_no_opinion() -> None:
    levels = range(SMALL_BLEND.fusion_pyramid_levels)
    values = [noise(1, 16 >> level, 24 >> level, SMALL_BLEND.aligned_channels(level)) for level in levels]
    assert not np.any(Fusion(SMALL_BLEND)(values))
