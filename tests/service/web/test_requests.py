"""The queue's contract: submit, look, get, cancel, over a real connection."""

import base64
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import httpx
import pytest
from segmind import SegmindClient
from segmind.files import Files
from segmind.v2 import InferenceFailed

from film.errors import FilmError
from service.errors import JobError
from tests.service.web.world import CLIP, WANTED, World, make_world, serve

SUBMIT = "/v2/video-frame-interpolation"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with serve(make_world(tmp_path)) as world:
        yield world


@pytest.fixture
def client(world: World) -> Iterator[httpx.Client]:
    with world.client() as client:
        yield client


def tree(top: type[Exception]) -> list[type[Exception]]:
    return [top, *(below for child in top.__subclasses__() for below in tree(child))]


def test_a_request_goes_from_queued_to_completed(world: World, client: httpx.Client) -> None:
    submitted = client.post(SUBMIT, json=WANTED).raise_for_status().json()
    job_id = submitted["request_id"]
    assert submitted == {
        "request_id": job_id,
        "status": "QUEUED",
        "poll_url": f"{world.url}/v1/requests/{job_id}",
        "status_url": f"{world.url}/v2/requests/{job_id}/status",
        "response_url": f"{world.url}/v2/requests/{job_id}",
    }
    assert client.get(submitted["status_url"]).json() == {
        "request_id": job_id,
        "status": "QUEUED",
        "metrics": {},
        "progress": 0.0,
        "frames_done": 0,
        "frames_total": None,
        "queue_position": 1,
        "eta_seconds": None,
    }
    world.complete(job_id)
    result = client.get(submitted["response_url"])
    assert result.status_code == 200
    assert client.get(submitted["poll_url"]).json() == result.json()
    assert result.headers["cache-control"] == "no-store"
    body = result.json()
    assert body["output"] == body["video"]["url"]
    assert body["video"] | {"url": ""} == {
        "url": "",
        "content_type": "video/mp4",
        "file_name": f"film-{job_id[:8]}.mp4",
        "file_size": len(CLIP),
        "width": 64,
        "height": 48,
        "fps": 60.0,
        "frames": 120,
        "duration_seconds": 2.0,
    }
    assert (body["status"], body["error"], body["request_id"]) == ("COMPLETED", None, job_id)
    metrics = {"cost": 0.05, "remaining_credits": 999.95, "inference_time": 1.5, "queue_time": 0.0, "total_time": 0.0}
    assert body["metrics"] == metrics
    assert httpx.get(body["output"]).content == CLIP
    status = client.get(submitted["status_url"]).json()
    assert (status["status"], status["progress"], status["frames_done"]) == ("COMPLETED", 1.0, 120)
    assert "output" not in status


def test_status_shows_progress_and_how_long_it_will_take(world: World, client: httpx.Client) -> None:
    job = world.submit()
    world.begin(job.job_id, done=25, total=100, seconds=5)
    status = client.get(f"/v2/requests/{job.job_id}/status").json()
    assert status["status"] == "PROCESSING"
    assert (status["progress"], status["frames_done"], status["frames_total"]) == (0.25, 25, 100)
    assert (status["queue_position"], status["eta_seconds"]) == (None, 15.0)


def test_places_in_the_queue_count_from_one(world: World, client: httpx.Client) -> None:
    ids = []
    for _ in range(3):
        ids.append(world.submit().job_id)
        world.clock.forward(1)
    places = [client.get(f"/v2/requests/{job_id}/status").json()["queue_position"] for job_id in ids]
    assert places == [1, 2, 3]


def test_a_pending_result_is_the_status(world: World, client: httpx.Client) -> None:
    job = world.submit()
    for version in ("v1", "v2"):
        answer = client.get(f"/{version}/requests/{job.job_id}")
        assert (answer.status_code, answer.json()["status"]) == (200, "QUEUED")


def codes() -> dict[str, str]:
    return {error.code: str(error()) for error in tree(FilmError) + tree(JobError) if isinstance(error.code, str)}  # type: ignore[attr-defined]


def test_a_failed_request_is_422_with_the_reason_of_whichever_part_failed(world: World, client: httpx.Client) -> None:
    for code, message in codes().items():
        job = world.submit()
        world.fail(job.job_id, code, message)
        for path in (f"/v2/requests/{job.job_id}/status", f"/v2/requests/{job.job_id}", f"/v1/requests/{job.job_id}"):
            answer = client.get(path)
            assert answer.status_code == 422
            body = answer.json()
            assert (body["status"], body["code"], body["error"]) == ("FAILED", code, message)
            assert body["metrics"]["cost"] == 0
    assert len(codes()) > 25


