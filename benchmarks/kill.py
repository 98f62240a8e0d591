"""What is lost when workers and servers are killed: nothing, or this says what.

    python -m benchmarks.kill [--times N] [--seed N] [--real]

Orders clips, kills (with a signal that can't be heard) a worker or the server at random moments, starts
the server again, and counts when all jobs have ended: jobs, credits, files and processes left over. The
network is one that takes a known time, so that the killing and not the loading is what is looked at; with
`--real` it is the bundled one, run by the command that users run, and killed in the middle of a job.
"""

import argparse
import base64
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path

import psutil

from service.accounts import Caller
from service.bootstrap import open_shop
from service.jobs import Options
from service.settings import Settings
from tests.clips import numbered

__all__ = ["Figures", "kill_often", "main"]

_LEASE_SECONDS = 2
_FRAME_SECONDS = 0.1  # of the network that takes a known time
_QUICK = (10, (64, 48))  # frames, and pixels of each: the stub's clip
_REAL = (40, (320, 240))
_GRANTED = Decimal(100)
_PATIENCE_SECONDS = 120
_JOB_SECONDS = 60  # for one with the bundled network, on a machine that has much else to do
_WORKERS = 2
_FRESH = timedelta(seconds=1.5)  # since the last beat of a worker that is alive
_END_SECONDS = 10  # one that was just being started notices when its imports are done; others within a second


@dataclass(kw_only=True)
class Figures:
    """What was counted.

    Attributes:
        killed_workers: How many workers were killed.
        killed_servers: How many servers, whose workers have to notice.
        jobs: How many were ordered.
        completed: How many came out.
        failed: How many didn't, all of them for `worker_lost`.
        ended_twice: Jobs whose end was told of more than once in the log.
        missing_credits: Granted, but neither spendable nor spent at the end.
        files_left: Temporary files and workspaces.
        results_wrong: Completed jobs without their file, or files without a job.
        orphans: Processes that were still there ten seconds after a server was killed, or at the end.
        seconds: What it took.
    """

    killed_workers: int = 0
    killed_servers: int = 0
    jobs: int = 0
    completed: int = 0
    failed: int = 0
    ended_twice: int = 0
    missing_credits: str = "0"
    files_left: int = 0
    results_wrong: int = 0
    orphans: int = 0
    seconds: float = 0.0


class _Site:
    """A server in a folder of its own, that can be killed and started again."""

    def __init__(self, folder: Path, *, real: bool) -> None:
        self._real = real
        self.data = folder / "data"
        self.log = folder / "log"
        self._environment = {
            **os.environ,
            "FILM_LEASE_SECONDS": str(_LEASE_SECONDS),
            "FILM_RETRIES": "20",
            "FILM_SWEEP_SECONDS": "1",
            "FILM_STOP_SECONDS": "0",
        }
        self.shop = open_shop(Settings(data_dir=self.data, lease_seconds=_LEASE_SECONDS, retries=20))
        key, _ = self.shop.access.create_key("acme", credits=_GRANTED)
        self.caller: Caller = self.shop.access.authenticate(key)
        frames, size = _REAL if real else _QUICK
        clip = numbered(folder / "clip.mp4", frames=frames, size=size)
        self.clip = base64.b64encode(clip.read_bytes()).decode()
        self.server: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = str(probe.getsockname()[1])
        what = ["tests.service.stub", "serve", str(self.data), port, str(_WORKERS), str(_FRAME_SECONDS)]
        if self._real:  # one worker: a network takes all cores there are
            what = ["service", "serve", "--data", str(self.data), "--port", port]
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", *what]
            self.server = subprocess.Popen(command, env=self._environment, stderr=log)

    def order(self) -> str:
        options = Options(
            input_video=f"data:video/mp4;base64,{self.clip}",
            frame_multiplier=2,
            output_fps=50,
            scene_detection=False,
        )
        return self.shop.orders.submit(self.caller, options).job_id

    def workers(self) -> list[psutil.Process]:
        assert self.server is not None, "it was started"
        return [child for child in _children(self.server.pid) if "worker" in _line(child)]

    def busy(self, jobs: Sequence[str]) -> bool:
        """Say whether a worker that is alive makes frames."""
        beats = [job.beat for job in map(self.shop.jobs.get, jobs) if job and job.beat and job.outcome is None]
        return any(beat.frames_done and self.shop.clock() - beat.at < _FRESH for beat in beats)

    def kill(self) -> int:
        """Kill the server, and give how many of its processes are there ten seconds later."""
        assert self.server is not None, "it was started"
        left = _children(self.server.pid)
        self.server.kill()
        self.server.wait()
        _wait(lambda: not any(map(_runs, left)), seconds=_END_SECONDS, or_not=True)
        orphans = [process for process in left if _runs(process)]
        for process in orphans:
            print("still there:", *_line(process), file=sys.stderr)
        return len(orphans)

    def stop(self) -> None:
        assert self.server is not None, "it was started"
        self.server.terminate()
        self.server.wait(_PATIENCE_SECONDS)

    def has_ended(self, job_id: str) -> bool:
        job = self.shop.jobs.get(job_id)
        return job is not None and job.outcome is not None


