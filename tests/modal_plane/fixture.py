"""A plane for tests: started, reached, looked into, and ended.

@pytest.fixture(scope="module")
def plane(tmp_path_factory):
    with Plane(tmp_path_factory.mktemp("plane")) as plane:
        plane.deploy(Path("modal_app.py"))
        yield plane

def test_squares(plane):
        assert plane.function("app", "square").remote(3) == 9
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeVar

if TYPE_CHECKING:
    import modal

__all__ = ["ROOT", "ContainerState", "FunctionState", "Plane", "PlaneFailed", "eventually"]

ROOT = Path(__file__).parents[2]
STARTED = 30.0  # seconds in which a plane starts
CREDENTIALS = ("ak-local", "as-local")

Found = TypeVar("Found")


class PlaneFailed(AssertionError):
    """The plane, or a command that was run on it, failed; the message has its output."""


class ContainerState(NamedTuple):
    """A container as it is at a moment."""

    id: str
    app: str
    function: str
    """A function's name, or a class's."""
    pid: int
    ready: bool
    """Whether it has started and asked for inputs."""
    draining: bool
    running: list[str]
    """The inputs that it works on."""


class FunctionState(NamedTuple):
    """What a function, or class, was deployed with."""

    packages: list[str]
    """Requirements that its image installs, as pip is given them."""
    commands: list[str]
    """All steps of its image, as lines of a Dockerfile."""
    environment: dict[str, str]
    uploads: list[str]
    """The files that go up with it, relative to the root folder of its containers."""
    web_url: str
    volumes: dict[str, str]
    """Ids of Volumes by the paths that they are mounted at."""
    gpu: str


def eventually(condition: Callable[[], Found | None], *, seconds: float = 20.0) -> Found:
    """Ask until the answer is true, and give it.

    Raises:
        AssertionError: If it isn't within the time.
    """
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.05)
    return found


class Plane:
    """A plane in a process of its own, with any free ports.

    Args:
        state: A folder for what it keeps; give the same again to find Dicts and Volumes again.
        commit_at_exit: See `Settings` for this and the following.
    """

    def __init__(self, state: Path, **settings: object) -> None:
        self._state, self._settings = state, settings

    def __enter__(self) -> Self:
        """Start the plane.

        Raises:
            PlaneFailed: If it doesn't say within 30 s that it is ready.
        """
        command = [sys.executable, "-m", "tests.modal_plane", "--state", str(self._state)]
        self._settings.setdefault("port", 0)
        for name, value in self._settings.items():
            flag = f"--{name.replace('_', '-')}"
            command += ([flag] if value else []) if isinstance(value, bool) else [flag, str(value)]
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._output: list[str] = []
        ready: queue.SimpleQueue[tuple[str, str] | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, args=(ready,))
        self._reader.start()
        try:
            told = ready.get(timeout=STARTED)
        except queue.Empty:
            told = None
        if told is None:
            self.end()
            raise PlaneFailed(f"the plane did not start:\n{self.output}")
        self.url, self._http_url = told
        return self

    def __exit__(self, *_: object) -> None:
        """End the plane and all its containers."""
        self.end()

    def end(self, number: int = signal.SIGTERM) -> int:
        """End the plane, and with it all its containers, by a signal; give its exit status."""
        if "client" in vars(self):
            self.client.close()
            del self.client
        self._process.send_signal(number)
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        if self._process.stdout:
            self._process.stdout.close()
        return self._process.returncode

    def _read(self, ready: queue.SimpleQueue[tuple[str, str] | None]) -> None:
        for line in self._process.stdout or ():
            self._output.append(line)
            if line.startswith("# ready: gRPC at "):
                grpc, _, http = line.removeprefix("# ready: gRPC at ").strip().partition(", HTTP at ")
                ready.put((grpc, http))
        ready.put(None)

    # Reaching it.

    @property
    def environment(self) -> dict[str, str]:
        """What a subprocess needs to have this plane for its Modal."""
        mine = {"MODAL_SERVER_URL": self.url, "MODAL_TOKEN_ID": CREDENTIALS[0], "MODAL_TOKEN_SECRET": CREDENTIALS[1]}
        others = {name: value for name, value in os.environ.items() if not name.startswith("MODAL_")}
        return {**others, **mine, "MODAL_CONFIG_PATH": str(self._state / "no-config.toml"), "NO_COLOR": "1"}

    @cached_property
    def client(self) -> modal.Client:
        """A client in this process, to be given as `client=` where objects are looked up."""
        from modal.client import Client
        from modal_proto import api_pb2 as api

        client = Client(self.url, api.CLIENT_TYPE_CLIENT, CREDENTIALS)
        client.__enter__()  # type: ignore[no-untyped-call]  # `close` is the other half
        return client

    def function(self, app: str, name: str) -> Any:
        """Look up a deployed function, to be called as the app's own code would."""
        import modal

        return modal.Function.from_name(app, name, client=self.client)

    def cls(self, app: str, name: str) -> Any:
        """Look up a deployed class."""
        import modal

        return modal.Cls.from_name(app, name, client=self.client)

    def modal(self, *arguments: str, extra: Mapping[str, str] | None = None, seconds: float = 60) -> str:
        """Run the modal command, and give what it printed.

        Raises:
            PlaneFailed: If it fails, or takes longer.
        """
        command = [sys.executable, "-m", "modal", *arguments]
        environment = {**self.environment, **(extra or {})}
        try:
            ended = subprocess.run(
                command,
                check=False,
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=seconds,
            )
        except subprocess.TimeoutExpired as error:
            raise PlaneFailed(f"modal {' '.join(arguments)}: {error}\n{self.output}") from error
        if ended.returncode != 0:
            raise PlaneFailed(f"modal {' '.join(arguments)} exited with {ended.returncode}:\n{ended.stdout}")
        return ended.stdout

    def deploy(self, app: Path, extra: Mapping[str, str] | None = None) -> str:
        """Deploy an app from its file, with `extra` environment, and give what was printed."""
        return self.modal("deploy", str(app), extra=extra)

    def run(self, app: Path | str, *arguments: str, extra: Mapping[str, str] | None = None) -> str:
        """Run `modal run FILE[::FUNCTION] ARGUMENTS`, and give what was printed."""
        return self.modal("run", str(app), *arguments, extra=extra)

    # Looking into it.

    @property
    def isolated(self) -> bool:
        """Whether containers have a file system of their own here."""
        return bool(self._ask("/plane")["isolated"])

    @property
    def output(self) -> str:
        """What the plane and its containers have written."""
        return "".join(self._output)

    def containers(self, function: str | None = None) -> list[ContainerState]:
        """Say which containers there are, of one function or class or of all."""
        states = [ContainerState(**each) for each in self._ask("/plane/containers")]
        return [each for each in states if function in (None, each.function)]

    def functions(self) -> dict[str, FunctionState]:
        """Say what functions and classes were deployed with, by their names."""
        return {name: FunctionState(**each) for name, each in self._ask("/plane/functions").items()}

    def logs(self, function: str) -> str:
        """Give what a function's containers have written, those that ended among them."""
        return str(self._ask(f"/plane/logs/{function}", raw=True))

    # Making things happen.

    def kill(self, container: ContainerState, number: int = signal.SIGKILL) -> None:
        """Send a container a signal; the plane takes it for one that crashed."""
        self._ask(f"/plane/containers/{container.id}/signal/{int(number)}", post=True)

    def stop(self, container: ContainerState) -> None:
        """Let a container finish what it has and end, exit hooks and all, as the autoscaler would."""
        self._ask(f"/plane/containers/{container.id}/drain", post=True)

    def fire(self, function: str, *, seconds: float = 60) -> None:
        """Run a scheduled function now, and wait until it has ended.

        Raises:
            PlaneFailed: If it fails.
        """
        told = self._ask(f"/plane/fire/{function}", post=True, seconds=seconds)
        if not told["succeeded"]:
            raise PlaneFailed(f"{function}: {told['error']}\n{self.logs(function)}")

    def _ask(self, path: str, *, post: bool = False, raw: bool = False, seconds: float = 20) -> Any:
        request = urllib.request.Request(self._http_url + path, method="POST" if post else "GET")  # noqa: S310  # ours
        try:
            with urllib.request.urlopen(request, timeout=seconds) as answer:  # noqa: S310  # the same
                text = answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                raise PlaneFailed(f"{path}: {error.read().decode()}") from None
        return text if raw else json.loads(text)
