"""A whole shop in memory and on a temporary disk, behind a real server on a port."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI

from service.access import Access
from service.accounts import Caller
from service.backends.disk import DiskArtifacts
from service.intake import Intake
from service.jobs import Beat, Failure, Job, Options, Outcome, Result
from service.links import Links
from service.orders import Orders, Terms
from service.runs import Rules, Runs
from service.settings import Settings
from service.shop import Shop
from service.upkeep import Upkeep
from service.web.app import create_app
from tests.service.fakes import Clock, MemoryDispatcher, MemoryIndex, MemoryJobs, MemoryKeys, MemoryLedger, MemoryRoster

__all__ = ["CLIP", "WANTED", "World", "make_world", "serve", "wait_until"]

SECRET = b"0123456789abcdef0123456789abcdef"
CLIP = b"\x00\x00\x00\x18ftypmp42" + bytes(range(256)) * 4 + b"odd"
WANTED: dict[str, Any] = {"input_video": "https://example.com/clip.mp4", "frame_multiplier": 2, "output_fps": 60}


class NoCourier:
    """A courier that counts its rounds."""

    rounds = 0

    def deliver_due(self) -> int:
        self.rounds += 1
        return 0


class Eager(MemoryDispatcher):
    """A dispatcher in whose shop every job is done as soon as it is dispatched, where it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.then: Callable[[str], None] | None = None

    def dispatch(self, job_id: str) -> None:
        super().dispatch(job_id)
        if self.then is not None:
            self.then(job_id)


@dataclass
class World:
    """A shop, and the hands of its worker."""

    shop: Shop
    clock: Clock
    dispatcher: Eager
    key: str
    folder: Path
    url: str = ""

    @property
    def headers(self) -> dict[str, str]:
        return {"x-api-key": self.key}

    @property
    def caller(self) -> Caller:
        return self.shop.access.authenticate(self.key)

    def client(self, **options: Any) -> httpx.Client:
        return httpx.Client(base_url=self.url, headers=self.headers, timeout=20, **options)

    def submit(self, **changed: Any) -> Job:
        return self.shop.orders.submit(self.caller, replace(Options(**WANTED), **changed))

    def begin(self, job_id: str, *, done: int = 0, total: int = 0, seconds: float = 0) -> Job:
        """Take a job and show progress."""
        job = self.shop.runs.take(job_id, "worker-1")
        assert job is not None
        began = self.clock.now
        now = self.clock.forward(seconds)
        self.shop.runs.beat(job, Beat(attempt=1, at=now, frames_done=done, frames_total=total, began_at=began))
        return job

    def complete(self, job_id: str, content: bytes = CLIP, cost: str = "0.05") -> None:
        """Do a job."""
        job = self.begin(job_id)
        file = self.folder / f"{job_id}.mp4"
        file.write_bytes(content)
        stored = self.shop.artifacts.put(f"results/{job_id}/1/clip.mp4", file)
        result = Result(
            artifact=stored.name,
            size_bytes=stored.size_bytes,
            width=64,
            height=48,
            fps=60.0,
            frames=120,
            made=59,
            duration_seconds=2.0,
        )
        began = self.clock.now - timedelta(seconds=1.5)
        assert self.shop.runs.complete(job, result, cost=Decimal(cost), began_at=began)

    def fail(self, job_id: str, code: str = "not_a_video", message: str = "it is no video") -> None:
        job = self.shop.jobs.get(job_id)
        assert job is not None
        assert self.shop.runs.fail(job, Failure(code=code, message=message))

    def end(self, job_id: str, outcome: Outcome) -> None:
        job = self.shop.jobs.get(job_id)
        assert job is not None
        assert self.shop.runs.end(job, outcome)


def make_world(folder: Path, **settings: Any) -> World:
    """Wire a shop with one account of 1000 credits."""
    rules = Settings(data_dir=folder, **{"requests_per_minute": 100_000, "jobs_per_key": 100_000, **settings})
    clock, jobs, keys, dispatcher, roster = Clock(), MemoryJobs(), MemoryKeys(), Eager(), MemoryRoster()
    index, ledger, artifacts = MemoryIndex(jobs), MemoryLedger(keys), DiskArtifacts(folder / "store", clock)
    links = Links(SECRET, clock)
    access = Access(keys, ledger, secret=SECRET, requests_per_minute=rules.requests_per_minute, clock=clock)
    lease, keep = timedelta(seconds=30), timedelta(seconds=rules.keep_seconds)
    common: dict[str, Any] = {"jobs": jobs, "index": index, "ledger": ledger, "artifacts": artifacts, "clock": clock}
    runs = Runs(rules=Rules(lease=lease, retries=2, queue=timedelta(hours=1)), **common)
    terms = Terms(minimum_hold=rules.minimum_hold, jobs_per_key=rules.jobs_per_key, keep=keep)
    intake = Intake(artifacts, links, upload_seconds=86400, allow_http=rules.allow_http, clock=clock)
    upkeep = Upkeep(dispatcher=dispatcher, runs=runs, keep=keep, keep_uploads=timedelta(days=1), **common)
    courier: Any = NoCourier()
    shop = Shop(
        settings=rules,
        clock=clock,
        access=access,
        orders=Orders(dispatcher=dispatcher, intake=intake, runs=runs, terms=terms, **common),
        runs=runs,
        upkeep=upkeep,
        courier=courier,
        links=links,
        jobs=jobs,
        index=index,
        keys=keys,
        ledger=ledger,
        artifacts=artifacts,
        roster=roster,
    )
    key, _ = access.create_key("acme", credits=Decimal(1000))
    return World(shop, clock, dispatcher, key, folder)


@contextmanager
def serve(world: World, *, upkeep: bool = False, app: FastAPI | None = None, **options: Any) -> Iterator[World]:
    """Serve a world on a free port until the block ends."""
    app = app or create_app(world.shop, upkeep=upkeep)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="on", ws="none", **options))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started)
    world.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        yield world
    finally:
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive(), "the server doesn't stop"


def wait_until(true: Callable[[], bool], seconds: float = 10) -> None:
    """Wait for something that another thread or process does."""
    limit = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < limit, "it didn't happen"
        time.sleep(0.01)
