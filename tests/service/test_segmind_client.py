"""The published client, unchanged, against the real server: what comes back is looked at frame by frame."""

import base64
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from segmind import SegmindClient
from segmind.exceptions import SegmindError
from segmind.files import Files
from segmind.v2 import InferenceFailed

import film
from film.video import Decoder, Pixels, probe
from tests.clips import LOSSLESS, ffmpeg, number_of, numbered, packets, tone
from tests.service.server import Server, serve_folder, serving, wait_until

SLUG = "video-frame-interpolation"
FRAMES = 8
CREDITS = 100
ROOT = Path(__file__).parents[2]
CLIENTS: list[SegmindClient] = []


@pytest.fixture(autouse=True)
def _closed_clients() -> Iterator[None]:
    """Close the connections of the clients that a test made: the published client leaves that to its user."""
    yield
    while CLIENTS:
        CLIENTS.pop()._client.close()  # noqa: SLF001 (it has no other way)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hold a clip with sound, the same as the library makes of it, and something that is no video."""
    folder = tmp_path_factory.mktemp("client")
    numbered(folder / "clip.mp4", frames=FRAMES, sound=tone(FRAMES / 25))
    (folder / "words.mp4").write_text("no video at all")
    made = film.interpolate_video(folder / "clip.mp4", folder / "expected.mp4", multiplier=2, output_fps=50).made
    assert made > 0
    (folder / "made").write_text(str(made))  # fewer than could be: some of its bars turn like a cut
    return folder


@pytest.fixture(scope="module")
def source(folder: Path) -> Iterator[str]:
    with serve_folder(folder) as url:
        yield url


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture(scope="module")
def key(server: Server) -> str:
    return server.new_key("alice", CREDITS)


@pytest.fixture
def client(server: Server, key: str) -> SegmindClient:
    return client_of(server, key)


def client_of(server: Server, key: str) -> SegmindClient:
    CLIENTS.append(SegmindClient(api_key=key, base_url=f"{server.url}/v1"))
    return CLIENTS[-1]


def frames_of(video: bytes, folder: Path) -> list[Pixels]:
    file = folder / "received.mp4"
    file.write_bytes(video)
    with Decoder(probe(file)) as decoder:
        return [frame.pixels for frame in decoder]


def check(video: bytes, folder: Path, tmp_path: Path) -> None:
    """Compare a clip with what the library makes of the same source, and with the source itself."""
    received = frames_of(video, tmp_path)
    expected = frames_of((folder / "expected.mp4").read_bytes(), tmp_path)
    assert len(received) == 2 * FRAMES
    assert all(np.array_equal(ours, theirs) for ours, theirs in zip(received, expected, strict=True))
    assert [number_of(pixels) for pixels in received[::2]] == list(range(FRAMES))
    (tmp_path / "received.mp4").write_bytes(video)
    assert packets(tmp_path / "received.mp4", "a:0") == packets(folder / "clip.mp4", "a:0")
    assert probe(tmp_path / "received.mp4").average_rate == Fraction(50)


def ask(source: str, **options: Any) -> dict[str, Any]:
    return {"input_video": f"{source}/clip.mp4", "frame_multiplier": 2, "output_fps": 50, **options}


def test_submit_and_wait_gives_a_link_that_plays(
    client: SegmindClient, source: str, folder: Path, tmp_path: Path
) -> None:
    job = client.submit_async(SLUG, **ask(source), preserve_audio=True, base64=False)
    result = job.wait(timeout=120, interval=0.2)
    assert result["status"] == "COMPLETED"
    assert result["video"] | {"url": None, "file_name": None, "file_size": None} == {
        "url": None,
        "content_type": "video/mp4",
        "file_name": None,
        "file_size": None,
        "width": 64,
        "height": 48,
        "fps": 50,
        "frames": 16,
        "duration_seconds": 0.32,
    }
    answer = httpx.get(result["output"])  # without the key
    assert answer.headers["content-type"] == "video/mp4"
    assert len(answer.content) == result["video"]["file_size"]
    check(answer.content, folder, tmp_path)
    part = httpx.get(result["output"], headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, answer.content[10:20])


