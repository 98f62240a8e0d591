"""Files: signed links, ranges, headers that browsers look at."""

import base64
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.web.clips import satisfiable
from tests.service.web.world import CLIP, WANTED, World, make_world, serve

SIZE = len(CLIP)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with serve(make_world(tmp_path_factory.mktemp("files"))) as world:
        yield world


@pytest.fixture(scope="module")
def url(world: World) -> str:
    job = world.submit()
    world.complete(job.job_id)
    with world.client() as client:
        found: str = client.get(f"/v2/requests/{job.job_id}").json()["output"]
    return found


def upload(world: World, kind: str = "video/mp4") -> str:
    with world.client() as client:
        data_url = f"data:{kind};base64,{base64.b64encode(CLIP).decode()}"
        found: str = client.post("/upload-asset", json={"data_urls": [data_url]}).raise_for_status().json()["urls"][0]
    return found


def test_a_file_comes_with_what_a_browser_needs_to_play_it(url: str) -> None:
    answer = httpx.get(url, headers={"Origin": "https://elsewhere.example"})
    assert answer.content == CLIP
    headers = answer.headers
    assert headers["content-type"] == "video/mp4"
    assert headers["content-length"] == str(SIZE)
    assert headers["accept-ranges"] == "bytes"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["access-control-allow-origin"] == "*"
    assert headers["content-disposition"].startswith('inline; filename="film-')
    assert headers["content-disposition"].endswith('.mp4"')
    assert headers["etag"]
    assert headers["last-modified"]


def test_head_gives_the_same_headers_and_no_body(url: str) -> None:
    head, get = httpx.head(url, headers={"Range": "bytes=0-1"}), httpx.get(url)
    assert (head.status_code, head.content) == (200, b"")
    moving = {"date"}
    assert {k: v for k, v in head.headers.items() if k not in moving} == {
        k: v for k, v in get.headers.items() if k not in moving
    }


@pytest.mark.parametrize(
    ("wanted", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=10-19", 10, 19),
        ("bytes=1000-", 1000, SIZE - 1),
        ("bytes=-5", SIZE - 5, SIZE - 1),
        (f"bytes=-{SIZE * 9}", 0, SIZE - 1),
        (f"bytes=5-{SIZE * 9}", 5, SIZE - 1),
        ("Bytes= 3-4", 3, 4),
        (f"bytes=7-8,{SIZE * 2}-", 7, 8),
    ],
)
def test_a_range_is_206(url: str, wanted: str, first: int, last: int) -> None:
    answer = httpx.get(url, headers={"Range": wanted})
    assert answer.status_code == 206
    assert answer.content == CLIP[first : last + 1]
    assert answer.headers["content-range"] == f"bytes {first}-{last}/{SIZE}"
    assert answer.headers["content-length"] == str(last - first + 1)


def test_several_ranges_come_as_parts(url: str) -> None:
    answer = httpx.get(url, headers={"Range": "bytes=0-3,100-104"})
    assert answer.status_code == 206
    kind, _, boundary = answer.headers["content-type"].partition("; boundary=")
    assert kind == "multipart/byteranges"
    parts = [part.partition(b"\r\n\r\n")[2] for part in answer.content.split(b"--" + boundary.encode())[1:-1]]
    assert parts == [CLIP[:4] + b"\r\n", CLIP[100:105] + b"\r\n"]
    assert len(answer.content) == int(answer.headers["content-length"])


@pytest.mark.parametrize("wanted", [f"bytes={SIZE}-", f"bytes={SIZE * 5}-{SIZE * 6}", "bytes=-0"])
def test_a_range_beyond_the_end_is_416(url: str, wanted: str) -> None:
    answer = httpx.get(url, headers={"Range": wanted})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{SIZE}"
    assert answer.json()["code"] == "range_not_satisfiable"
    assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize(
    "wanted", ["bytes", "bytes=", "bytes=-", "bytes=5-2", "bytes=a-b", "frames=0-1", "bytes=1-2-3"]
)
def test_a_range_that_no_grammar_knows_is_ignored(url: str, wanted: str) -> None:
    answer = httpx.get(url, headers={"Range": wanted})
    assert (answer.status_code, answer.content) == (200, CLIP)


def test_a_range_of_another_version_gives_the_whole_file(url: str) -> None:
    etag = httpx.head(url).headers["etag"]
    for condition, status in [(etag, 206), ('"other"', 200)]:
        assert httpx.get(url, headers={"Range": "bytes=0-1", "If-Range": condition}).status_code == status


@given(
    st.text("0123456789-,= bytes", max_size=30) | st.from_regex(r"bytes=(\d*-\d*,?)*", fullmatch=True),
    st.integers(1, 500),
)
def test_ranges_always_lie_in_the_file(header: str, size: int) -> None:
    for first, last in satisfiable(header, size) or []:
        assert 0 <= first <= last < size


def test_pages_of_others_may_ask_for_ranges(url: str) -> None:
    answer = httpx.options(url, headers={"Origin": "https://elsewhere.example"})
    assert answer.status_code == 204
    assert "Range" in answer.headers["access-control-allow-headers"]


def test_links_can_t_be_made_or_changed(world: World, url: str) -> None:
    parts = urlsplit(url)
    expires, signature = (parse_qs(parts.query)[name][0] for name in ("expires", "signature"))
    base = f"{world.url}{parts.path}"
    later = str(int(expires) + 1)
    for query in (
        "",
        f"?expires={expires}",
        f"?expires={later}&signature={signature}",
        f"?expires={expires}&signature={signature[::-1]}",
        f"?expires=%ff&signature=%00{'é' * 9}",
    ):
        answer = httpx.get(base + query)
        assert (answer.status_code, answer.json()["code"]) == (404, "file_not_found")
    for path in ("../secret", "%2e%2e/secret", "results", "", "a//b", "%00"):
        answer = httpx.get(f"{world.url}/files/{path}?expires={expires}&signature={signature}")
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/json"


def test_an_upload_can_be_named_as_source_whatever_host_it_went_by(world: World) -> None:
    url = upload(world)
    assert url.startswith(f"{world.url}/files/uploads/")
    assert httpx.get(url).content == CLIP
    with world.client() as client:
        proxied = url.replace(world.url, "https://film.example.com")
        body = client.post("/v2/video-frame-interpolation", json=WANTED | {"input_video": proxied}).json()
    job = world.shop.jobs.get(body["request_id"])
    assert job is not None
    assert job.order.options.input_video.startswith("artifact:uploads/")


def test_what_a_browser_could_run_is_served_as_bytes(world: World) -> None:
    for kind in ("text/html", "image/svg+xml"):
        answer = httpx.get(upload(world, kind))
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_several_files_are_uploaded_in_their_order(world: World) -> None:
    with world.client() as client:
        sent = [base64.b64encode(text).decode() for text in (b"one", b"two", b"three")]
        body = client.post(
            "/upload-asset", json={"data_urls": [f"data:video/mp4;base64,{text}" for text in sent]}
        ).json()
    assert body["message"] == "3 files uploaded"
    assert body["urls"] == body["file_urls"]
    assert [httpx.get(url).content for url in body["urls"]] == [b"one", b"two", b"three"]
