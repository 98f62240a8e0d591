"""Flow without a network: which way it points, and whose it is."""

import cv2
import numpy as np
from numpy.typing import NDArray

from film.search import inverse_search


def cloth(seed: int) -> NDArray[np.uint8]:
    """Draw 96×144 pixels of smooth random texture."""
    noise = np.random.default_rng(seed).uniform(0, 255, (24, 36)).astype(np.float32)
    return np.clip(cv2.resize(noise, (144, 96), interpolation=cv2.INTER_CUBIC), 0, 255).astype(np.uint8)


def test_the_flow_points_from_each_image_into_the_other() -> None:
    whole = cloth(1)
    first, second = whole[None, 8:88, 8:136], whole[None, 5:85, 12:140]  # (x, y) moves to (x − 4, y + 3)
    flow = inverse_search(first, second)
    assert flow.shape == (2, 80, 128, 2)
    assert flow.dtype == np.float32
    for way, moved in zip(flow, ((-4, 3), (4, -3)), strict=True):
        np.testing.assert_allclose(np.median(way[16:-16, 16:-16], axis=(0, 1)), moved, atol=0.1)


def test_pairs_of_a_batch_are_searched_by_themselves_all_forwards_first() -> None:
    first, second = np.stack([cloth(1), cloth(2)]), np.stack([cloth(3), np.roll(cloth(2), 2, axis=1)])
    together = inverse_search(first, second)
    for index in (0, 1):
        alone = inverse_search(first[index : index + 1], second[index : index + 1])
        np.testing.assert_array_equal(together[index], alone[0])
        np.testing.assert_array_equal(together[2 + index], alone[1])


def test_what_stands_still_has_no_flow() -> None:
    np.testing.assert_allclose(inverse_search(cloth(4)[None], cloth(4)[None]), 0, atol=1e-3)


def test_the_smallest_image_is_searched() -> None:
    tiny = cloth(5)[None, :12, :12]
    assert np.isfinite(inverse_search(tiny, tiny[:, ::-1].copy())).all()


def test_padding_is_left_out_and_its_flow_repeats_what_is_inside() -> None:
    whole = cloth(6)
    first, second = whole[None, 8:88, 8:136], whole[None, 5:85, 12:140]
    expected = inverse_search(first, second)
    rows, columns = (8, 4), (0, 12)
    padded = [np.pad(image, ((0, 0), rows, columns), mode="edge") for image in (first, second)]
    found = inverse_search(padded[0], padded[1], (rows, columns))
    np.testing.assert_array_equal(found, np.pad(expected, ((0, 0), rows, columns, (0, 0)), mode="edge"))


def test_an_image_that_is_almost_all_padding_is_searched_as_it_is() -> None:
    tiny = cloth(7)[None, :16, :16]
    whole = inverse_search(tiny, tiny[:, ::-1])
    np.testing.assert_array_equal(inverse_search(tiny, tiny[:, ::-1], ((3, 4), (0, 0))), whole)