def test_the_readmes_example_runs(
    client: SegmindClient, source: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (example,) = (code for code in re.findall(r"```python\n(.*?)```", readme, re.DOTALL) if "segmind" in code)
    example = example.replace("http://127.0.0.1:8000/v1", client.base_url)
    names: dict[str, Any] = {"KEY": client.api_key, "URL": f"{source}/clip.mp4"}
    exec(compile(example, "README.md", "exec"), names)  # noqa: S102 (our own text)
    CLIENTS.append(names["client"])
    check(httpx.get(capsys.readouterr().out.strip()).content, folder, tmp_path)


def test_run_is_submit_and_wait(client: SegmindClient, source: str, folder: Path, tmp_path: Path) -> None:
    result = client.run(SLUG, **ask(source))
    check(httpx.get(result["output"]).content, folder, tmp_path)


def test_the_blocking_call_gives_the_video_itself_and_what_it_cost(
    server: Server, source: str, folder: Path, tmp_path: Path
) -> None:
    key = server.new_key("sync", 5)
    answer = client_of(server, key).run_sync(SLUG, **ask(source))
    check(answer.content, folder, tmp_path)
    assert answer.headers["content-type"] == "video/mp4"
    cost = int((folder / "made").read_text()) * 64 * 48 / 1e6 * 0.01
    assert float(answer.headers["x-cost"]) == pytest.approx(cost, abs=1e-6)
    assert float(answer.headers["x-remaining-credits"]) == pytest.approx(5 - cost, abs=1e-6)
    assert server.credits(key) == pytest.approx(5 - cost, abs=1e-6)
    assert float(answer.headers["x-generation-time"]) > 0
    assert answer.headers["x-request-id"]


def test_base64_gives_the_video_in_the_answer(client: SegmindClient, source: str, folder: Path, tmp_path: Path) -> None:
    result = client.run(SLUG, **ask(source, base64=True))
    video = base64.b64decode(result["output"], validate=True)
    check(video, folder, tmp_path)
    assert httpx.get(result["video"]["url"]).content == video
    blocking = client.run_sync(SLUG, **ask(source, base64=True)).json()
    assert blocking["video"] == blocking["output"]
    check(base64.b64decode(blocking["video"], validate=True), folder, tmp_path)


def test_an_upload_is_a_source(
    client: SegmindClient, server: Server, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Files, "STORAGE_BASE_URL", server.url)
    uploaded = client.files.upload(folder / "clip.mp4")
    assert uploaded["file_urls"] == uploaded["urls"]
    result = client.run(SLUG, input_video=uploaded["file_urls"][0], frame_multiplier=2, output_fps=50)
    check(httpx.get(result["output"]).content, folder, tmp_path)


@pytest.mark.parametrize(
    ("name", "words"),
    [("words.mp4", "not a video"), ("missing.mp4", "404")],
)
def test_a_source_that_fails_says_why(client: SegmindClient, source: str, name: str, words: str) -> None:
    job = client.submit_async(SLUG, **ask(source, input_video=f"{source}/{name}"))
    with pytest.raises(InferenceFailed) as failed:
        job.wait(timeout=60, interval=0.2)
    assert words in failed.value.detail
    assert failed.value.status_body["status"] == "FAILED"
    assert "/data/" not in failed.value.detail
    assert job.result()["error"] == failed.value.detail
    with pytest.raises(SegmindError) as refused:
        client.run_sync(SLUG, **ask(source, input_video=f"{source}/{name}"))
    assert refused.value.status == 422
    assert refused.value.detail == failed.value.detail


def test_a_failure_gives_the_credits_back(server: Server, source: str) -> None:
    key = server.new_key("unlucky", 5)
    job = client_of(server, key).submit_async(SLUG, **ask(source, input_video=f"{source}/words.mp4"))
    with pytest.raises(InferenceFailed):
        job.wait(timeout=60, interval=0.2)
    wait_until(lambda: server.credits(key) == 5)


def test_a_bad_key_is_refused(server: Server, source: str) -> None:
    with pytest.raises(SegmindError) as refused:
        client_of(server, "film_nonsense").submit_async(SLUG, **ask(source))
    assert refused.value.status == 401
    assert refused.value.detail == "Unauthorized. API key is invalid or may have expired."


def test_without_credits_nothing_is_begun(server: Server, source: str) -> None:
    with pytest.raises(SegmindError) as refused:
        client_of(server, server.new_key("poor", 0)).submit_async(SLUG, **ask(source))
    assert refused.value.status == 406


def test_a_job_that_turns_out_too_dear_fails_and_says_what_it_needs(
    server: Server, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("dear")
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=1280x720:r=25,trim=end_frame=250", *LOSSLESS, folder / "long.mp4")
    key = server.new_key("short", 0.5)
    with serve_folder(folder) as source:
        job = client_of(server, key).submit_async(
            SLUG, input_video=f"{source}/long.mp4", frame_multiplier=4, output_fps=50
        )
        with pytest.raises(InferenceFailed) as failed:
            job.wait(timeout=60, interval=0.2)
    needed = 249 * 3 * 1280 * 720 / 1e6 * 0.01
    assert failed.value.detail == f"insufficient credits: needs {needed:.6f}, has 0.5"
    wait_until(lambda: server.credits(key) == 0.5)


def test_an_unknown_and_a_foreign_request_are_both_not_found(
    client: SegmindClient, server: Server, source: str
) -> None:
    job = client.submit_async(SLUG, **ask(source))
    stranger = client_of(server, server.new_key("stranger", 1))
    for someone, id_ in ((client, "0" * 32), (stranger, job.request_id)):
        answer = someone._client.get(f"{server.url}/v2/requests/{id_}/status")  # noqa: SLF001 (as the client's own calls go)
        assert (answer.status_code, answer.json()["error"]) == (404, f"Request {id_} not found")
    job.wait(timeout=60, interval=0.2)


def test_a_result_expires(source: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    with serving(tmp_path_factory.mktemp("expiry"), keep_seconds=3, link_seconds=3, sweep_seconds=0.5) as server:
        client = client_of(server, server.new_key("alice", 1))
        job = client.submit_async(SLUG, **ask(source))
        output = job.wait(timeout=120, interval=0.2)["output"]
        assert httpx.get(output).is_success
        wait_until(lambda: httpx.get(output).status_code == 404)
        # A link is good for whole seconds, so it ends a moment earlier than what it belongs to.
        wait_until(lambda: client._client.get(job.response_url).status_code == 404)  # noqa: SLF001 (as its own calls go)
        with pytest.raises(SegmindError) as gone:
            job.result()
        assert (gone.value.status, gone.value.detail) == (404, f"Request {job.request_id} not found")
        wait_until(lambda: not list(server.folder.rglob("*.mp4")))
