"""The real server as a process, as a user starts it."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

__all__ = ["Server", "free_port", "serve_folder", "serving", "wait_until"]

_COMMAND = (sys.executable, "-m", "service")
_START_SECONDS = 60


class Server:
    """A running `film-service serve`, and the command beside it."""

    def __init__(self, folder: Path, port: int, environment: dict[str, str]) -> None:
        """Name the server's folder, port and settings; `serving` starts it."""
        self.folder = folder
        self.url = f"http://127.0.0.1:{port}"
        self._port = port
        self.environment = {**os.environ, "FILM_ALLOW_PRIVATE_URLS": "true", **environment}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *, workers: int = 1) -> None:
        """Start it, and wait until it answers."""
        options = ("--port", str(self._port), "--workers", str(workers), "--data", str(self.folder))
        with (self.folder.parent / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*_COMMAND, "serve", *options], env=self.environment, stdout=log, stderr=log
            )
        wait_until(self._answers, seconds=_START_SECONDS)

    def stop(self) -> int:
        """Ask it to end, and give its exit code."""
        assert self.process is not None, "not started"
        self.process.terminate()
        return self.process.wait(timeout=_START_SECONDS)

    def command(self, *arguments: str) -> str:
        """Run a `film-service` command on the same folder and give its standard output."""
        done = subprocess.run(
            [*_COMMAND, *arguments, "--data", str(self.folder)],
            env=self.environment,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        return done.stdout

    def new_key(self, account: str, credits: float) -> str:
        """Make a key as an operator does."""
        return self.command("keys", "create", account, "--credits", str(credits)).strip()

    def credits(self, key: str) -> float:
        """Ask for a key's spendable credits."""
        answer = httpx.get(f"{self.url}/v1/get-user-credits", headers={"x-api-key": key})
        found: float = answer.raise_for_status().json()["credits"]
        return found

    def health(self) -> dict[str, Any]:
        """Ask how it is."""
        found: dict[str, Any] = httpx.get(f"{self.url}/healthz").json()
        return found

    def log(self) -> list[dict[str, Any]]:
        """Give what it has logged."""
        lines = (self.folder.parent / "server.log").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def _answers(self) -> bool:
        assert self.process is not None, "not started"
        assert self.process.poll() is None, "the server ended: " + (self.folder.parent / "server.log").read_text()
        try:
            return httpx.get(f"{self.url}/healthz").is_success
        except httpx.TransportError:
            return False


@contextmanager
def serving(folder: Path, *, workers: int = 1, **settings: object) -> Iterator[Server]:
    """Run a server on a free port with `settings` (`keep_seconds=4` is `FILM_KEEP_SECONDS=4`)."""
    data = folder / "data"
    data.mkdir()
    server = Server(data, free_port(), {f"FILM_{name.upper()}": str(value) for name, value in settings.items()})
    server.start(workers=workers)
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def serve_folder(folder: Path) -> Iterator[str]:
    """Give the URL under which a folder's files can be fetched, as from anybody's web server."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the standard library's signature)
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{web.server_address[1]}"
        web.shutdown()


def free_port() -> int:
    """Give a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(condition: Callable[[], bool], *, seconds: float = 30) -> None:
    """Wait for something that another process does; the test fails where it doesn't come."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"it didn't come within {seconds} s"
        time.sleep(0.05)
