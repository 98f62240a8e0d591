"""An app as any other: nothing in it knows which Modal it runs on.

It declares one of the two packages that lie in `packages/`.
"""

import ctypes
import importlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import modal

SHELF = Path("/tmp/plane-shelf")  # noqa: S108  # in a container, that is; with `links` anybody may make it

image = (
    modal.Image.debian_slim(python_version="3.11")
    .pip_install("left-pad==1.0", "right-pad>=2")
    .env({"COLOUR": "red"})
    .add_local_python_source("declared_room")
)
app = modal.App("sample", image=image)
seen = modal.Dict.from_name("seen", create_if_missing=True)
shelf = modal.Volume.from_name("shelf", create_if_missing=True, version=2)
secret = modal.Secret.from_dict({"API_KEY": "s3cret"})

with image.imports():  # type: ignore[no-untyped-call]
    import declared_room  # type: ignore[import-not-found]  # it is on the path of who deploys


def _count(key: str) -> int:
    """Count calls for a key, in any number of containers."""
    number = 1
    while not seen.put(f"{key}/{number}", "seen", skip_if_exists=True):
        number += 1
    return number


@app.cls(scaledown_window=2)
class Brief:
    @modal.enter()
    def load(self) -> None:
        print("entered")

    @modal.method()
    def run(self) -> None:
        print("ran")

    @modal.exit()
    def leave(self) -> None:
        print("left")


@app.cls(max_containers=1)
class Multiplier:
    factor: int = modal.parameter(default=10)

    @modal.method()
    def times(self, number: int) -> tuple[int, str]:
        return number * self.factor, os.environ["MODAL_TASK_ID"]

    @modal.method()
    def countdown(self, start: int) -> Iterator[int]:
        yield from range(start, 0, -1)

    @modal.method()
    def echo(self, data: bytes) -> bytes:
        return data


@app.cls()
class Broken:
    @modal.enter()
    def load(self) -> None:
        raise LookupError("no weights here")

    @modal.method()
    def run(self) -> None:
        pass


@app.function(max_containers=1)
def wait(seconds: float, key: str = "") -> str:
    if key:
        _count(key)
    time.sleep(seconds)
    return os.environ["MODAL_TASK_ID"]


@app.function(max_containers=1)
@modal.concurrent(max_inputs=4)
def together(seconds: float) -> str:
    time.sleep(seconds)
    return os.environ["MODAL_TASK_ID"]


@app.function(max_containers=2, scaledown_window=30)
def wide(seconds: float) -> str:
    time.sleep(seconds)
    return os.environ["MODAL_TASK_ID"]


@app.function(timeout=1, startup_timeout=60)
def too_slow(key: str) -> None:
    _count(key)
    time.sleep(30)


@app.function(timeout=1, startup_timeout=60, retries=1)
def slow_at_first(key: str) -> int:
    number = _count(key)
    time.sleep(30 if number == 1 else 0)
    return number


@app.function(retries=modal.Retries(max_retries=2, initial_delay=0.01, backoff_coefficient=1.0))
def flaky(key: str, good_on: int) -> int:
    number = _count(key)
    if number < good_on:
        raise ValueError(f"try {number}")
    return number


@app.function()
def wait_once(key: str) -> int:
    number = _count(key)
    time.sleep(60 if number == 1 else 0)
    return number


@app.function()
def dies(key: str) -> None:
    _count(key)
    os.kill(os.getpid(), signal.SIGKILL)


@app.function()
def brood() -> int:
    """Leave a process behind that is on its own."""
    return subprocess.Popen(["/bin/sleep", "300"], start_new_session=True).pid


@app.function(secrets=[secret], env={"SHAPE": "round"})
def surroundings(packages: list[str], paths: list[str]) -> dict[str, object]:
    """Say what a container sees, and leave a file behind."""
    mine = Path(tempfile.gettempdir(), "mine")
    mine.write_text("mine")
    return {
        "environment": dict(os.environ),
        "file": __file__,
        "greeting": declared_room.GREETING,
        "folder": str(Path.cwd()),
        "packages": [name for name in packages if _can_import(name)],
        "paths": [path for path in paths if Path(path).exists()],
        "temporary": sorted(path.name for path in mine.parent.iterdir()),
    }


def _can_import(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        return False
    return True


@app.function(schedule=modal.Period(minutes=5))
def sweep() -> None:
    if "dusty" in seen:
        raise LookupError("no broom")
    seen["sweeps"] = seen.get("sweeps", 0) + 1


@app.cls(volumes={str(SHELF): shelf}, max_containers=1, scaledown_window=60)
class Hand:
    """Each name is a container of its own."""

    name: str = modal.parameter()

    @modal.enter()
    def begin(self) -> None:
        self.held: IO[bytes] | None = None

    @modal.method()
    def write(self, path: str, text: str, mode: str = "w") -> None:
        (SHELF / path).parent.mkdir(parents=True, exist_ok=True)
        with (SHELF / path).open(mode) as file:
            file.write(text)

    @modal.method()
    def write_by_shell(self, path: str, text: str) -> int:
        return subprocess.run(["/bin/sh", "-c", f"echo {text} > {SHELF / path}"], check=False).returncode

    @modal.method()
    def write_by_libc(self, path: str) -> bool:
        """Open a file for writing as code does that isn't Python's."""
        return int(ctypes.CDLL(None).open(str(SHELF / path).encode(), os.O_WRONLY)) >= 0

    @modal.method()
    def fill(self, path: str, size_bytes: int) -> float:
        with (SHELF / path).open("wb") as file:
            file.write(os.urandom(size_bytes))
        started = time.monotonic()
        shelf.commit()
        return time.monotonic() - started

    @modal.method()
    def rename(self, old: str, new: str) -> None:
        (SHELF / old).rename(SHELF / new)

    @modal.method()
    def remove(self, path: str) -> None:
        place = SHELF / path
        place.rmdir() if place.is_dir() else place.unlink()

    @modal.method()
    def read(self, path: str) -> str | None:
        place = SHELF / path
        return place.read_text() if place.exists() else None

    @modal.method()
    def listing(self) -> list[str]:
        return sorted(str(place.relative_to(SHELF)) for place in SHELF.rglob("*"))

    @modal.method()
    def commit(self) -> None:
        shelf.commit()

    @modal.method()
    def reload(self) -> None:
        shelf.reload()

    @modal.method()
    def hold(self, path: str) -> None:
        self.held = (SHELF / path).open("rb")

    @modal.method()
    def write_on(self, path: str, text: str) -> None:
        """Write and keep the file open, flushed."""
        if self.held is None:
            self.held = (SHELF / path).open("ab")
        self.held.write(text.encode())
        self.held.flush()

    @modal.method()
    def let_go(self) -> None:
        if self.held:
            self.held.close()
        self.held = None

    @modal.method()
    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


@app.function(volumes={str(SHELF): shelf.with_mount_options(read_only=True)})
def tamper() -> str:
    try:
        (SHELF / "new").write_text("x")
    except OSError as error:
        return type(error).__name__
    return "written"


@app.local_entrypoint()
def main(number: int = 3) -> None:
    print("product:", Multiplier().times.remote(number)[0])
