"""The application as a process: what it loads, what it does beside answering, what it shows people and operators."""

import asyncio
import base64
import hashlib
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import Request
from prometheus_client.parser import text_string_to_metric_families

from schemas import UploadRequest
from service.errors import BadRequest, LimitReached
from service.jobs import Failure
from service.web.app import create_app
from service.web.bodies import result_body
from service.web.chores import Chore
from service.web.reading import BodyReader
from tests.service.fakes import Clock
from tests.service.web.world import CLIP, WANTED, World, make_world, serve, wait_until


def figures(world: World) -> dict[str, float]:
    families = text_string_to_metric_families(httpx.get(f"{world.url}/metrics").text)
    return {
        sample.name + "".join(f",{value}" for value in sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }


def test_the_web_process_loads_no_numerics() -> None:
    code = (
        "import sys, tempfile, pathlib; from tests.service.web.world import make_world; "
        "from service.web.app import create_app; app = create_app(make_world(pathlib.Path(tempfile.mkdtemp())).shop); "
        "app.openapi(); print(*{name.partition('.')[0] for name in sys.modules})"
    )
    root = Path(__file__).parents[3]
    ended = subprocess.run([sys.executable, "-c", code], cwd=root, check=True, capture_output=True, text=True)
    assert not set(ended.stdout.split()) & {"tensorflow", "keras", "numpy", "film", "cv2", "scipy", "skimage"}


def test_serving_sweeps_and_delivers_whatever_goes_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    world = make_world(tmp_path, sweep_seconds=0.01)
    sweeps: list[str] = []

    def sweep() -> None:
        sweeps.append(threading.current_thread().name)
        raise RuntimeError("the disk is gone")

    monkeypatch.setattr(world.shop.upkeep, "sweep", sweep)
    courier: Any = world.shop.courier
    with serve(world, upkeep=True):
        wait_until(lambda: len(sweeps) > 2 and courier.rounds > 0)
        assert httpx.get(f"{world.url}/healthz").status_code == 200
    ended = len(sweeps)
    assert "a chore failed" in caplog.text
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("chore-")]
    assert len(sweeps) == ended


def test_without_upkeep_nothing_is_done_beside_answering(tmp_path: Path) -> None:
    world = make_world(tmp_path, sweep_seconds=0.01)
    with serve(world):
        assert httpx.get(f"{world.url}/healthz").status_code == 200
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("chore-")]
    courier: Any = world.shop.courier
    assert courier.rounds == 0


def test_a_chore_stops_in_the_middle_of_a_long_pause() -> None:
    done = threading.Event()
    chore = Chore("test", done.set, seconds=3600)
    chore.start()
    assert done.wait(10)
    chore.stop()
    chore.join(10)
    assert not [thread for thread in threading.enumerate() if thread.name == "chore-test"]


