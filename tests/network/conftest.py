"""Small networks, and the option that names a file of the public reference's figures."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from film.network import FilmConfig, FilmNetwork

SMALL = FilmConfig(
    pyramid_levels=4,
    fusion_pyramid_levels=3,
    specialized_levels=2,
    sub_levels=3,
    filters=4,
    flow_convs=(1, 2, 1),
    flow_filters=(4, 6, 8),
)
SMALL_BLEND = FilmConfig(**{**SMALL.__dict__, "head": "blend", "any_instant": True})
SMALL_HYPOTHESES = FilmConfig(**{**SMALL_BLEND.__dict__, "projected": True, "multi_hypothesis": True})
SMALL_REFINED = FilmConfig(**{**SMALL_BLEND.__dict__, "refined": True, "flow_passes": (1, 2, 2)})
SMALL_SEARCHED = FilmConfig(**{**SMALL_REFINED.__dict__, "fusion_pyramid_levels": 4, "searched_levels": 2})


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--golden", type=Path, metavar="NPZ", help="compare the network with the public reference's run")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without the file there is nothing to compare with: not a test that was skipped, but none."""
    if config.getoption("--golden", default=None) is None:
        golden = [item for item in items if item.get_closest_marker("golden")]
        config.hook.pytest_deselected(items=golden)
        items[:] = [item for item in items if item not in golden]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "golden: needs the file that --golden names")


def random_weights(config: FilmConfig, *, seed: int = 0, flow_scale: float = 1.0) -> dict[str, NDArray[np.float32]]:
    """Draw weights that keep values near 1 through all layers; `flow_scale` sizes the motion, in pixels or so."""
    random = np.random.default_rng(seed)
    weights = {}
    for name, shape in config.weight_shapes().items():
        scale = 0.05 if name.endswith("bias") else 1.2 / np.sqrt(np.prod(shape[:-1]))
        if name.startswith("flow") and name.endswith("out/kernel"):
            scale *= flow_scale
        weights[name] = random.normal(0, scale, shape).astype(np.float32)
    return weights


def smooth_pictures(height: int, width: int, *, count: int = 2, seed: int = 0) -> NDArray[np.float32]:
    """Draw `count` smooth pictures, `(count, H, W, 3)` in [0, 1]: one pattern that drifts."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    pictures = np.full((count, height, width, 3), 0.5)
    for _ in range(4):
        across, down, drift = random.uniform(-0.35, 0.35, 3)
        phases = random.uniform(0, 2 * np.pi, 3)
        for index in range(count):
            place = across * columns + down * rows + 3 * drift * index
            pictures[index] += 0.1 * np.sin(place[..., None] + phases)
    return pictures.astype(np.float32)


@pytest.fixture
def network() -> Callable[..., FilmNetwork]:
    """Give a maker of networks with seeded random weights."""

    def make(config: FilmConfig, *, flow_scale: float = 1.0, mixed_precision: bool = False) -> FilmNetwork:
        made = FilmNetwork(config, mixed_precision=mixed_precision)
        made.set_named_weights(random_weights(config, flow_scale=flow_scale))
        return made

    return make
