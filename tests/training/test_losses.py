"""What wrong pictures cost."""

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from film.network import FilmNetwork
from film.network.flow import FlowPyramid
from film.network.model import Flows
from film.training.losses import charbonnier, picture_loss, psnr, warp_loss

from .conftest import TINY, texture


def picture(seed: int) -> NDArray[np.float32]:
    return texture(seed)[None, :32, :48].astype(np.float32) / np.float32(255)


def test_equal_pictures_cost_what_keeps_the_root_smooth_and_no_more() -> None:
    for loss in (charbonnier, picture_loss):
        assert float(loss(picture(0), picture(0))) == pytest.approx(1e-3)


def test_a_large_error_costs_its_size() -> None:
    black, grey = np.zeros((1, 8, 8, 3), np.float32), np.full((1, 8, 8, 3), 0.5, np.float32)
    assert float(charbonnier(black, grey)) == pytest.approx(0.5, abs=1e-5)
    assert float(picture_loss(black, grey)) == pytest.approx(0.5, abs=1e-5)


def test_an_error_that_averages_out_costs_less_than_one_that_does_not() -> None:
    grey = np.full((1, 8, 8, 3), 0.5, np.float32)
    checks = grey + np.where(np.indices((8, 8)).sum(0) % 2, 0.3, -0.3)[None, ..., None].astype(np.float32)
    # Equally wrong at full size; right at half and quarter.
    assert float(picture_loss(checks, grey)) == pytest.approx(0.3 / 3, abs=2e-3)
    assert float(picture_loss(grey + 0.3, grey)) == pytest.approx(0.3, abs=1e-3)


def test_a_loss_has_a_gradient_even_where_there_is_no_error() -> None:
    image = tf.constant(picture(0))
    with tf.GradientTape() as tape:
        tape.watch(image)
        loss = picture_loss(image, picture(0))
    assert np.isfinite(tape.gradient(loss, image)).all()


@pytest.mark.parametrize("instant", [0.5, 0.25])
def test_flows_that_carry_both_pictures_to_the_truth_cost_next_to_nothing(instant: float) -> None:
    wide = texture(3)[None, :32].astype(np.float32) / np.float32(255)
    travel = 8  # pixels, which is whole at both levels, at both instants
    start = 40 + int(travel * instant)
    first, truth, second = wide[:, :, 40:88], wide[:, :, start : start + 48], wide[:, :, 48:96]
    network = FilmNetwork(TINY)
    pair = network.encode(first), network.encode(second)

    def steady(pixels: float) -> FlowPyramid:
        sizes = [(1, 32 >> level, 48 >> level, 1) for level in range(TINY.pyramid_levels)]
        flows = [tf.concat([tf.fill(size, pixels / 2**level), tf.zeros(size)], -1) for level, size in enumerate(sizes)]
        return FlowPyramid(flows, flows)

    # The scene moves left by 8: what is at x in the first picture is at x − 8 in the second.
    right = Flows(forward=steady(-float(travel)), backward=steady(float(travel)))
    still = Flows(forward=steady(0.0), backward=steady(0.0))
    cells, at = network.cells(truth), tf.constant([instant])
    costs = [float(warp_loss(network, pair, flows, cells, at)) for flows in (right, still)]
    assert costs[0] < costs[1] / 4  # only what comes in at the edges is left


def test_psnr_is_of_each_picture_and_of_what_can_be_shown() -> None:
    grey = np.full((2, 8, 8, 3), 0.9, np.float32)
    made = grey.copy()
    made[0] += 0.1
    made[1] -= 0.01
    np.testing.assert_allclose(psnr(made, grey), [20.0, 40.0], atol=1e-3)
    made[0] += 5.0  # beyond white there is only white
    np.testing.assert_allclose(psnr(made, grey), [20.0, 40.0], atol=1e-3)