def test_health_and_figures_say_how_the_shop_is(tmp_path: Path) -> None:
    with serve(make_world(tmp_path)) as world, world.client() as client:
        health = client.get("/healthz").json()
        assert (health["status"], health["worker_alive"], health["workers"]) == ("degraded", False, 0)
        world.shop.roster.sign("worker-1", world.clock.now)
        done = client.post("/v2/video-frame-interpolation", json=WANTED).json()["request_id"]
        world.complete(done)
        for _ in range(2):
            world.submit()
        world.clock.forward(7)
        client.get("/nowhere")
        health = client.get("/healthz").json()
        assert (health["status"], health["worker_alive"], health["workers"]) == ("ok", True, 1)
        assert (health["queued"], health["processing"], health["oldest_queued_seconds"]) == (2, 0, 7.0)
        assert client.head("/healthz").status_code == 200
        found = figures(world)
    expected = {
        "film_store_up": 1,
        "film_jobs,QUEUED": 2,
        "film_jobs,COMPLETED": 1,
        "film_jobs,FAILED": 0,
        "film_queue_depth": 2,
        "film_queue_oldest_seconds": 7,
        "film_frames_per_second": 0,
        "film_workers": 1,
        "film_jobs_completed_total": 1,
        "film_frames_total": 120,
        "film_credits_spent_total": 0.05,
        "film_submits_total,v2": 1,
        "film_http_errors_total,not_found": 1,
        "film_http_requests_total,POST,/v2/video-frame-interpolation,200": 1,
        "film_http_requests_total,GET,unknown,404": 1,
    }
    assert found | expected == found


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_pages_need_nothing_from_elsewhere_and_run_only_their_own_script(tmp_path: Path, path: str) -> None:
    with serve(make_world(tmp_path)) as world:
        page = httpx.get(world.url + path)
        assert httpx.head(world.url + path).status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert re.findall(r"(?:src|href)=\"(?!data:|docs|openapi\.json)[^\"]+", page.text) == []
    assert "<html lang=" in page.text
    policy = page.headers["content-security-policy"]
    for tag in ("script", "style"):
        (inline,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page.text, re.DOTALL)
        assert base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode() in policy
    assert " style=" not in page.text
    assert not re.search(r"\son[a-z]+=", page.text)
    inputs = re.findall(r"<(?:input|select)[^>]* id=\"(\w+)\"", page.text)
    labelled = set(re.findall(r"for=\"(\w+)\"", page.text)) | set(
        re.findall(r"<label class=\"choice\"><input id=\"(\w+)", page.text)
    )
    assert set(inputs) == labelled


def test_a_webhook_is_told_the_same_as_a_caller_but_never_as_base64(tmp_path: Path) -> None:
    with serve(make_world(tmp_path)) as world, world.client() as client:
        for base64_wanted in (False, True):
            job = world.submit(base64=base64_wanted)
            world.complete(job.job_id)
            ended = world.shop.jobs.get(job.job_id)
            assert ended is not None
            asked = client.get(f"/v2/requests/{job.job_id}").json()
            told = result_body(world.shop, ended, base_url=world.url)
            assert told == {**asked, "output": asked["video"]["url"]}  # the link, where others get base64
        assert base64.b64decode(asked["output"]) == CLIP
        failed = world.submit()
        world.shop.runs.fail(failed, Failure(code="no_space", message="the disk is full"))
        ended = world.shop.jobs.get(failed.job_id)
        assert ended is not None
        assert result_body(world.shop, ended, base_url=world.url) == client.get(f"/v2/requests/{failed.job_id}").json()


def large_upload() -> Request:
    sent = [{"type": "http.request", "body": b'{"data_urls": ["' + b"A" * (2 << 20) + b'"]}', "more_body": False}]

    async def receive() -> dict[str, Any]:
        return sent.pop()

    return Request({"type": "http", "headers": [(b"content-type", b"application/json")]}, receive)


def test_few_large_bodies_are_in_memory_at_once() -> None:
    async def scenario() -> None:
        reader = BodyReader(10 << 20, Clock(), at_once=1, wait_seconds=0.01)
        async with reader.read(large_upload(), UploadRequest) as held:
            assert held.data_urls
            with pytest.raises(LimitReached, match="too many large requests"):
                async with reader.read(large_upload(), UploadRequest):
                    pass
        async with reader.read(large_upload(), UploadRequest) as held:
            assert held.data_urls

    asyncio.run(scenario())


def test_a_sender_that_falls_silent_is_refused() -> None:
    async def never() -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    async def scenario() -> None:
        silent = Request({"type": "http", "headers": [(b"content-type", b"application/json")]}, never)
        with pytest.raises(BadRequest, match="stopped coming"):
            async with BodyReader(100, Clock(), silence_seconds=0.01).read(silent, UploadRequest):
                pass

    asyncio.run(scenario())


def test_the_document_is_made_once(tmp_path: Path) -> None:
    app = create_app(make_world(tmp_path).shop)
    assert app.openapi() is app.openapi()
