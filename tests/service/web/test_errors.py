"""What goes wrong, and how it is told: always JSON of the one shape."""

import gzip
import json
import logging
import socket
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from schemas import Error
from service import errors
from service.errors import BackendAway, ServiceError
from service.web.errors import STATUSES
from tests.service.web.world import WANTED, World, make_world, serve

SUBMIT = "/v2/video-frame-interpolation"
BLOCK = "/v1/video-frame-interpolation"
POSTS = (SUBMIT, BLOCK, "/upload-asset")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with serve(make_world(tmp_path_factory.mktemp("errors"), max_body_bytes=100_000)) as world:
        yield world


@pytest.fixture(scope="module")
def client(world: World) -> Iterator[httpx.Client]:
    with world.client() as client:
        yield client


def check(answer: httpx.Response, status: int, code: str, words: str = "") -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    Error.model_validate(body)
    assert body["code"] == code
    assert words in body["error"]
    assert "\n" not in body["error"]


def tree(top: type[ServiceError]) -> set[type[ServiceError]]:
    return {top}.union(*(tree(below) for below in top.__subclasses__()))


def test_every_error_has_a_status() -> None:
    assert set(STATUSES) == tree(ServiceError)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("", "isn't valid JSON"),
        ("{", "isn't valid JSON"),
        ("nonsense", "isn't valid JSON"),
        ('{"input_video": "\\ud800"}', "isn't valid JSON"),
        ("[" * 50_000, "isn't valid JSON"),
        ("[]", "must be a JSON object"),
        ("null", "must be a JSON object"),
        ("{}", "input_video is required"),
        (json.dumps(WANTED | {"interpolation_factor": 3}), "unknown field interpolation_factor"),
        (json.dumps(WANTED | {"x" * 10_000 + "\n": 3}), "unknown field xxx"),
        (json.dumps(WANTED | {"frame_multiplier": 11}), "frame_multiplier: input should be less than or equal to 10"),
        (json.dumps(WANTED | {"output_fps": "60"}), "output_fps: input should be a valid integer"),
        (json.dumps(WANTED | {"input_video": "clip.mp4"}), "input_video must be a URL"),
        (json.dumps(WANTED | {"input_video": "ftp://example.com/clip.mp4"}), "input_video must be a URL"),
        (json.dumps(WANTED | {"input_video": "data:text/plain;base64,AAAA"}), "data:video/mp4;base64"),
        (json.dumps(WANTED | {"input_video": "https://example.com/a b"}), "input_video: must be a URI"),
        (json.dumps(WANTED | {"webhook_url": "file:///x"}), "webhook_url must be a URL"),
    ],
)
def test_bodies_that_make_no_sense_are_400_and_say_what_is_wrong(client: httpx.Client, body: str, words: str) -> None:
    for path in (SUBMIT, BLOCK):
        answer = client.post(path, content=body, headers={"Content-Type": "application/json"})
        assert answer.json()["code"].startswith("bad_")
        check(answer, 400, answer.json()["code"], words)
        assert len(answer.json()["error"]) < 1000


@pytest.mark.parametrize(
    "data_url", ["", "clip.mp4", "data:video/mp4;base64,", "data:video/mp4;base64,A!==", "data:,x"]
)
def test_uploads_that_hold_nothing_are_400(client: httpx.Client, data_url: str) -> None:
    check(client.post("/upload-asset", json={"data_urls": [data_url]}), 400, "bad_request", "data")


@pytest.mark.parametrize("kind", [None, "text/plain", "multipart/form-data; boundary=x", "application/jsonp"])
def test_another_content_type_is_406(client: httpx.Client, kind: str | None) -> None:
    for path in POSTS:
        headers = {} if kind is None else {"Content-Type": kind}
        check(client.post(path, content=json.dumps(WANTED), headers=headers), 406, "wrong_content_type")


def test_json_with_a_charset_is_json(client: httpx.Client) -> None:
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    assert client.post(SUBMIT, content=json.dumps(WANTED), headers=headers).status_code == 200


