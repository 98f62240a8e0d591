"""The real command with workers that take their time: serving, stopping in order, hurrying, dying workers."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import httpx
import psutil
import pytest

from service.backends.local import Crew
from service.bootstrap import open_shop
from service.jobs import Options
from service.settings import Settings
from service.shop import Shop
from tests.clips import numbered
from tests.service.server import free_port, serve_folder, wait_until


class Site:
    """A server with stub workers, and the shop in its folder."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, *, frame_seconds: float) -> None:
        monkeypatch.setenv("FILM_STOP_SECONDS", "1")
        monkeypatch.setenv("FILM_ALLOW_PRIVATE_URLS", "true")
        self.data, self.log = folder / "data", folder / "log"
        self.shop: Shop = open_shop(Settings(data_dir=self.data))
        self.port = free_port()
        what = ("serve", str(self.data), str(self.port), "1", str(frame_seconds))
        with self.log.open("wb") as log:
            self.process = subprocess.Popen([sys.executable, "-m", "tests.service.stub", *what], stderr=log)
        wait_until(lambda: "worker begins" in self.log.read_text())

    def events(self) -> list[str]:
        return [json.loads(line)["event"] for line in self.log.read_text().splitlines() if line.endswith("}")]

    def order(self, url: str) -> str:
        key, _ = self.shop.access.create_key("acme", credits=Decimal(10))
        caller = self.shop.access.authenticate(key)
        options = Options(input_video=url, frame_multiplier=10, output_fps=50, scene_detection=False)
        return self.shop.orders.submit(caller, options).job_id

    def begun(self, job_id: str) -> bool:
        job = self.shop.jobs.get(job_id)
        return job is not None and job.beat is not None and job.beat.frames_done > 0

    def temporary(self) -> list[Path]:
        return list((self.data / "files" / "work").rglob("*"))


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "web").mkdir()
    numbered(tmp_path / "web" / "clip.mp4", frames=10)
    with serve_folder(tmp_path / "web") as address:
        yield f"{address}/clip.mp4"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_server_that_is_stopped_hands_long_jobs_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, number: signal.Signals, code: int
) -> None:
    site = Site(tmp_path, monkeypatch, frame_seconds=0.3)
    job_id = site.order(url)
    wait_until(lambda: site.begun(job_id))
    site.process.send_signal(number)
    assert site.process.wait(15) == code
    job = site.shop.jobs.get(job_id)
    assert job is not None
    assert job.outcome is None
    assert job.beat is not None
    assert job.beat.handed_back
    assert site.temporary() == []
    assert site.shop.roster.alive(site.shop.clock() - site.shop.runs.rules.lease) == 0
    assert site.events()[-1] == "ended"
    log = site.log.read_text()
    assert "127.0.0.1:" not in log
    assert "film_" not in log


def test_a_second_signal_waits_for_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    site = Site(tmp_path, monkeypatch, frame_seconds=0.3)
    monkeypatch.setenv("FILM_STOP_SECONDS", "60")
    job_id = site.order(url)
    wait_until(lambda: site.begun(job_id))
    site.process.terminate()
    time.sleep(0.2)
    started = time.monotonic()
    site.process.terminate()
    assert site.process.wait(15) == 143
    assert time.monotonic() - started < 8
    assert site.temporary() == []


def test_a_dead_worker_is_replaced_and_the_server_answers_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(tmp_path, monkeypatch, frame_seconds=0)
    psutil.Process(site.process.pid).children()[0].kill()
    assert httpx.get(f"http://127.0.0.1:{site.port}/healthz").json()
    wait_until(lambda: site.events().count("worker begins") == 2)
    assert "worker died" in site.events()
    site.process.terminate()
    assert site.process.wait(15) == 0


def test_workers_that_die_at_once_are_started_less_and_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("service.backends.local.time.monotonic", lambda: now[0])
    started: list[float] = []

    class Dead:
        pid, returncode = 1, 1

        def __init__(self, *_: object, **__: object) -> None:
            started.append(now[0])
            self.stdin = Path("/dev/null").open("rb")  # noqa: SIM115 (closed by the crew)

        def poll(self) -> int:
            return 1

    monkeypatch.setattr("service.backends.local.subprocess.Popen", Dead)
    crew = Crew(["worker"], 1)
    for _ in range(2000):
        crew.tend()
        now[0] += 0.1
    pauses = [later - earlier for earlier, later in pairwise(started)]
    assert pauses[:4] == pytest.approx([0.6, 1.1, 2.1, 4.1], abs=0.21)
    assert max(pauses) < 31
    crew.end(within_seconds=0, hurry=lambda: True)
