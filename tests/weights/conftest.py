"""A cache folder of each test's own, a server, and SavedModels in the published layout."""

import io
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from film.network.config import FilmConfig

from .server import FileServer, Site

SMALL = FilmConfig(
    pyramid_levels=3,
    fusion_pyramid_levels=2,
    specialized_levels=1,
    sub_levels=2,
    filters=4,
    flow_convs=(1, 1),
    flow_filters=(4, 6),
)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep every test out of the user's own cache, and off any proxy for the loopback."""
    monkeypatch.setenv("FILM_WEIGHTS_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path / "cache"


@pytest.fixture
def site() -> Iterator[Site]:
    with FileServer() as server:
        yield server.site


@pytest.fixture(scope="session")
def small() -> FilmConfig:
    return SMALL


@pytest.fixture(scope="session")
def small_tensors() -> dict[str, np.ndarray]:
    random = np.random.default_rng(7)
    return {name: random.standard_normal(shape, np.float32) for name, shape in SMALL.weight_shapes().items()}


@pytest.fixture(scope="session")
def saved_model(tmp_path_factory: pytest.TempPathFactory, small_tensors: Mapping[str, np.ndarray]) -> Path:
    """The small network's weights in the layout of the released models."""
    directory = tmp_path_factory.mktemp("small") / "saved_model"
    write_saved_model(directory, list(small_tensors.values()))
    return directory


@pytest.fixture(scope="session")
def archive(saved_model: Path) -> bytes:
    return pack(saved_model)


@pytest.fixture(scope="session")
def published_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SavedModel with the 82 real shapes; weight `i` is filled with `i`."""
    directory = tmp_path_factory.mktemp("published") / "saved_model"
    shapes = FilmConfig.published().weight_shapes().values()
    write_saved_model(directory, [np.full(shape, index, np.float32) for index, shape in enumerate(shapes)])
    return directory


def write_saved_model(directory: Path, variables: Sequence[np.ndarray], **others: np.ndarray) -> None:
    """Write a SavedModel whose checkpoint holds a list `variables` (and other variables by name)."""
    import tensorflow as tf

    tracked = {name: tf.Variable(value) for name, value in others.items()}
    root = tf.train.Checkpoint(variables=[tf.Variable(value) for value in variables], **tracked)
    tf.saved_model.save(root, str(directory))


def pack(directory: Path, inside: str = ".") -> bytes:
    """Pack a folder as tar.gz."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as tar:
        tar.add(directory, arcname=inside)
    return packed.getvalue()
