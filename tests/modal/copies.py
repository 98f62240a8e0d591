"""The project's own files, changed: what would be deployed if somebody had written them so."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from tests.modal_plane.fixture import ROOT

__all__ = ["QUICK", "copy_project"]

_DEPLOYED = ("film", "schemas", "service", "modal_app.py")
_ALL = (*_DEPLOYED, "tests", "pyproject.toml")

# In the network's place, so that nobody waits for TensorFlow: it takes a second, or none, for each frame between.
QUICK = {
    "film/interpolator.py": '''
"""Gives the first frame for every one between, after a while."""

import os
import time
from typing import Any

DEFAULT_MEMORY_BYTES = 0


class Interpolator:
    """In the network's place."""

    def __init__(self, weights: Any, *, memory_bytes: int) -> None:
        self.seconds = float(os.environ.get("FILM_STUB_SECONDS", "0"))

    def between(self, first: Any, second: Any, instants: Any, /) -> Any:
        for _ in instants:
            time.sleep(self.seconds)
            yield first.copy()

    def forget(self) -> None:
        """Forget nothing."""
'''
}


def copy_project(folder: Path, changed: Mapping[str, str], *, tests: bool = False) -> Path:
    """Copy what is deployed, and the tests where they are wanted; then write other text into some files."""
    folder.mkdir(exist_ok=True)
    for name in _ALL if tests else _DEPLOYED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
        else:
            shutil.copy(source, folder / name)
    for name, text in changed.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder
