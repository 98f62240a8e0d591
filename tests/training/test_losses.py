"""What wrong pictures cost."""

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from film.training.losses import charbonnier, decibel_loss, motion_loss, picture_loss, psnr

from .conftest import texture


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


def test_decibels_are_of_each_picture_and_end_where_nothing_is_to_be_won() -> None:
    grey = np.full((2, 8, 8, 3), 0.5, np.float32)
    made = grey + np.array([0.1, 0.01], np.float32)[:, None, None, None]
    assert float(decibel_loss(made, grey)) == pytest.approx((-20 - 40) / 2, abs=0.1)
    least = 20 * np.log10(0.5 / 255)
    assert float(decibel_loss(grey, grey)) == pytest.approx(least, abs=0.01)


def steady(x: float, y: float, height: int, width: int) -> NDArray[np.float32]:
    """Give one motion to the first image, and half of it backwards to the second."""
    return np.broadcast_to(np.array([x, y, -x / 2, -y / 2], np.float32), (2, height, width, 4))


def test_motion_that_is_true_at_every_level_costs_what_keeps_the_root_smooth() -> None:
    truth = steady(8.0, -4.0, 16, 24)
    levels = [steady(8.0 / 2**level, -4.0 / 2**level, 16 >> level, 24 >> level) for level in range(3)]
    assert float(motion_loss(levels, truth, np.ones(2, np.float32))) == pytest.approx(0.1)


def test_wrong_motion_costs_its_length_where_the_truth_is_known() -> None:
    truth, still = steady(30.0, 40.0, 16, 24), np.zeros((2, 16, 24, 4), np.float32)
    # 50 pixels to the first image and 25 to the second, in one of two examples.
    assert float(motion_loss([still], truth, np.array([1, 0], np.float32))) == pytest.approx((50 + 25) / 4, abs=0.01)
    assert float(motion_loss([still], truth, np.zeros(2, np.float32))) == 0.0


def test_psnr_is_of_each_picture_and_of_what_can_be_shown() -> None:
    grey = np.full((2, 8, 8, 3), 0.9, np.float32)
    made = grey.copy()
    made[0] += 0.1
    made[1] -= 0.01
    np.testing.assert_allclose(psnr(made, grey), [20.0, 40.0], atol=1e-3)
    made[0] += 5.0  # beyond white there is only white
    np.testing.assert_allclose(psnr(made, grey), [20.0, 40.0], atol=1e-3)
