"""The whole network: its stages, its switches, and what holds for any weights."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from film.errors import WeightsMismatch
from film.network import FilmConfig, FilmNetwork, compact

from .conftest import (
    SMALL,
    SMALL_BLEND,
    SMALL_HYPOTHESES,
    SMALL_REFINED,
    SMALL_SEARCHED,
    random_weights,
    smooth_pictures,
)

Make = Callable[..., FilmNetwork]

# A search may leave a random network's flows nowhere to be kept, and nothing to learn.
NETWORKS = {"rgb": SMALL, "blend": SMALL_BLEND, "refined": SMALL_REFINED, "hypotheses": SMALL_HYPOTHESES}
UNRIVALLED = pytest.mark.parametrize("config", NETWORKS.values(), ids=NETWORKS)
EVERY = pytest.mark.parametrize("config", [*NETWORKS.values(), SMALL_SEARCHED], ids=[*NETWORKS, "searched"])


def pair(height: int = 32, width: int = 48, *, batch: int = 1) -> dict[str, NDArray[np.float32]]:
    pictures = smooth_pictures(height, width, count=2 * batch)
    return {"x0": pictures[:batch], "x1": pictures[batch:], "time": np.full((batch, 1), 0.5, np.float32)}


def decoder_without_opinion(config: FilmConfig) -> dict[str, NDArray[np.float32]]:
    shapes = config.weight_shapes()
    last = [name for name in shapes if name.startswith("fusion/out/") or "/motion_b/" in name]
    return {name: np.zeros(shapes[name], np.float32) for name in last}


@EVERY
def test_the_three_stages_together_are_one_call(config: FilmConfig, network: Make) -> None:
    ours, inputs = network(config), pair()
    first, second = ours.encode(inputs["x0"]), ours.encode(inputs["x1"])
    parts = ours.render(first, second, ours.flows(first, second), tf.constant([0.5]))
    whole = ours(inputs)
    assert set(whole) == {"image", "x0_warped", "x1_warped"}
    for name, value in whole.items():
        assert value.shape == (1, 32, 48, 3)
        np.testing.assert_array_equal(parts[name], value)


@EVERY
def test_pictures_of_a_batch_ignore_one_another_and_have_instants_of_their_own(
    config: FilmConfig, network: Make
) -> None:
    ours, inputs = network(config, flow_scale=4.0), pair(batch=3)
    inputs["time"] = np.array([[0.2], [0.5], [0.9]], np.float32)
    together = ours(inputs)["image"]
    for index in range(3):
        alone = ours({name: value[index : index + 1] for name, value in inputs.items()})["image"]
        np.testing.assert_allclose(together[index], alone[0], atol=1e-5)


@EVERY
def test_time_runs_backwards_when_the_pair_is_exchanged(config: FilmConfig, network: Make) -> None:
    ours, inputs = network(config), pair()
    first, second = ours.encode(inputs["x0"]), ours.encode(inputs["x1"])
    there, back = ours.flows(first, second), ours.flows(second, first)
    for level in range(config.pyramid_levels):
        np.testing.assert_allclose(there.forward.flows[level], back.backward.flows[level], atol=1e-5)
        np.testing.assert_allclose(there.backward.flows[level], back.forward.flows[level], atol=1e-5)
    # What the decoder makes of it differs, except where it has no say yet.
    ours.set_named_weights({**ours.named_weights(), **decoder_without_opinion(config)})
    ahead = ours.render(first, second, there, tf.constant([0.3]))
    reverse = ours.render(second, first, back, tf.constant([0.7]))
    np.testing.assert_allclose(ahead["x0_warped"], reverse["x1_warped"], atol=1e-4)
    np.testing.assert_allclose(ahead["image"], reverse["image"], atol=1e-4)


def test_corrections_that_are_still_zero_change_nothing(network: Make) -> None:
    plain, refined, inputs = network(replace(SMALL_REFINED, refined=False)), network(SMALL_REFINED), pair()
    silent = {name: value for name, value in decoder_without_opinion(SMALL_REFINED).items() if "/motion_b/" in name}
    refined.set_named_weights({**refined.named_weights(), **silent, **plain.named_weights()})
    np.testing.assert_allclose(refined(inputs)["image"], plain(inputs)["image"], atol=1e-6)


def test_a_correction_at_a_coarse_level_moves_all_finer_ones_by_as_much(network: Make) -> None:
    ours, inputs = network(SMALL_REFINED), pair()
    first, second = ours.encode(inputs["x0"]), ours.encode(inputs["x1"])
    flows, middle = ours.flows(first, second), tf.constant([0.5])
    ours.set_named_weights({**ours.named_weights(), **decoder_without_opinion(SMALL_REFINED)})
    before = ours.make(first, second, flows, middle).motions
    assert [motion.shape[1] for motion in before] == [32, 16, 8, 4, 2]  # full size, then half and less
    bias = np.array([0.5, -1.0, 0.25, 2.0], np.float32)
    ours.set_named_weights({**ours.named_weights(), "fusion/2/motion_b/bias": bias})
    after = ours.make(first, second, flows, middle).motions
    for index, times in ((0, 8), (1, 4), (2, 2), (3, 0), (4, 0)):
        np.testing.assert_allclose(
            after[index] - before[index], np.broadcast_to(times * bias, after[index].shape), atol=1e-4
        )


def test_coarse_levels_of_odd_size_are_followed_too(network: Make) -> None:
    ours, inputs = network(SMALL_REFINED), pair(24, 40)
    assert (ours.config.multiple, ours.config.stride) == (8, 16)
    first, second = ours.encode(inputs["x0"]), ours.encode(inputs["x1"])
    flows = ours.flows(first, second)
    sizes = [(12, 20), (6, 10), (3, 5), (2, 3)]  # half the picture's, then halves rounded up
    for levels in (first.cells, first.features, flows.forward.flows, flows.backward.flows):
        assert [tuple(level.shape[1:3]) for level in levels] == sizes
    assert ours.render(first, second, flows, tf.constant([0.5]))["image"].shape == (1, 24, 40, 3)


def test_every_pass_adds_what_its_predictor_says(network: Make) -> None:
    inputs, step = pair(), np.array([0.5, -0.25], np.float32)
    for passes in (1, 2, 3):
        ours = network(replace(SMALL, flow_passes=(1, 1, passes)))
        silent = {name: np.zeros_like(value) for name, value in ours.named_weights().items()}
        ours.set_named_weights({**silent, "flow/shared/out/bias": step})
        way = ours.flows(ours.encode(inputs["x0"]), ours.encode(inputs["x1"])).forward
        for level, times in ((3, passes), (2, 3 * passes), (1, 6 * passes)):  # handed on, flow doubles
            np.testing.assert_allclose(way.flows[level], np.broadcast_to(times * step, way.flows[level].shape))
        np.testing.assert_allclose(way.residuals[2], np.broadcast_to(passes * step, way.residuals[2].shape))


def test_what_the_search_finds_is_kept_where_the_estimator_finds_nothing(network: Make) -> None:
    ours = network(SMALL_SEARCHED)
    ours.set_named_weights({name: np.zeros_like(value) for name, value in ours.named_weights().items()})
    picture = np.random.default_rng(5).uniform(0, 1, (1, 24, 40, 3)).astype(np.float32)
    whole = tf.image.resize(picture, (96, 160), method="bicubic").numpy().clip(0, 1)
    first, second = ours.encode(whole[:, :64, 8:136]), ours.encode(whole[:, 6:70, 4:132])  # moves by (4, −6)
    flows = ours.flows(first, second)
    for way, moved in ((flows.forward, (4, -6)), (flows.backward, (-4, 6))):
        for level in (0, 1):  # of half and quarter size
            inside = way.flows[level][0, 8 >> level : -8 >> level, 8 >> level : -8 >> level]
            np.testing.assert_allclose(np.median(inside, axis=(0, 1)), np.array(moved) / 2 ** (level + 1), atol=0.1)
        np.testing.assert_array_equal(way.flows[2], 0)  # nothing competes there
    # What was searched for before is taken as it is.
    again = ours.flows(first, second, ours.search(first, second))
    np.testing.assert_array_equal(again.forward.flows[0], flows.forward.flows[0])
    still = ours.flows(first, first, tf.fill((2, 64, 128, 2), 50.0))
    np.testing.assert_array_equal(still.forward.flows[0], 0)  # no motion at all is better


def test_published_flows_stay_on_the_images_grids_and_projected_ones_move_with_what_they_move(network: Make) -> None:
    inputs = pair()
    ahead, back = np.zeros((2, 1, 16, 24, 2), np.float32)
    ahead[:, 4:12, 6:14] = (4, 0)  # a block that goes right by 4, before what stands still
    back[:, 4:12, 10:18] = (-4, 0)
    # At 0.25 it has gone a quarter of the way. At its edges, where the flows disagree, the mean is half of that.
    still, moving = [0.0] * 8, [3.0] * 7
    rows = {False: [*still[:6], 3.0, *moving, *still, 0.0, 0.0], True: [*still[:6], 1.5, *moving, 1.5, *still, 0.0]}
    for projected, row in rows.items():
        ours = network(replace(SMALL_BLEND, projected=projected))
        ours.set_named_weights({**ours.named_weights(), **decoder_without_opinion(SMALL_BLEND)})
        first, second = ours.encode(inputs["x0"]), ours.encode(inputs["x1"])
        flows = ours.flows(first, second)
        flows.forward.flows[0], flows.backward.flows[0] = tf.constant(ahead), tf.constant(back)
        to_second = ours.make(first, second, flows, tf.constant([0.25])).motions[1].numpy()[0, ..., 2]
        expected = np.zeros((16, 24), np.float32)
        expected[4:12] = row
        np.testing.assert_array_equal(to_second, expected)


def test_the_picture_is_a_mean_over_the_motion_its_exchange_and_none(network: Make) -> None:
    ours = network(SMALL_HYPOTHESES)
    ours.set_named_weights({**ours.named_weights(), **decoder_without_opinion(SMALL_HYPOTHESES)})
    steepness, lighter = 0.01, 0.1
    ramp = np.broadcast_to(steepness * np.arange(96, dtype=np.float32)[:, None], (1, 32, 96, 3))
    first, second = ours.encode(ramp), ours.encode(ramp + np.float32(lighter))
    flows, size = ours.flows(first, second), (1, 16, 48, 1)
    for way, across in ((flows.forward, 2.0), (flows.backward, 6.0)):  # 4 and 12 pixels of full size
        way.flows[0] = tf.concat([tf.fill(size, across), tf.zeros(size)], axis=-1)
    found = np.asarray(ours.render(first, second, flows, tf.constant([0.25]))["image"])

    total, expected = 0.0, np.zeros_like(ramp)
    for counting, to_first, to_second in ((1, 0.25 * 12, 0.75 * 4), (0.5, -0.25 * 4, -0.75 * 12), (0.15, 0, 0)):
        count = counting / (abs(steepness * (to_first - to_second) - lighter) + 1 / 255)
        made = 0.75 * (ramp + steepness * to_first) + 0.25 * (ramp + steepness * to_second + lighter)
        total, expected = total + count, expected + count * made
    inside = np.s_[:, :, 24:-24]
    np.testing.assert_allclose(found[inside], expected[inside] / total, atol=1e-5)


def test_a_motion_that_matches_counts_for_more_than_one_that_does_not(network: Make) -> None:
    ours = network(SMALL_HYPOTHESES)
    ours.set_named_weights({**ours.named_weights(), **decoder_without_opinion(SMALL_HYPOTHESES)})
    wide = smooth_pictures(32, 64, count=1)
    inputs = wide[:, :, 4:52], wide[:, :, :48]  # the camera goes left, the picture right by 4
    first, second = (ours.encode(image) for image in inputs)
    flows, size = ours.flows(first, second), (1, 16, 24, 1)
    right = tf.concat([tf.fill(size, 2.0), tf.zeros(size)], axis=-1)
    flows.forward.flows[0], flows.backward.flows[0] = right, -right
    made = ours.render(first, second, flows, tf.constant([0.5]))["image"]
    truth, inside = wide[:, :, 2:50], np.s_[:, :, 8:-8]
    blended = (inputs[0] + inputs[1]) / 2
    # Of what a plain blend gets wrong less than a hundredth is left: no motion fits badly and hardly counts.
    wrong = [np.abs(image - truth)[inside].mean() for image in (np.asarray(made), blended)]
    assert wrong[0] < 0.01 * wrong[1]


def test_a_network_that_does_not_search_has_nothing_found(network: Make) -> None:
    ours, inputs = network(SMALL_REFINED), pair()
    assert ours.search(ours.encode(inputs["x0"]), ours.encode(inputs["x1"])) is None


@pytest.mark.parametrize("instant", [0.25, 0.5, 0.9])
def test_a_fresh_blend_head_gives_the_plain_blend(instant: float) -> None:
    inputs = pair()
    made = FilmNetwork(SMALL_REFINED)({**inputs, "time": np.array([[instant]], np.float32)})["image"]
    # The first flows are all but zero, so nearly nothing moves.
    np.testing.assert_allclose(made, (1 - instant) * inputs["x0"] + instant * inputs["x1"], atol=4e-3)


def test_a_still_picture_stays_itself_between_two_of_it() -> None:
    still = smooth_pictures(64, 128, count=1)
    for instant in (0.25, 0.5, 0.9):
        made = compact()({"x0": still, "x1": still, "time": np.array([[instant]], np.float32)})["image"]
        np.testing.assert_allclose(made, still, atol=1 / 255)


@UNRIVALLED  # a search can't be compiled
def test_compiling_changes_nothing_but_rounding(config: FilmConfig, network: Make) -> None:
    ours, inputs = network(config), pair()
    expected = ours(inputs)
    found = tf.function(ours, jit_compile=True)(inputs)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, atol=1e-4)


@EVERY
def test_mixed_precision_changes_the_picture_by_a_hundredth_at_most_and_keeps_flow_whole(
    config: FilmConfig, network: Make
) -> None:
    full, mixed, inputs = network(config), network(config, mixed_precision=True), pair()
    expected, found = full(inputs), mixed(inputs)
    for name, value in expected.items():
        assert found[name].dtype == tf.float32
        np.testing.assert_allclose(found[name], value, atol=1e-2)

    first, second = mixed.encode(inputs["x0"]), mixed.encode(inputs["x1"])
    assert {level.dtype for level in first.features} == {tf.float16}
    for way in mixed.flows(first, second):
        assert {level.dtype for level in (*way.flows, *way.residuals)} == {tf.float32}
    assert {weight.dtype for weight in mixed.weights} == {"float32"}


def test_one_fused_level_is_a_network_too(network: Make) -> None:
    for head in ("rgb", "blend"):
        ours = network(replace(SMALL, fusion_pyramid_levels=1, head=head))
        assert np.isfinite(ours(pair())["image"]).all()


@UNRIVALLED
def test_a_gradient_reaches_every_weight(config: FilmConfig, network: Make) -> None:
    ours, inputs = network(config), pair()
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(ours(inputs)["image"]))
    for gradient in tape.gradient(loss, ours.trainable_variables):
        assert np.isfinite(gradient).all()
        assert np.any(gradient)


def test_weights_come_back_as_they_were_set() -> None:
    ours, weights = FilmNetwork(SMALL), random_weights(SMALL)
    ours.set_named_weights(weights)
    found = ours.named_weights()
    assert list(found) == list(SMALL.weight_shapes())
    for name, weight in weights.items():
        np.testing.assert_array_equal(found[name], weight)


def test_weights_of_another_network_are_refused_and_change_nothing() -> None:
    ours = FilmNetwork(SMALL)
    before = ours.named_weights()
    weights = random_weights(SMALL)
    missing = {name: weight for name, weight in weights.items() if name != "flow/shared/out/bias"}
    for wrong, complaint in (
        (missing, "flow/shared/out/bias' is missing"),
        ({**weights, "flow/9/out/bias": np.zeros(2, np.float32)}, "flow/9/out/bias' is unknown"),
        ({**weights, "fusion/out/bias": np.zeros(4, np.float32)}, r"fusion/out/bias' has the shape \(4,\), not \(3,\)"),
    ):
        with pytest.raises(WeightsMismatch, match=complaint):
            ours.set_named_weights(wrong)
    after = ours.named_weights()
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_a_network_made_from_its_configuration_computes_the_same(network: Make) -> None:
    ours = network(SMALL_REFINED)
    again = FilmNetwork.from_config(ours.get_config())
    again.set_named_weights(ours.named_weights())
    np.testing.assert_array_equal(ours(pair())["image"], again(pair())["image"])
    assert (again.config, again.name) == (ours.config, ours.name)
