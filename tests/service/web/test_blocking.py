"""The blocking (v1) call."""

import base64
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.service.web.world import CLIP, WANTED, World, make_world, serve, wait_until

BLOCK = "/v1/video-frame-interpolation"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with serve(make_world(tmp_path)) as world:
        yield world


def test_it_answers_with_the_video_itself(world: World) -> None:
    world.dispatcher.then = world.complete
    with world.client() as client:
        answer = client.post(BLOCK, json=WANTED)
    assert (answer.status_code, answer.content) == (200, CLIP)
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers["x-request-id"] == world.dispatcher.dispatched[0]
    assert answer.headers["x-cost"] == "0.05"
    assert answer.headers["x-remaining-credits"] == "999.95"
    assert answer.headers["x-generation-time"] == "1.500"


def test_with_base64_it_answers_in_json(world: World) -> None:
    world.dispatcher.then = world.complete
    with world.client() as client:
        answer = client.post(BLOCK, json=WANTED | {"base64": True})
    body = answer.json()
    assert set(body) == {"video", "output"}
    assert body["video"] == body["output"]
    assert base64.b64decode(body["video"], validate=True) == CLIP
    assert answer.headers["x-request-id"] == world.dispatcher.dispatched[0]


def test_a_video_too_large_for_base64_is_413_and_names_the_request(tmp_path: Path) -> None:
    with serve(make_world(tmp_path, base64_bytes=10)) as world, world.client() as client:
        world.dispatcher.then = world.complete
        answer = client.post(BLOCK, json=WANTED | {"base64": True})
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
        assert answer.json()["request_id"] == world.dispatcher.dispatched[0]


def test_it_waits_for_the_worker(world: World) -> None:
    answers: list[httpx.Response] = []

    def call() -> None:
        with world.client() as client:
            answers.append(client.post(BLOCK, json=WANTED))

    caller = threading.Thread(target=call)
    caller.start()
    wait_until(lambda: bool(world.dispatcher.dispatched))
    assert not answers
    world.complete(world.dispatcher.dispatched[0])
    caller.join(10)
    assert answers[0].content == CLIP


def test_a_failure_is_422(world: World) -> None:
    world.dispatcher.then = world.fail
    with world.client() as client:
        answer = client.post(BLOCK, json=WANTED)
    assert answer.status_code == 422
    assert (answer.json()["status"], answer.json()["error"]) == ("FAILED", "it is no video")


def test_beyond_the_limit_it_is_504_and_the_request_goes_on(tmp_path: Path) -> None:
    with serve(make_world(tmp_path, sync_seconds=0.1)) as world, world.client() as client:
        answer = client.post(BLOCK, json=WANTED)
        assert (answer.status_code, answer.json()["code"]) == (504, "still_running")
        job_id = answer.json()["request_id"]
        assert f"{world.url}/v1/requests/{job_id}" in answer.json()["error"]
        assert client.get(f"/v1/requests/{job_id}").json()["status"] == "QUEUED"
        world.complete(job_id)
        assert client.get(f"/v1/requests/{job_id}").json()["status"] == "COMPLETED"


@pytest.mark.parametrize("webhook", [None, "https://example.com/hook"])
def test_whoever_hangs_up_cancels_what_nobody_else_is_told_of(world: World, webhook: str | None) -> None:
    with world.client() as client, pytest.raises(httpx.ReadTimeout):
        client.post(BLOCK, json=WANTED | {"webhook_url": webhook}, timeout=0.5)
    job_id = world.dispatcher.dispatched[0]

    def lines() -> str:
        return httpx.get(f"{world.url}/metrics").text

    wait_until(lambda: 'status="499"' in lines())
    job = world.shop.jobs.get(job_id)
    assert job is not None
    assert (job.outcome is not None) == (webhook is None)
    assert world.dispatcher.cancelled == ([job_id] if webhook is None else [])