def test_compressed_bodies_are_no_json(client: httpx.Client) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    answer = client.post(SUBMIT, content=gzip.compress(json.dumps(WANTED).encode()), headers=headers)
    check(answer, 400, "bad_request", "isn't valid JSON")


@pytest.mark.parametrize("path", POSTS)
def test_a_body_that_is_too_large_is_413_announced_or_not(client: httpx.Client, path: str) -> None:
    large = json.dumps({"input_video": "data:video/mp4;base64," + "A" * 200_000}).encode()
    headers = {"Content-Type": "application/json"}
    check(client.post(path, content=large, headers=headers), 413, "too_large")
    pieces = (large[at : at + 10_000] for at in range(0, len(large), 10_000))
    check(client.post(path, content=pieces, headers=headers), 413, "too_large")


@pytest.mark.parametrize("path", [*POSTS, "/v2/requests/x", "/v2/requests/x/status", "/v1/get-user-credits"])
def test_without_a_good_key_everything_is_401(world: World, path: str) -> None:
    method = "POST" if path in POSTS else "GET"
    with httpx.Client(base_url=world.url) as client:
        words = "Missing Authorization or x-api-key in header"
        check(client.request(method, path), 401, "missing_api_key", words)
        check(client.request(method, path, headers={"Authorization": "Basic eDp5"}), 401, "missing_api_key", words)
        words = "Unauthorized. API key is invalid or may have expired."
        wrong = world.key[:-9] + "000000000"
        for key in ("x", wrong, "\xe9", world.key + "0"):
            check(
                client.request(method, path, headers={b"x-api-key": key.encode("latin-1")}),
                401,
                "invalid_api_key",
                words,
            )


def test_a_revoked_and_an_expired_key_look_wrong(world: World, client: httpx.Client) -> None:
    text, key = world.shop.access.create_key("acme")
    assert client.get("/v1/get-user-credits", headers={"x-api-key": text}).status_code == 200
    world.shop.keys.revoke(key.key_id, world.clock.now)
    check(client.get("/v1/get-user-credits", headers={"x-api-key": text}), 401, "invalid_api_key")
    short, _ = world.shop.access.create_key("acme", valid_for=timedelta(0))
    check(client.get("/v1/get-user-credits", headers={"x-api-key": short}), 401, "invalid_api_key")


def test_a_bearer_token_is_a_key_too(world: World) -> None:
    answer = httpx.get(f"{world.url}/v1/get-user-credits", headers={"Authorization": f"Bearer {world.key}"})
    assert answer.status_code == 200


