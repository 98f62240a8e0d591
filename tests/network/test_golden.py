"""The network against two others: one in plain numpy beside this file, and the public one's recorded run."""

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import ArrayLike

from film.network import FilmConfig, FilmNetwork

from .conftest import SMALL, SMALL_BLEND, SMALL_HYPOTHESES, random_weights, smooth_pictures
from .reference import Reference

# All figures are of order 1 (colours) to 10 (pixels), computed here in single precision.
TOLERANCE = 1e-4


def difference(found: ArrayLike, expected: ArrayLike) -> float:
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape
    return float(np.abs(found - expected).max())


@pytest.mark.parametrize("instant", [0.5, 0.3])
@pytest.mark.parametrize("config", [SMALL, SMALL_BLEND, SMALL_HYPOTHESES], ids=["rgb", "blend", "hypotheses"])
def test_every_figure_equals_a_plain_numpy_implementation(
    config: FilmConfig, instant: float, network: Callable[..., FilmNetwork]
) -> None:
    pictures = smooth_pictures(32, 48)
    first, second = pictures[:1], pictures[1:]
    reference = Reference(config.to_json(), random_weights(config, flow_scale=8.0))
    expected = reference.run(first.astype(np.float64), second.astype(np.float64), instant)
    assert np.abs(expected.forward[0]).max() > 2  # pixels: the flow moves things about

    ours = network(config, flow_scale=8.0)
    pair = ours.encode(first), ours.encode(second)
    flows = ours.flows(*pair)
    made = ours.render(*pair, flows, tf.constant([instant]))

    assert difference(made["image"], expected.image) < TOLERANCE
    assert difference(made["x0_warped"], expected.warped[0]) < TOLERANCE
    assert difference(made["x1_warped"], expected.warped[1]) < TOLERANCE
    for found, flow, residuals in (
        (flows.forward, expected.forward, expected.forward_residuals),
        (flows.backward, expected.backward, expected.backward_residuals),
    ):
        for level in range(config.pyramid_levels):
            assert difference(found.flows[level], flow[level]) < TOLERANCE
            assert difference(found.residuals[level], residuals[level]) < TOLERANCE


@pytest.mark.golden
def test_every_figure_equals_the_public_implementations(
    request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    golden = np.load(request.config.getoption("--golden"))
    config = FilmConfig(
        pyramid_levels=5,
        fusion_pyramid_levels=4,
        specialized_levels=3,
        sub_levels=4,
        filters=8,
        flow_convs=(2, 2, 2, 2),
        flow_filters=(8, 12, 16, 24),
    )
    ours = FilmNetwork(config)
    names = config.weight_shapes()
    ours.set_named_weights({name: golden[f"weight_{index:02d}"] for index, name in enumerate(names)})

    pair = ours.encode(golden["x0"]), ours.encode(golden["x1"])
    flows = ours.flows(*pair)
    found = ours.render(*pair, flows, tf.constant([0.5]))
    found |= {"forward_flow_0": flows.forward.flows[0], "backward_flow_0": flows.backward.flows[0]}
    found |= {f"forward_residual_{level}": value for level, value in enumerate(flows.forward.residuals)}

    differences = {name: difference(value, golden[name]) for name, value in found.items()}
    with capsys.disabled():
        print("".join(f"\n  {name:20s} {value:.1e}" for name, value in differences.items()))  # noqa: T201 (asked for)
    assert len(differences) == 3 + 2 + 5
    assert max(differences.values()) < TOLERANCE
