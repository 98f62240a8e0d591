"""The published client, unchanged, against the app as it is deployed, with its own network."""

import base64
import re
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np
import pytest
from segmind import SegmindClient
from segmind.exceptions import SegmindError
from segmind.files import Files
from segmind.v2 import InferenceFailed

import film
from film.video import Decoder, Pixels, probe
from tests.clips import number_of, numbered, packets, tone
from tests.modal.shop import KEEP_SECONDS, SLUG, Shop
from tests.modal_plane.fixture import eventually
from tests.service.server import serve_folder

FRAMES = 8
GRANTED = 5
PATIENCE = 120  # seconds that TensorFlow may take to load on a busy machine
SYNC_LIMIT = 150  # seconds after which the service redirects a request


class Caller(NamedTuple):
    """Somebody with a key and the published client."""

    key: str
    client: SegmindClient


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hold a clip with sound, the same as the library makes of it, and something that is no video."""
    folder = tmp_path_factory.mktemp("client")
    numbered(folder / "clip.mp4", frames=FRAMES, sound=tone(FRAMES / 25))
    (folder / "words.mp4").write_text("no video at all")
    made = film.interpolate_video(folder / "clip.mp4", folder / "expected.mp4", multiplier=2, output_fps=50).made
    (folder / "made").write_text(str(made))
    return folder


@pytest.fixture(scope="module")
def source(folder: Path) -> Iterator[str]:
    with serve_folder(folder) as url:
        yield url


@pytest.fixture
def caller(shop: Shop, request: pytest.FixtureRequest) -> Iterator[Caller]:
    key = shop.new_key(re.sub(r"\W", "-", request.node.name)[-64:], GRANTED)
    client = SegmindClient(api_key=key, base_url=f"{shop.url}/v1", timeout=PATIENCE)
    yield Caller(key, client)
    client._client.close()  # noqa: SLF001 (it has no other way)


def frames_of(video: bytes, folder: Path) -> list[Pixels]:
    file = folder / "received.mp4"
    file.write_bytes(video)
    with Decoder(probe(file)) as decoder:
        return [frame.pixels for frame in decoder]


def check(video: bytes, folder: Path, tmp_path: Path) -> None:
    """Compare a clip with what the library makes of the same source, and with the source itself."""
    received = frames_of(video, tmp_path)
    assert probe(tmp_path / "received.mp4").average_rate == Fraction(50)
    assert packets(tmp_path / "received.mp4", "a:0") == packets(folder / "clip.mp4", "a:0")
    expected = frames_of((folder / "expected.mp4").read_bytes(), tmp_path)
    assert len(received) == 2 * FRAMES
    assert all(np.array_equal(ours, theirs) for ours, theirs in zip(received, expected, strict=True))
    assert [number_of(pixels) for pixels in received[::2]] == list(range(FRAMES))


def ask(source: str, **options: Any) -> dict[str, Any]:
    return {"input_video": f"{source}/clip.mp4", "frame_multiplier": 2, "output_fps": 50, **options}


def price(folder: Path) -> float:
    return int((folder / "made").read_text()) * 64 * 48 / 1e6 * 0.01


def _is_gone(job: Any) -> bool:
    try:
        job.result()
    except SegmindError as error:
        return bool(error.status == 404)
    return False


def test_submit_and_wait_gives_a_link_that_plays_until_it_expires(
    shop: Shop, caller: Caller, source: str, folder: Path, tmp_path: Path
) -> None:
    began = time.monotonic()
    job = caller.client.submit_async(SLUG, **ask(source))
    result = job.wait(timeout=PATIENCE, interval=0.2)
    print(f"first result after {time.monotonic() - began:.1f} s")  # noqa: T201 (the other figure)
    assert (result["status"], result["video"]["frames"]) == ("COMPLETED", 2 * FRAMES)
    assert result["output"].startswith(f"{shop.url}/")
    answer = httpx.get(result["output"])  # without the key
    check(answer.content, folder, tmp_path)
    part = httpx.get(result["output"], headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, answer.content[10:20])
    assert shop.credits(caller.key) == pytest.approx(GRANTED - price(folder), abs=1e-6)
    eventually(lambda: _is_gone(job), seconds=2 * KEEP_SECONDS)
    assert httpx.get(result["output"]).status_code == 404
    shop.plane.fire("sweep")
    assert [file for file in shop.files() if job.request_id in file] == []
    assert shop.entries(job.request_id) == []
    assert shop.left() == []


def test_the_blocking_call_gives_the_video_itself_and_what_it_cost(
    shop: Shop, caller: Caller, source: str, folder: Path, tmp_path: Path
) -> None:
    answer = caller.client.run_sync(SLUG, **ask(source))
    check(answer.content, folder, tmp_path)
    assert float(answer.headers["x-cost"]) == pytest.approx(price(folder), abs=1e-6)
    assert float(answer.headers["x-remaining-credits"]) == pytest.approx(GRANTED - price(folder), abs=1e-6)
    assert shop.credits(caller.key) == pytest.approx(GRANTED - price(folder), abs=1e-6)


def test_base64_gives_the_video_in_the_answer(caller: Caller, source: str, folder: Path, tmp_path: Path) -> None:
    result = caller.client.run(SLUG, **ask(source, base64=True))
    check(base64.b64decode(result["output"], validate=True), folder, tmp_path)


def test_an_upload_is_a_source(
    shop: Shop, caller: Caller, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Files, "STORAGE_BASE_URL", shop.url)
    uploaded = caller.client.files.upload(folder / "clip.mp4")["file_urls"][0]
    assert uploaded.startswith(f"{shop.url}/")
    result = caller.client.run(SLUG, input_video=uploaded, frame_multiplier=2, output_fps=50)
    check(httpx.get(result["output"]).content, folder, tmp_path)


@pytest.mark.parametrize(("name", "words"), [("words.mp4", "not a video"), ("missing.mp4", "404")])
def test_a_source_that_fails_says_why_and_costs_nothing(
    shop: Shop, caller: Caller, source: str, name: str, words: str
) -> None:
    job = caller.client.submit_async(SLUG, **ask(source, input_video=f"{source}/{name}"))
    with pytest.raises(InferenceFailed) as failed:
        job.wait(timeout=PATIENCE, interval=0.2)
    assert words in failed.value.detail
    assert "/artifacts" not in failed.value.detail
    eventually(lambda: shop.credits(caller.key) == GRANTED)


def test_a_cancelled_request_costs_nothing(shop: Shop, caller: Caller, source: str) -> None:
    job = caller.client.submit_async(SLUG, **ask(source))
    shop.cancel(caller.key, job.request_id)
    with pytest.raises(InferenceFailed, match="cancelled"):
        job.wait(timeout=PATIENCE, interval=0.2)
    eventually(lambda: shop.credits(caller.key) == GRANTED)


def test_addresses_are_the_endpoint_s_own_whatever_the_caller_calls_it(shop: Shop, caller: Caller, source: str) -> None:
    headers = {"x-api-key": caller.key, "host": "elsewhere.example.com"}
    answer = httpx.post(f"{shop.url}/v2/{SLUG}", json=ask(f"{source}/no"), headers=headers, timeout=60).json()
    assert answer["status_url"].startswith(f"{shop.url}/v2/requests/")
    assert answer["response_url"].startswith(f"{shop.url}/v2/requests/")


def test_a_blocking_call_ends_before_the_service_cuts_it(shop: Shop) -> None:
    assert float(shop.plane.functions()["web"].environment["FILM_SYNC_SECONDS"]) < SYNC_LIMIT - 5