def kill_often(times: int, seed: int, *, real: bool = False) -> Figures:
    """Kill as often as that, alternately workers and the server, and count."""
    chance = random.Random(seed)  # noqa: S311 (moments, not secrets)
    figures = Figures()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="film-kill-") as folder:
        site = _Site(Path(folder), real=real)
        site.start()
        jobs: list[str] = []
        ready = partial(site.busy, jobs) if real else site.workers
        try:
            for number in range(times):
                jobs += [site.order() for _ in range(1 if real else 2)]
                _wait(lambda: bool(ready()))
                time.sleep(chance.uniform(0.0, 2.0) if real else chance.uniform(0.5, 3.0))
                if number % 2:
                    figures.orphans += site.kill()
                    figures.killed_servers += 1
                    site.start()
                elif workers := site.workers():
                    chance.choice(workers).send_signal(signal.SIGKILL)
                    figures.killed_workers += 1
            _wait(lambda: all(map(site.has_ended, jobs)), seconds=_PATIENCE_SECONDS + len(jobs) * _JOB_SECONDS * real)
            _wait(lambda: not _temporary(site.data), or_not=True)
        finally:
            site.stop()
        _count(site, jobs, figures)
        figures.orphans += sum(str(site.data) in " ".join(_line(process)) for process in psutil.process_iter())
    figures.seconds = round(time.monotonic() - started, 1)
    return figures


def main(arguments: Sequence[str] | None = None) -> int:
    """Kill, print the figures as JSON, and give 1 where anything was lost."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kill", description="Kill workers and servers.")
    parser.add_argument("--times", type=int, default=10, metavar="N", help="kills; default 10")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the moments; default 1")
    parser.add_argument("--real", action="store_true", help="with the bundled network")
    parsed = parser.parse_args(arguments)
    figures = kill_often(parsed.times, parsed.seed, real=parsed.real)
    print(json.dumps(asdict(figures), indent=2))
    lost = figures.ended_twice or Decimal(figures.missing_credits) or figures.files_left or figures.results_wrong
    return 1 if lost or figures.orphans or figures.completed + figures.failed != figures.jobs else 0


def _count(site: _Site, jobs: Sequence[str], figures: Figures) -> None:
    site.shop.upkeep.settle()
    outcomes = [found.outcome for found in map(site.shop.jobs.get, jobs) if found is not None]
    wanted = {outcome.result.artifact for outcome in outcomes if outcome is not None and outcome.result is not None}
    figures.jobs = len(jobs)
    figures.completed = len(wanted)
    figures.failed = sum(outcome is not None and outcome.failure is not None for outcome in outcomes)
    ends: dict[str, int] = {}
    for line in site.log.read_text(encoding="utf-8").splitlines():
        event = json.loads(line) if line.startswith("{") and line.endswith("}") else {}
        if event.get("event") in ("completed", "failed"):
            ends[event["job"]] = ends.get(event["job"], 0) + 1
    figures.ended_twice = sum(count > 1 for count in ends.values())
    spent = sum((outcome.cost for outcome in outcomes if outcome is not None), Decimal(0))
    figures.missing_credits = str(_GRANTED - site.shop.ledger.balance("acme") - spent)
    figures.files_left = len(_temporary(site.data))
    figures.results_wrong = len(wanted ^ {stored.name for stored in site.shop.artifacts.names("results")})


def _temporary(data: Path) -> list[Path]:
    return [path for place in ("work", "incoming") for path in (data / "files" / place).rglob("*")]


def _children(pid: int) -> list[psutil.Process]:
    try:
        children: list[psutil.Process] = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return children


def _line(process: psutil.Process) -> list[str]:
    try:
        line: list[str] = process.cmdline()
    except psutil.Error:
        return []
    return line


def _runs(process: psutil.Process) -> bool:
    """Say whether a process still does anything: one that ended is listed until its new parent takes note."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _wait(condition: Callable[[], bool], *, seconds: float = _PATIENCE_SECONDS, or_not: bool = False) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            if or_not:
                return
            raise TimeoutError
        time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main())
