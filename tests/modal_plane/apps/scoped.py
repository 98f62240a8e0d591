"""An app that declares one of the two packages that lie beside it."""

import importlib
import os
import sys
from pathlib import Path

import modal

image = modal.Image.debian_slim(python_version="3.11").add_local_python_source("declared_room")
app = modal.App("scoped", image=image)

with image.imports():
    import declared_room


@app.function()
def greeting() -> str:
    return str(declared_room.GREETING)


@app.function()
def can_import(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        return False
    return True


@app.function()
def exists(path: str) -> bool:
    return Path(path).exists()


@app.function()
def place() -> tuple[str, str, list[str]]:
    return __file__, os.getcwd(), sys.path  # noqa: PTH109  # as users see it


@app.function()
def leave_behind(path: str) -> int:
    Path(path).write_text("mine")
    return len(list(Path(path).parent.iterdir()))