@pytest.mark.parametrize("path", ["/nothing", "/v3/x", "/docs/", "/v2", SUBMIT + "/", "/healthz/", "/redoc"])
def test_unknown_addresses_are_404_and_never_redirect(client: httpx.Client, path: str) -> None:
    for method in ("GET", "POST"):
        check(client.request(method, path), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", SUBMIT, "POST"),
        ("PUT", "/upload-asset", "POST"),
        ("POST", "/v2/requests/x", "DELETE, GET"),
        ("TRACE", "/healthz", "GET, HEAD"),
        ("DELETE", "/files/x", "GET, HEAD, OPTIONS"),
    ],
)
def test_other_methods_are_405_and_say_which_are_allowed(
    client: httpx.Client, method: str, path: str, allowed: str
) -> None:
    answer = client.request(method, path)
    check(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == allowed


def test_too_few_credits_are_406(world: World, client: httpx.Client) -> None:
    poor, _ = world.shop.access.create_key("poor")
    for path in (SUBMIT, BLOCK):
        check(client.post(path, json=WANTED, headers={"x-api-key": poor}), 406, "insufficient_credits")


def test_limits_are_429_and_say_when_to_come_back(tmp_path: Path) -> None:
    with serve(make_world(tmp_path, requests_per_minute=2, jobs_per_key=1)) as world, world.client() as client:
        client.post(SUBMIT, json=WANTED).raise_for_status()
        busy = client.post(SUBMIT, json=WANTED)
        check(busy, 429, "too_many_jobs")
        for path in POSTS:
            check(client.post(path, json=WANTED), 429, "rate_limited")
        for answer in (busy, client.post(SUBMIT, json=WANTED)):
            assert answer.headers["retry-after"].isdecimal()
            assert answer.headers["x-rate-limit-reset-at-utc"].endswith("Z")
        assert busy.headers["retry-after"] == "6"
        assert busy.headers["x-rate-limit-reset-at-utc"] == "2026-03-29T12:00:05Z"
        client.get("/v1/get-user-credits").raise_for_status()


def test_a_store_that_is_away_is_502_and_health_says_so(
    world: World, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> None:
        raise BackendAway

    monkeypatch.setattr(world.shop.jobs, "get", away)
    check(client.get(f"/v2/requests/{'0' * 32}"), 502, "backend_away")
    monkeypatch.setattr(world.shop.index, "census", away)
    health = client.get("/healthz")
    assert health.status_code == 200
    assert (health.json()["status"], health.json()["store"]) == ("degraded", False)
    assert "film_store_up 0.0" in client.get("/metrics").text


def test_what_nobody_expected_is_500_without_details(
    world: World, client: httpx.Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("secret details")

    monkeypatch.setattr(world.shop.jobs, "get", broken)
    answer = client.get(f"/v2/requests/{'0' * 32}")
    check(answer, 500, errors.InternalError.code)
    assert "secret" not in answer.text
    assert "secret details" in caplog.text


def test_every_request_is_one_line_in_the_log_without_keys_ids_or_queries(
    world: World, client: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        client.get(f"/v2/requests/{'f' * 32}/status?token=hidden")
        client.get("/nowhere/hidden", headers={"x-api-key": "hidden"})
    lines = [record for record in caplog.records if record.getMessage() == "request"]
    found = [{name: vars(line)[name] for name in ("method", "route", "status")} for line in lines]
    assert found == [
        {"method": "GET", "route": "/v2/requests/{request_id}/status", "status": 404},
        {"method": "GET", "route": "unknown", "status": 404},
    ]
    assert all(vars(line)["ms"] >= 0 for line in lines)
    everything = " ".join(str(vars(record)) for record in caplog.records if record.name.startswith("service"))
    assert "hidden" not in everything
    assert world.key not in everything


def test_hosts_don_t_choose_our_addresses(tmp_path: Path) -> None:
    with serve(make_world(tmp_path, public_url="https://film.example.com/api/")) as world, world.client() as client:
        headers = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "gopher"}
        body = client.post(SUBMIT, json=WANTED, headers=headers).json()
        job_id = body["request_id"]
        assert body["status_url"] == f"https://film.example.com/api/v2/requests/{job_id}/status"
        world.complete(job_id)
        output = client.get(f"/v2/requests/{job_id}", headers=headers).json()["output"]
        assert output.startswith("https://film.example.com/api/files/results/")


def test_without_a_public_address_only_a_host_that_is_one_is_repeated(world: World, client: httpx.Client) -> None:
    for host, expected in [("video.local:8080", "http://video.local:8080/"), ("a/b?c", f"{world.url}/")]:
        urls = client.post(SUBMIT, json=WANTED, headers={"Host": host, "X-Forwarded-Host": "evil"}).json()
        assert urls["poll_url"].startswith(expected + "v1/requests/")


def test_a_body_that_stops_coming_doesn_t_stay(world: World) -> None:
    host, port = world.url.removeprefix("http://").split(":")
    before = threading.active_count()
    with socket.create_connection((host, int(port))) as connection:
        head = f"POST {SUBMIT} HTTP/1.1\r\nHost: x\r\nx-api-key: {world.key}\r\n"
        connection.sendall(f"{head}Content-Type: application/json\r\nContent-Length: 5000\r\n\r\n{{".encode())
    with world.client() as client:
        assert client.get("/healthz").status_code == 200
    assert threading.active_count() <= before + 1
