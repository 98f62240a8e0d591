"""Weights out of a TensorFlow SavedModel, the form in which FILM was released.

Only the checkpoint in its `variables` folder is read; the SavedModel's graph is never
loaded or run. The released checkpoints hold their weights as a list `variables`, in the order of
`FilmConfig.weight_shapes()`.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from film.errors import OptionError, TargetExists, WeightsMismatch
from film.network.config import FilmConfig
from film.weights.cache import cached_path
from film.weights.files import disk_errors, save
from film.weights.weightset import BUNDLED, WeightSet, check_shapes, check_weights

__all__ = ["import_saved_model", "read_saved_model"]

_KEY = "variables/{}/.ATTRIBUTES/VARIABLE_VALUE"
_KEY_PATTERN = re.compile(r"variables/(0|[1-9][0-9]*)/\.ATTRIBUTES/VARIABLE_VALUE", re.ASCII)
# TensorFlow's own bookkeeping, found in any checkpoint.
_BOOKKEEPING = {"_CHECKPOINTABLE_OBJECT_GRAPH", "save_counter/.ATTRIBUTES/VARIABLE_VALUE"}


def import_saved_model(
    directory: str | os.PathLike[str],
    *,
    name: str,
    config: FilmConfig | None = None,
    training: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> Path:
    """Convert a SavedModel's weights into a weight file in the cache.

    Args:
        directory: The folder that holds `variables/variables.index`.
        name: What the weight set is to be called from now on.
        config: The network that the weights are for; the published one where none is given.
        training: Where the weights come from and their `licence`, kept in the file.
        overwrite: Whether a set of that name may be replaced.

    Returns:
        The weight file's path.

    Raises:
        OptionError: If the name isn't allowed, or is the bundled set's.
        TargetExists: If there is a set of that name and `overwrite` is false.
        WeightsMismatch: If the folder isn't a readable SavedModel, or its variables aren't
            exactly the configuration's, in order and shape.
        NoSpace: If the disk is full.
        TargetUnwritable: If the cache can't be written.
    """
    if name == BUNDLED:
        raise OptionError(f"{name!r} is the bundled set's name; choose another")
    target = cached_path(name)
    if target.exists() and not overwrite:
        raise TargetExists(
            f"there are weights named {name!r} already ({target}); choose another name or overwrite them"
        )
    config = FilmConfig.published() if config is None else config
    tensors = read_saved_model(directory, config)
    provenance = {"source": str(directory), "licence": "unknown", **(training or {})}
    weights = WeightSet.of(name, config, tensors=tensors, version="1", training=provenance)
    with disk_errors(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
    save(target, weights)
    return target


def read_saved_model(directory: str | os.PathLike[str], config: FilmConfig) -> dict[str, np.ndarray]:
    """Read a SavedModel's weights under the names of `config.weight_shapes()`, float32.

    Raises:
        WeightsMismatch: If the folder isn't a readable SavedModel, or its variables aren't
            exactly the configuration's; the message gives the first wrong one's index, its
            name here, and both shapes.
    """
    directory = Path(directory)
    prefix = _checkpoint(directory)
    import tensorflow as tf  # seconds to load, and needed here only

    names = list(config.weight_shapes())
    try:
        reader = tf.train.load_checkpoint(str(prefix))
        check_shapes(config, _shapes(reader.get_variable_to_shape_map(), names))
        tensors = {name: np.asarray(reader.get_tensor(_KEY.format(index))) for index, name in enumerate(names)}
        check_weights(config, tensors)
    except WeightsMismatch as error:
        raise WeightsMismatch(f"{directory}: {error}") from error
    except (tf.errors.OpError, ValueError, RuntimeError, TypeError, LookupError, OSError) as error:
        # TensorFlow says the same fault in different classes from one release to the next.
        raise WeightsMismatch(f"the checkpoint in {directory} is damaged: {' '.join(str(error).split())}") from error
    return tensors


def _checkpoint(directory: Path) -> Path:
    """Give the checkpoint's prefix, as TensorFlow wants it, once its index is seen to be there and readable."""
    index = directory / "variables" / "variables.index"
    try:
        if not directory.is_dir():
            raise WeightsMismatch(f"there is no folder {directory}; give the folder that holds saved_model.pb")
        if not index.is_file():
            raise WeightsMismatch(f"{directory} isn't a SavedModel: it has no variables/variables.index")
        with index.open("rb"):
            pass
    except OSError as error:
        raise WeightsMismatch(f"{index} can't be read: {error.strerror or error}") from error
    return index.with_suffix("")


def _shapes(found: Mapping[str, list[int]], names: list[str]) -> dict[str, tuple[int, ...]]:
    """Name a checkpoint's variables; one beyond the network's keeps its own key."""
    shapes = {}
    for key, shape in found.items():
        if key in _BOOKKEEPING:
            continue
        match = _KEY_PATTERN.fullmatch(key)
        index = int(match[1]) if match else len(names)
        shapes[names[index] if index < len(names) else key] = tuple(shape)
    return shapes
