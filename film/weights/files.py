"""The one file format that weights are kept in.

A safetensors file (https://github.com/huggingface/safetensors) with these strings in its
metadata:

    film_format   "1"
    name          the weight set's name
    version       its version
    config        `FilmConfig.to_json()` as JSON
    training      how it was trained or where it came from, as JSON
    sha256        the digest over all tensors (`film.weights.weightset.digest`)

Nothing in such a file is run, unlike a pickle or a SavedModel's graph.
"""

import errno
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from film.errors import FilmError, NoSpace, OptionError, TargetUnwritable, UnknownModel, WeightsError, WeightsMismatch
from film.network.config import FilmConfig
from film.weights.weightset import WeightSet, check_name, check_shapes, check_weights, digest

__all__ = ["Header", "disk_errors", "load", "read_header", "save"]

_FORMAT = "1"
_KEYS = ("film_format", "name", "version", "config", "training", "sha256")
# Far above any network that fits in memory; it keeps a forged configuration from making
# the loader count to a billion.
_LARGEST_SIZE = 1024
_LONGEST_LIST = 64
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a weight file says about itself; attributes as in `WeightSet`."""

    name: str
    config: FilmConfig
    version: str
    training: Mapping[str, Any]
    sha256: str


def save(path: str | os.PathLike[str], weights: WeightSet) -> None:
    """Write a weight file; it appears whole or not at all, and replaces one that is there.

    Raises:
        OptionError: If the weight set's name isn't allowed, or `training` holds what JSON can't.
        WeightsMismatch: If the tensors aren't those that the configuration needs, or not those
            of the set's digest.
        NoSpace: If the disk is full.
        TargetUnwritable: If the file can't be written for another reason.
    """
    check_name(weights.name)
    check_weights(weights.config, weights.tensors)
    ordered = {name: np.ascontiguousarray(weights.tensors[name]) for name in weights.config.weight_shapes()}
    if digest(ordered) != weights.sha256:
        raise WeightsMismatch(f"the tensors of {weights.name!r} aren't those of its SHA-256; make the set anew")
    content = safetensors.numpy.save(ordered, metadata=_metadata(weights))
    target = Path(path)
    beside = target.with_name(f".{target.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    with disk_errors(target):
        try:
            with beside.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)


def load(path: str | os.PathLike[str]) -> WeightSet:
    """Read a weight file and check everything in it.

    Raises:
        UnknownModel: If there is no such file.
        WeightsError: If the file can't be read.
        WeightsMismatch: If it isn't a whole weight file of this format, or a tensor is missing,
            unknown, misshapen, not float32, not finite, or altered since it was written.
    """
    path = Path(path)
    with _opened(path) as file:
        header = _header(file.metadata())
        names = list(file.keys())
        check_shapes(header.config, {name: tuple(file.get_slice(name).get_shape()) for name in names})
        tensors = {name: file.get_tensor(name) for name in header.config.weight_shapes()}
        check_weights(header.config, tensors)
        if digest(tensors) != header.sha256:
            raise WeightsMismatch("the tensors aren't those of the recorded SHA-256: the file was altered or damaged")
    return WeightSet(
        name=header.name,
        config=header.config,
        tensors=tensors,
        version=header.version,
        training=header.training,
        sha256=header.sha256,
    )


def read_header(path: str | os.PathLike[str]) -> Header:
    """Read what a weight file says about itself, without its tensors.

    Raises:
        UnknownModel: If there is no such file.
        WeightsError: If the file can't be read.
        WeightsMismatch: If it isn't a weight file of this format.
    """
    with _opened(Path(path)) as file:
        return _header(file.metadata())


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn what the system says while `path` is written into this library's errors.

    Raises:
        NoSpace: If the disk, or the user's share of it, is full.
        TargetUnwritable: On any other `OSError`.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _DISK_FULL:
            raise NoSpace(f"the disk is full while writing {path}; free some space and try again") from error
        raise TargetUnwritable(f"{path} can't be written: {error.strerror or error}") from error


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a weight file; any fault found in it, by us or by safetensors, names the file."""
    try:
        with path.open("rb") as readable:  # safetensors' own words on a missing file or a folder are less clear
            readable.read(1)
        with safetensors.safe_open(path, framework="np") as file:
            yield file
    except FileNotFoundError as error:
        raise UnknownModel(f"there is no weight file {path}") from error
    except OSError as error:
        raise WeightsError(f"{path} can't be read: {error.strerror or error}") from error
    except safetensors.SafetensorError as error:
        raise WeightsMismatch(f"{path} isn't a whole safetensors file: {error}") from error
    except FilmError as error:
        raise WeightsMismatch(f"{path}: {error}") from error


def _header(metadata: Mapping[str, str] | None) -> Header:
    if not metadata or "film_format" not in metadata:
        raise WeightsMismatch("not a weight file of this program: its metadata has no film_format")
    if metadata["film_format"] != _FORMAT:
        raise WeightsMismatch(
            f"format {metadata['film_format']!r} is not known here (only {_FORMAT!r}); a newer release may read it"
        )
    missing = [key for key in _KEYS if key not in metadata]
    if missing:
        raise WeightsMismatch(f"the metadata lacks {', '.join(missing)}")
    check_name(metadata["name"])
    return Header(
        name=metadata["name"],
        config=_configuration(_json(metadata, "config")),
        version=metadata["version"],
        training=_json(metadata, "training"),
        sha256=metadata["sha256"],
    )


def _metadata(weights: WeightSet) -> dict[str, str]:
    try:
        training = json.dumps(dict(weights.training), sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise OptionError(f"`training` must hold plain JSON values: {error}") from error
    return {
        "film_format": _FORMAT,
        "name": weights.name,
        "version": weights.version,
        "config": json.dumps(weights.config.to_json(), sort_keys=True),
        "training": training,
        "sha256": weights.sha256,
    }


def _json(metadata: Mapping[str, str], key: str) -> dict[str, Any]:
    try:
        values = json.loads(metadata[key])
    except (ValueError, RecursionError) as error:
        raise WeightsMismatch(f"the metadata's {key} isn't JSON: {error}") from error
    if not isinstance(values, dict):
        raise WeightsMismatch(f"the metadata's {key} should be a JSON object")
    return values


def _configuration(values: Mapping[str, Any]) -> FilmConfig:
    for name, value in values.items():
        sizes = value if isinstance(value, list) else [value]
        if len(sizes) > _LONGEST_LIST or not all(isinstance(size, int | str) for size in sizes):
            raise WeightsMismatch(f"the configuration's {name} can't be {value!r:.60}")
        if any(isinstance(size, int) and size > _LARGEST_SIZE for size in sizes):
            raise WeightsMismatch(f"the configuration's {name} is beyond {_LARGEST_SIZE}: {value!r:.60}")
    return FilmConfig.from_json(values)
