"""`make modal-local`, as a process: for a team, with its keys and without credits."""

import base64
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from segmind import SegmindClient
from segmind.exceptions import SegmindError

from film.video import probe
from tests.clips import numbered
from tests.modal.shop import SLUG, data_url
from tests.modal_plane.fixture import ROOT, eventually

SYNC_SECONDS = 2  # the first request takes longer, since the network is loaded for it


class Running(NamedTuple):
    """The command, and what it has said."""

    process: "subprocess.Popen[str]"
    url: str
    key: str


@pytest.fixture
def running() -> Iterator[Running]:
    command = [sys.executable, "-m", "tests.modal.local"]
    environment = {**os.environ, "FILM_SYNC_SECONDS": str(SYNC_SECONDS)}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = ""
        while "Ctrl-C" not in said:
            line = process.stdout.readline()
            assert line, f"it ended: {said}"
            said += line
        found = re.search(r"FILM is at (\S+) .*\nkey: (\S+)", said)
        assert found is not None, said
        yield Running(process, found[1], found[2])
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{found[1]}/healthz")


def test_the_app_runs_on_this_machine(running: Running, tmp_path: Path) -> None:
    source = data_url(numbered(tmp_path / "clip.mp4", frames=4))
    client = SegmindClient(api_key=running.key, base_url=f"{running.url}/v1", timeout=60)
    try:
        with pytest.raises(SegmindError) as late:
            client.run_sync(SLUG, input_video=source, frame_multiplier=2, output_fps=50)
        assert late.value.status == 504
        job_id = re.findall(r"[0-9a-f]{32}", str(late.value))[0]
        headers = {"x-api-key": running.key}
        asked = f"{running.url}/v2/requests/{job_id}"
        eventually(
            lambda: httpx.get(f"{asked}/status", headers=headers, timeout=60).json()["status"] == "COMPLETED",
            seconds=120,
        )
        result = httpx.get(asked, headers=headers, timeout=60).json()
        assert result["video"]["frames"] == 8
        received = tmp_path / "received.mp4"
        received.write_bytes(httpx.get(result["output"], timeout=60).content)
        assert probe(received).frame_count == 8
        again = client.submit_async(SLUG, input_video=source, frame_multiplier=2, output_fps=50, base64=True)
        answer = again.wait(timeout=60, interval=0.2)
        assert base64.b64decode(answer["output"]) == received.read_bytes()
    finally:
        client._client.close()  # noqa: SLF001 (it has no other way)
