"""An app whose containers share a Volume."""

import os
import subprocess
import time
from pathlib import Path
from typing import IO

import modal

app = modal.App("shelf", image=modal.Image.debian_slim(python_version="3.11"))
shelf = modal.Volume.from_name("shelf", create_if_missing=True, version=2)
SHELF = Path("/plane-shelf")


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


@app.function(volumes={"/plane-shelf": shelf.with_mount_options(read_only=True)})
def tamper() -> str:
    try:
        (SHELF / "new").write_text("x")
    except OSError as error:
        return type(error).__name__
    return "written"