def test_base64_text_is_in_the_output_and_the_url_beside_it(world: World, client: httpx.Client) -> None:
    job = world.submit(base64=True)
    world.complete(job.job_id)
    answer = client.get(f"/v2/requests/{job.job_id}")
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert base64.b64decode(answer.json()["output"], validate=True) == CLIP
    assert httpx.get(answer.json()["video"]["url"]).content == CLIP


def test_a_result_too_large_for_base64_says_so_and_gives_the_url(tmp_path: Path) -> None:
    with serve(make_world(tmp_path, base64_bytes=100)) as world, world.client() as client:
        job = world.submit(base64=True)
        world.complete(job.job_id)
        body = client.get(f"/v2/requests/{job.job_id}").raise_for_status().json()
        assert (body["status"], body["output"]) == ("COMPLETED", None)
        assert "video.url" in body["error"]
        assert httpx.get(body["video"]["url"]).content == CLIP


def test_cancelling_fails_the_request_and_gives_the_credits_back(world: World, client: httpx.Client) -> None:
    job = world.submit()
    answer = client.delete(f"/v2/requests/{job.job_id}")
    assert answer.status_code == 200
    assert (answer.json()["status"], answer.json()["error"]) == ("FAILED", "cancelled")
    failed = client.get(f"/v2/requests/{job.job_id}/status")
    assert (failed.status_code, failed.json()["error"]) == (422, "cancelled")
    again = client.delete(f"/v2/requests/{job.job_id}")
    assert (again.status_code, again.json()["code"]) == (409, "already_ended")
    assert client.get("/v1/get-user-credits").json() == {"credits": 1000.0}


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("job_id", ["0" * 32, "nothing", "A" * 32, "x'--", "%00", "é", "a%2Fb", "..%2f", "9" * 500])
def test_odd_and_unknown_ids_are_404_in_the_contracts_words(client: httpx.Client, method: str, job_id: str) -> None:
    for path in (f"/v2/requests/{job_id}", *([f"/v2/requests/{job_id}/status"] if method == "GET" else [])):
        answer = client.request(method, path)
        assert answer.status_code == 404
        assert answer.json()["code"] == "request_not_found"
        assert answer.json()["error"].startswith("Request ")
        assert answer.json()["error"].endswith(" not found")


def test_ids_of_others_and_expired_ones_look_like_unknown_ones(world: World, client: httpx.Client) -> None:
    other, _ = world.shop.access.create_key("other", credits=Decimal(10))
    job = world.submit()
    path = f"/v2/requests/{job.job_id}"
    expected = {"error": f"Request {job.job_id} not found", "code": "request_not_found"}
    for call in (client.get, client.delete):
        foreign = call(path, headers={"x-api-key": other})
        assert (foreign.status_code, foreign.json()) == (404, expected)
    world.complete(job.job_id)
    url = client.get(path).json()["output"]
    world.clock.forward(3601)
    assert client.get(path).json() == expected
    gone = httpx.get(url)
    assert (gone.status_code, gone.json()["code"]) == (404, "file_not_found")


def test_the_published_client_works_unchanged(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Files, "STORAGE_BASE_URL", world.url)
    client = SegmindClient(api_key=world.key, base_url=f"{world.url}/v1")
    file = tmp_path / "clip.mp4"
    file.write_bytes(CLIP)
    uploaded = client.files.upload([file, file])
    assert uploaded["file_urls"] == uploaded["urls"]
    assert len(set(uploaded["urls"])) == 2
    world.dispatcher.then = world.complete
    wanted = {**WANTED, "input_video": uploaded["file_urls"][0]}
    result = client.run("video-frame-interpolation", **wanted)
    assert httpx.get(result["output"]).content == CLIP
    raw = client.run_sync("video-frame-interpolation", **wanted)
    assert raw.content == CLIP
    world.dispatcher.then = world.fail
    with pytest.raises(InferenceFailed) as failed:
        client.run("video-frame-interpolation", **wanted)
    assert failed.value.detail == "it is no video"
    client._client.close()  # noqa: SLF001 (it has no way to close)
