"""Web endpoints over real HTTP."""

import hashlib
import http.client
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from tests.modal_plane.fixture import Plane

LIMIT = 1.0  # seconds that `lenient` has, for the 150 of the service


def _ask(
    plane: Plane,
    path: str,
    body: bytes | None = None,
    *,
    function: str = "web",
    headers: dict[str, str] | None = None,
) -> tuple[http.client.HTTPResponse, bytes]:
    """Send a request and follow nothing."""
    address = urlsplit(plane.functions()[function].web_url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=30)
    try:
        connection.request("GET" if body is None else "POST", path, body, headers or {})
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


@pytest.fixture(scope="module")
def site(lenient: Plane) -> Plane:
    """The plane with a container that answers, so that its start isn't counted against the limit."""
    assert _until_answered(lenient, "/") == 201
    return lenient


def test_a_request_and_its_answer_go_through_whole(site: Plane) -> None:
    body = os.urandom(3_000_000)
    response, data = _ask(site, "/upload?a=b%20c&a=d", body, headers={"X-Mine": "1", "Modal-Key": "secret"})
    told = json.loads(data)
    assert response.status == 201
    assert response.headers.get_all("x-two") == ["1", "2"]
    assert (told["method"], told["path"], told["query"]) == ("POST", "/upload", "a=b%20c&a=d")
    assert (told["size"], told["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())
    assert "x-mine" in told["headers"]
    assert "modal-key" not in told["headers"]


def test_an_answer_is_streamed_as_it_comes(site: Plane) -> None:
    address = urlsplit(site.functions()["web"].web_url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=30)
    connection.request("GET", "/stream")
    response = connection.getresponse()
    times = [time.monotonic() for _ in iter(response.readline, b"")]
    connection.close()
    assert len(times) == 3
    assert times[-1] - times[0] > 0.1


def test_requests_are_served_together_as_far_as_the_app_allows(site: Plane) -> None:
    started = time.monotonic()
    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(lambda _: _ask(site, "/sleep/0.5")[0].status, range(6)))
    assert answers == [201] * 6
    assert time.monotonic() - started < 2.5


def test_a_request_without_an_answer_in_time_is_sent_on_until_there_is_one(site: Plane) -> None:
    started = time.monotonic()
    response, body = _ask(site, "/sleep/1.5?q=1", b"once")
    assert (response.status, body) == (303, b"")
    assert LIMIT <= time.monotonic() - started < LIMIT + 0.5
    location = response.headers["Location"]
    assert location.startswith("/sleep/1.5?q=1&")
    response, body = _ask(site, location)
    assert response.status == 201
    assert (json.loads(body)["method"], json.loads(body)["size"]) == ("POST", 4), "the request is not made again"


def test_an_error_of_the_app_and_the_death_of_its_container_are_500(site: Plane) -> None:
    assert _ask(site, "/fail")[0].status == 500
    assert _until_answered(site, "/die") == 500


def test_a_request_that_outlasts_the_function_s_timeout_is_504(site: Plane) -> None:
    assert _until_answered(site, "/sleep/30") == 504


def test_a_private_endpoint_wants_a_token(site: Plane) -> None:
    assert _ask(site, "/", function="private")[0].status == 401
    wrong = {"Modal-Key": "wk-1", "Modal-Secret": "guess"}
    assert _ask(site, "/", function="private", headers=wrong)[0].status == 401
    right = {"Modal-Key": "wk-1", "Modal-Secret": "ws-2"}
    response, _ = _ask(site, "/", function="private", headers=right)
    assert response.status in {200, 303}


def _until_answered(site: Plane, path: str) -> int:
    response, _ = _ask(site, path)
    while response.status == 303:
        response, _ = _ask(site, response.headers["Location"])
    return response.status
