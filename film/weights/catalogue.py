"""Which weight sets there are, and where.

Three kinds: the bundled one comes with the package; the published ones are Google's
releases of FILM and have to be fetched or imported; the imported ones are whatever else the
user's cache folder holds.
"""

import importlib.resources
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from film.errors import FilmError, OptionError, UnknownModel
from film.weights.cache import cache_directory, cached_path
from film.weights.files import load, read_header
from film.weights.sources import Archive, Folder, Source
from film.weights.weightset import BUNDLED, WeightSet, check_name

__all__ = ["DEFAULT", "CatalogueEntry", "Release", "entries", "find", "locate", "releases"]

DEFAULT = "style"  # where it is installed; else the bundled one

# FILM's code and its weights on Kaggle are Apache-2.0. The Hugging Face repositories are third
# parties' uploads of Google's released weights.
_LICENCE = "Apache-2.0"
_HUGGING_FACE = "https://huggingface.co/{}/resolve/main"


@dataclass(frozen=True, kw_only=True)
class Release:
    """One published weight set: what it is, under which licence, and where it can be had, best source first."""

    description: str
    licence: str
    sources: tuple[Source, ...]


@dataclass(frozen=True, kw_only=True)
class CatalogueEntry:
    """One weight set that can be named.

    Attributes:
        name: What to call it.
        kind: `"bundled"`, `"published"` or `"imported"`.
        description: What it is, in a few words.
        sources: URLs or folders that it can be had from, or came from.
        licence: An SPDX identifier, or `"unknown"`.
        installed: Whether it is on this machine.
        path: Where its file is, or None.
        size_bytes: Of that file, or None.
        version: As the file says, or None.
        sha256: As the file says, or None.
        problem: Why its file can't be used, or None. Its tensors aren't looked at.
    """

    name: str
    kind: Literal["bundled", "published", "imported"]
    description: str
    sources: tuple[str, ...]
    licence: str
    installed: bool = False
    path: Path | None = None
    size_bytes: int | None = None
    version: str | None = None
    sha256: str | None = None
    problem: str | None = None


def releases() -> Mapping[str, Release]:
    """Give the published weight sets by name."""
    return _RELEASES


_RELEASES = {
    "style": Release(
        description="FILM as published, trained with VGG and style loss: the sharpest pictures",
        licence=_LICENCE,
        sources=(
            Archive(
                url="https://www.kaggle.com/api/v1/models/google/film/TensorFlow2/film/1/download",
                sha256="f1d044762913d2dba32a927c12b8b03384c04efe9bc9dd4cf6cbc13f98c3ded2",
            ),
            Folder(url=_HUGGING_FACE.format("akhaliq/frame-interpolation-film-style")),
        ),
    ),
    "l1": Release(
        description="FILM as published, trained with L1 loss: the highest PSNR, softer pictures",
        licence=_LICENCE,
        sources=(Folder(url=_HUGGING_FACE.format("NimaBoscarino/frame-interpolation_film_l1")),),
    ),
    "vgg": Release(
        description="FILM as published, trained with VGG loss: between the two others",
        licence=_LICENCE,
        sources=(Folder(url=_HUGGING_FACE.format("NimaBoscarino/frame_interpolation_film_vgg")),),
    ),
}


def find(name: str | Path | None = None) -> WeightSet:
    """Load a weight set by its name, or a weight file by its path, or the default one.

    A path is what ends in `.safetensors` or has a folder in it; so take a name from a stranger
    only after comparing it with those of `entries`.

    Raises:
        UnknownModel: If there is no such name or file, or it isn't installed.
        WeightsError: If the file can't be read.
        WeightsMismatch: If the file is damaged.
    """
    return load(locate(name))


def locate(name: str | Path | None = None) -> Path:
    """Say where the file of a weight set is; names and the default as in `find`.

    Raises:
        UnknownModel: If there is no such name or file, or it isn't installed.
    """
    if name is None:
        published = cached_path(DEFAULT)
        return published if published.is_file() else _bundled()
    if isinstance(name, Path) or name.endswith(".safetensors") or os.sep in name:
        path = Path(name)
        if not path.exists():
            raise UnknownModel(f"there is no weight file {name}")
        return path
    if name == BUNDLED:
        return _bundled()
    try:
        path = cached_path(name)
    except OptionError as error:
        raise UnknownModel(f"no weights are named {name!r}; `film weights list` shows those there are") from error
    if path.is_file():
        return path
    if name in _RELEASES:
        raise UnknownModel(f"the weights {name!r} aren't installed; get them with `film weights fetch {name}`")
    raise UnknownModel(f"no weights are named {name!r}; `film weights list` shows those there are")


def entries() -> list[CatalogueEntry]:
    """List every weight set: the bundled one, the published ones, then the user's own by name.

    A damaged file is listed with its problem, never raised.
    """
    found = [
        _entry(
            BUNDLED,
            "bundled",
            path=_bundled_path(),
            release=Release(
                description="small FILM for CPUs, at any instant; comes with the package", licence=_LICENCE, sources=()
            ),
        )
    ]
    found += [_entry(name, "published", path=cached_path(name), release=release) for name, release in _RELEASES.items()]
    listed = {entry.name for entry in found}
    own = Release(description="imported on this machine", licence="unknown", sources=())
    return found + [
        _entry(path.stem, "imported", path=path, release=own) for path in _own_files() if path.stem not in listed
    ]


def _own_files() -> list[Path]:
    """List the cache's weight files that can be named."""
    try:
        files = sorted(cache_directory().glob("*.safetensors"))
    except OSError:
        return []
    return [path for path in files if path.is_file() and _allowed(path.stem)]


def _allowed(name: str) -> bool:
    try:
        check_name(name)
    except OptionError:
        return False
    return True


def _entry(
    name: str, kind: Literal["bundled", "published", "imported"], *, path: Path, release: Release
) -> CatalogueEntry:
    """Describe one weight set by its release and, where it is installed, by what its file says."""
    sources = tuple(source.url for source in release.sources)
    if not path.is_file():
        return CatalogueEntry(
            name=name, kind=kind, description=release.description, sources=sources, licence=release.licence
        )
    version = sha256 = problem = None
    licence = release.licence
    try:
        header = read_header(path)
    except FilmError as error:
        problem = str(error)
    else:
        version, sha256 = header.version, header.sha256
        licence = str(header.training.get("licence", licence))
        if kind != "bundled" and "source" in header.training:
            sources = (str(header.training["source"]),)
    return CatalogueEntry(
        name=name,
        kind=kind,
        description=release.description,
        sources=sources,
        licence=licence,
        installed=True,
        path=path,
        size_bytes=path.stat().st_size,
        version=version,
        sha256=sha256,
        problem=problem,
    )


def _bundled_path() -> Path:
    return Path(str(importlib.resources.files("film.weights").joinpath("data", f"{BUNDLED}.safetensors")))


def _bundled() -> Path:
    path = _bundled_path()
    if not path.is_file():
        raise UnknownModel(
            f"the bundled weights {BUNDLED!r} are missing from this installation; install it anew, "
            f"or get others with `film weights fetch {DEFAULT}`"
        )
    return path
