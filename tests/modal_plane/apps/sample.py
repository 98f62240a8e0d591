"""An app as any other: nothing in it knows which Modal it runs on."""

import os
import signal
import time
from collections.abc import Iterator

import modal

image = modal.Image.debian_slim(python_version="3.11").pip_install("left-pad==1.0", "right-pad>=2").env({"COLOUR": "red"})
app = modal.App("sample", image=image)
seen = modal.Dict.from_name("seen", create_if_missing=True)
secret = modal.Secret.from_dict({"API_KEY": "s3cret"})


def _count(key: str) -> int:
    """Count calls for a key, in any number of containers."""
    number = 1
    while not seen.put(f"{key}/{number}", True, skip_if_exists=True):
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


@app.function()
def countdown(start: int) -> Iterator[int]:
    yield from range(start, 0, -1)


@app.function(timeout=1)
def too_slow(key: str) -> None:
    _count(key)
    time.sleep(30)


@app.function(timeout=1, retries=1)
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


@app.function(secrets=[secret], env={"SHAPE": "round"})
def surroundings() -> dict[str, str]:
    return dict(os.environ)


@app.function(schedule=modal.Period(minutes=5))
def sweep() -> None:
    seen["sweeps"] = seen.get("sweeps", 0) + 1


@app.function(schedule=modal.Period(minutes=5))
def sweep_badly() -> None:
    raise LookupError("nothing to sweep")


@app.local_entrypoint()
def main(number: int = 3) -> None:
    print("product:", Multiplier().times.remote(number)[0])
