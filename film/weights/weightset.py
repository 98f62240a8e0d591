"""A weight set: every tensor of one network, with where it came from."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from film.errors import OptionError, WeightsMismatch
from film.network.config import FilmConfig

__all__ = ["BUNDLED", "WeightSet", "check_name", "check_shapes", "check_weights", "digest"]

BUNDLED = "compact"  # the set that comes with the package

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)
_FILE_SUFFIX = ".safetensors"  # a name that ends so would be taken for a path


@dataclass(frozen=True, kw_only=True, eq=False)
class WeightSet:
    """All weights of one network.

    Attributes:
        name: 1 to 64 lower-case letters, digits, dots, dashes and underscores.
        config: The network that the weights are for.
        tensors: float32, named, shaped and ordered as `config.weight_shapes()` says.
        version: Tells one training or release of the same name from another.
        training: How the weights were trained; for imported ones, where they came from and
            under which `licence`. Values that JSON can hold.
        sha256: Digest over all tensors, as `digest` makes it.
    """

    name: str
    config: FilmConfig
    tensors: dict[str, np.ndarray]
    version: str
    training: Mapping[str, Any] = field(default_factory=dict)
    sha256: str

    @classmethod
    def of(
        cls,
        name: str,
        config: FilmConfig,
        *,
        tensors: Mapping[str, np.ndarray],
        version: str,
        training: Mapping[str, Any],
    ) -> Self:
        """Gather tensors, in any order, into a set and compute its digest.

        Raises:
            OptionError: If the name isn't allowed.
            WeightsMismatch: If a tensor is missing, unknown, or of another shape or type than
                the configuration needs, or holds a value that isn't finite.
        """
        check_name(name)
        check_weights(config, tensors)
        ordered = {key: np.ascontiguousarray(tensors[key]) for key in config.weight_shapes()}
        return cls(
            name=name, config=config, tensors=ordered, version=version, training=dict(training), sha256=digest(ordered)
        )


def check_name(name: str) -> None:
    """Refuse a name that couldn't be a file's name on every system.

    Raises:
        OptionError: If it isn't 1 to 64 of `a-z 0-9 . _ -`, starting with a letter or digit,
            or ends in `.safetensors`.
    """
    if not _NAME.fullmatch(name) or name.endswith(_FILE_SUFFIX):
        raise OptionError(
            f"a weight set can't be named {name!r}: use up to 64 lower-case letters, digits, dots, dashes "
            f"and underscores, a letter or digit first, and no {_FILE_SUFFIX} at the end"
        )


def digest(tensors: Mapping[str, np.ndarray]) -> str:
    """Compute the SHA-256 over every tensor's name, shape and little-endian float32 bytes, in the mapping's order."""
    running = hashlib.sha256()
    for name, tensor in tensors.items():
        running.update(f"{name}\n{','.join(map(str, tensor.shape))}\n".encode())
        running.update(np.ascontiguousarray(tensor, dtype="<f4").data)
    return running.hexdigest()


def check_shapes(config: FilmConfig, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Compare names and shapes with what a configuration needs.

    Raises:
        WeightsMismatch: If a tensor is missing, of another shape, or not one of the
            configuration's; the message names the first such tensor in the network's order.
    """
    needed = config.weight_shapes()
    for index, (name, shape) in enumerate(needed.items()):
        if name not in shapes:
            raise WeightsMismatch(
                f"weight {index} ({name}) is missing: the configuration needs {len(needed)} weights, "
                f"{len(shapes)} are there"
            )
        if tuple(shapes[name]) != shape:
            raise WeightsMismatch(f"weight {index} ({name}) should be of shape {shape}, not {tuple(shapes[name])}")
    unknown = [name for name in shapes if name not in needed]
    if unknown:
        raise WeightsMismatch(
            f"{len(unknown)} tensor(s) aren't part of the configured network: {', '.join(sorted(unknown)[:3])}"
        )


def check_weights(config: FilmConfig, tensors: Mapping[str, np.ndarray]) -> None:
    """Compare tensors with what a configuration needs: names, shapes, type, and values that are finite.

    Raises:
        WeightsMismatch: At the first tensor that differs; the message says which and how.
    """
    check_shapes(config, {name: tensor.shape for name, tensor in tensors.items()})
    for index, name in enumerate(config.weight_shapes()):
        tensor = tensors[name]
        if tensor.dtype != np.float32:
            raise WeightsMismatch(f"weight {index} ({name}) should be float32, not {tensor.dtype}")
        finite = np.isfinite(tensor)
        if not finite.all():
            raise WeightsMismatch(
                f"weight {index} ({name}) has {tensor.size - np.count_nonzero(finite)} value(s) that aren't finite"
            )
