"""Many clients at once: how long submits and status calls take, and what the web process needs.

    python -m benchmarks.load [--clients 50] [--seconds 10] [--workers 1]

Starts the real server in a folder of its own, with an upload of a tiny clip to work on, and
talks to it over loopback only. Prints JSON: latencies in milliseconds at the median and the 99th
percentile, calls a second, errors, and the web process's memory and start.
"""

import argparse
import asyncio
import base64
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles
from typing import Any

import httpx
import psutil

from film.video import find_ffmpeg
from tests.service.server import Server, serving

__all__ = ["main"]

_MIB = 1 << 20
_SUCCESS = range(200, 300)
_SLUG = "/v2/video-frame-interpolation"


@dataclass
class Tally:
    """What came of many calls."""

    milliseconds: list[float] = field(default_factory=list)
    errors: int = 0

    def report(self, seconds: float) -> dict[str, float]:
        """Sum up what was measured in `seconds`."""
        cuts = quantiles(self.milliseconds, n=100, method="inclusive")
        return {
            "calls": len(self.milliseconds),
            "calls_per_second": round(len(self.milliseconds) / seconds, 1),
            "p50_ms": round(cuts[49], 1),
            "p99_ms": round(cuts[98], 1),
            "errors": self.errors,
        }


class Client:
    """One keep-alive connection. A full HTTP client would measure itself: it takes longer than the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, key: str) -> None:
        """Take an open connection."""
        self._reader = reader
        self._writer = writer
        self._key = key

    @classmethod
    async def connect(cls, url: httpx.URL, key: str) -> "Client":
        """Connect to the server."""
        return cls(*await asyncio.open_connection(url.host, url.port), key)

    async def call(self, method: str, path: str, body: bytes = b"") -> tuple[int, dict[str, Any]]:
        """Make one call, and give its status and body."""
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nx-api-key: {self._key}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self._writer.write(head.encode() + body)
        lines = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
        length = next(int(line.split(":")[1]) for line in lines if line.startswith("content-length:"))
        content = await self._reader.readexactly(length)
        return int(lines[0].split()[1]), json.loads(content)

    def close(self) -> None:
        """Close the connection."""
        self._writer.close()


async def hammer(
    clients: Sequence[Client], seconds: float, call: Callable[[Client], Awaitable[tuple[int, dict[str, Any]]]]
) -> Tally:
    """Let all clients call without pause for `seconds`."""
    tally, until = Tally(), time.monotonic() + seconds

    async def one(client: Client) -> None:
        while time.monotonic() < until:
            began = time.perf_counter()
            status, _ = await call(client)
            tally.milliseconds.append((time.perf_counter() - began) * 1e3)
            tally.errors += status not in _SUCCESS

    await asyncio.gather(*(one(client) for client in clients))
    return tally


async def measure(server: Server, source: str, key: str, *, count: int, seconds: float) -> dict[str, Any]:
    """Measure submits, then status calls of the jobs that they made."""
    url = httpx.URL(server.url)
    clients = [await Client.connect(url, key) for _ in range(count)]
    body = json.dumps({"input_video": source, "frame_multiplier": 2, "output_fps": 50}).encode()
    ids: list[str] = []

    async def submit(client: Client) -> tuple[int, dict[str, Any]]:
        status, answer = await client.call("POST", _SLUG, body)
        ids.extend([answer["request_id"]] if status in _SUCCESS else [])
        return status, answer

    async def look(client: Client) -> tuple[int, dict[str, Any]]:
        ids.append(ids.pop(0))
        return await client.call("GET", f"/v2/requests/{ids[-1]}/status")

    report = {}
    for name, call in (("submit", submit), ("status", look)):
        report[name] = (await hammer(clients, seconds, call)).report(seconds)
    for client in clients:
        client.close()
    return report


def tiny_clip(folder: Path) -> bytes:
    """Make a clip of 4 frames."""
    clip = folder / "tiny.mp4"
    picture = "testsrc2=s=64x48:r=25,trim=end_frame=4"
    command = [find_ffmpeg(), "-loglevel", "error", "-f", "lavfi", "-i", picture, str(clip)]
    subprocess.run(command, check=True)
    return clip.read_bytes()


def import_cost() -> dict[str, float]:
    """Measure what a fresh interpreter needs to have the web application at hand."""
    code = (
        "import time; began = time.perf_counter(); import service.bootstrap, service.web.app; "
        "import psutil; print(time.perf_counter() - began, psutil.Process().memory_info().rss)"
    )
    seconds, size = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.split()
    return {"import_seconds": round(float(seconds), 2), "import_rss_mib": round(int(size) / _MIB, 1)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and give the exit code: 1 where a call failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description="Many clients at once.")
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=10, help="of each of the two measurements")
    parser.add_argument("--workers", type=int, default=1)
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        limits = {"requests_per_minute": 10**6, "jobs_per_key": 10**6}
        with serving(folder, workers=asked.workers, **limits) as server:
            key = server.new_key("load", 10**6)
            assert server.process is not None
            process = psutil.Process(server.process.pid)
            idle = process.memory_info().rss
            data = "data:video/mp4;base64," + base64.b64encode(tiny_clip(folder)).decode()
            answer = httpx.post(f"{server.url}/upload-asset", json={"data_urls": [data]}, headers={"x-api-key": key})
            source = answer.raise_for_status().json()["file_urls"][0]
            report = asyncio.run(measure(server, source, key, count=asked.clients, seconds=asked.seconds))
            report["web"] = {
                **import_cost(),
                "idle_rss_mib": round(idle / _MIB, 1),
                "loaded_rss_mib": round(process.memory_info().rss / _MIB, 1),
            }
    report["clients"], report["cores"] = asked.clients, os.cpu_count()
    print(json.dumps(report, indent=2))
    return 1 if report["submit"]["errors"] or report["status"]["errors"] else 0


if __name__ == "__main__":
    sys.exit(main())
