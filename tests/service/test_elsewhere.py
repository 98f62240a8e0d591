"""Workers by themselves, against the PostgreSQL and the folder of a server that has none."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from film.video import probe
from tests.clips import numbered
from tests.service.server import Server, serve_folder, serving, wait_until

SLUG = "/v2/video-frame-interpolation"
FRAMES = 6


@contextmanager
def working(server: Server) -> Iterator[subprocess.Popen[bytes]]:
    """Run `film-service worker` as on another machine that shares the database and the folder."""
    command = [sys.executable, "-m", "service", "worker", "--data", str(server.folder)]
    worker = subprocess.Popen(command, env=server.environment, stderr=subprocess.DEVNULL)
    try:
        yield worker
    finally:
        worker.terminate()
        worker.wait(timeout=60)


def test_a_worker_elsewhere_does_what_a_server_without_workers_takes(tmp_path: Path, postgres_url: str) -> None:
    numbered(tmp_path / "clip.mp4", frames=FRAMES)
    with serving(tmp_path, workers=0, database_url=postgres_url) as server, serve_folder(tmp_path) as source:
        assert server.health()["worker_alive"] is False
        key = {"x-api-key": server.new_key("alice", 5)}
        wanted = {"input_video": f"{source}/clip.mp4", "frame_multiplier": 2, "output_fps": 50}
        job = httpx.post(server.url + SLUG, json=wanted, headers=key).raise_for_status().json()
        waiting = httpx.get(job["status_url"], headers=key).json()
        assert (waiting["status"], waiting["queue_position"]) == ("QUEUED", 1)
        with working(server) as worker:
            wait_until(lambda: httpx.get(job["status_url"], headers=key).json()["status"] == "COMPLETED", seconds=120)
            assert server.health()["worker_alive"] is True
        assert worker.returncode == 0
        result = httpx.get(job["response_url"], headers=key).json()
        (tmp_path / "received.mp4").write_bytes(httpx.get(result["output"]).content)
        assert probe(tmp_path / "received.mp4").frame_count == 2 * FRAMES
        assert not (server.folder / "film.db").exists()
        wait_until(lambda: server.health()["worker_alive"] is False)
