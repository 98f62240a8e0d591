"""What runs is lost on the way, whatever it is: each request still ends, once, and nothing is left of it.

The app is the real one but for the network, which takes a known time for each frame.
"""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import pytest

import film
from film.segments import make_segment, plan_segments
from film.video import Decoder, Pixels, join, probe
from service.settings import Settings
from service.worker.planning import plan
from tests.clips import LOSSLESS, colours
from tests.modal.copies import QUICK, copy_project
from tests.modal.shop import Shop, data_url
from tests.modal_plane.fixture import Plane, eventually
from tests.postgres import empty_database
from tests.service.samples import OPTIONS
from tests.service.server import serve_folder
from tests.service.stub import Slow

FRAMES = 12
PIECE_FRAMES = 8  # of the result, so there are three pieces
GRANTED = 5
COST = (FRAMES - 1) * 64 * 48 / 1e6 * 0.01
ORDER = {"frame_multiplier": 2, "output_fps": 50}
SETTINGS = {
    "lease_seconds": 2,
    "piece_megapixels": PIECE_FRAMES * 64 * 48 / 1e6,
    "stub_seconds": 0.4,
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, postgres_server: str) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("losses")
    with Plane(folder / "plane", period_scale=0.0) as plane, empty_database(postgres_server) as url:
        shop = Shop(plane, copy_project(folder / "project", QUICK), url)
        deploy(shop, gpu_containers=2)
        yield shop


def deploy(shop: Shop, *, gpu_containers: int) -> None:
    environment = {"FILM_GPU_CONTAINERS": str(gpu_containers)}
    shop.deploy(environment=environment, settings=SETTINGS)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a clip of which every frame differs a little from the one before."""
    clip = tmp_path_factory.mktemp("clip") / "clip.mp4"
    return colours(clip, *LOSSLESS, "-pix_fmt", "yuv420p", size=(64, 48), frames=FRAMES)


@pytest.fixture(scope="module")
def expected(clip: Path) -> list[Pixels]:
    """Give the frames of the result: the library's pieces, joined.

    Each piece is compressed by itself, so against the same clip made in one piece they differ by what
    compression loses, and by no more.
    """
    planned = plan(probe(clip), replace(OPTIONS, frame_multiplier=2, output_fps=50), Settings())
    pieces = []
    for number, segment in enumerate(plan_segments(planned.recipe.retiming, most_frames=PIECE_FRAMES)):
        pieces.append(clip.with_name(f"piece-{number}.mp4"))
        make_segment(planned.recipe, segment, pieces[-1], interpolator=Slow())
    joined, whole = clip.with_name("joined.mp4"), clip.with_name("whole.mp4")
    join(pieces, joined, rate=planned.recipe.retiming.rate, sound=planned.sound, source=planned.recipe.clip)
    made = film.interpolate_video(clip, whole, multiplier=2, output_fps=50, interpolator=Slow()).made
    assert (len(pieces), made) == (3, FRAMES - 1)
    frames = frames_of(joined)
    difference = np.subtract(frames, frames_of(whole), dtype=float)
    assert 10 * np.log10(255**2 / np.mean(difference**2)) > 40  # dB
    return frames


@pytest.fixture
def key(shop: Shop, request: pytest.FixtureRequest) -> str:
    return shop.new_key(request.node.name[:64], GRANTED)


def frames_of(video: Path) -> list[Pixels]:
    with Decoder(probe(video)) as decoder:
        return [frame.pixels for frame in decoder]


def begin(shop: Shop, key: str, clip: Path, *, url: str | None = None) -> str:
    """Order, with a video or its address, and wait until frames are being made."""
    job_id = shop.submit(key, input_video=url or data_url(clip), **ORDER)
    eventually(lambda: shop.status(key, job_id)["frames_done"] > 0, seconds=60)
    return job_id


def check_completed(shop: Shop, key: str, job_id: str, expected: list[Pixels], folder: Path) -> None:
    """See that a request ended well, with what it should, for what it costs; and that nothing is left over."""
    result = shop.result(key, job_id)
    assert result["status"] == "COMPLETED", result
    received = folder / "received.mp4"
    received.write_bytes(httpx.get(result["output"], timeout=60).raise_for_status().content)
    frames = frames_of(received)
    assert len(frames) == 2 * FRAMES
    assert all(np.array_equal(ours, theirs) for ours, theirs in zip(frames, expected, strict=True))
    check_end(shop, job_id, "completed", files=1)
    eventually(lambda: shop.credits(key) == pytest.approx(GRANTED - COST, abs=1e-6))


def check_end(shop: Shop, job_id: str, event: str, *, files: int) -> None:
    """See that a request has one end, and has left so many files and nothing else, once it was swept up after it."""
    ends = [
        line["event"]
        for function in ("run_job", "web", "sweep")
        for line in shop.events(function)
        if line.get("job") == job_id and line["event"] in {"completed", "failed"}
    ]
    assert ends == [event]
    assert shop.entries(job_id).count("outcome") == 1
    eventually(lambda: shop.is_idle("run_job") and shop.is_idle("Interpolator"))
    shop.plane.fire("sweep")
    assert [left for left in shop.left() if job_id in left] == []
    assert len([file for file in shop.files() if job_id in file]) == files


def test_pieces_are_made_in_several_containers_and_join_without_a_seam(
    shop: Shop, key: str, clip: Path, expected: list[Pixels], tmp_path: Path
) -> None:
    with serve_folder(clip.parent) as url:
        job_id = begin(shop, key, clip, url=f"{url}/{clip.name}")
        check_completed(shop, key, job_id, expected, tmp_path)
    made = [line for line in shop.events("Interpolator") if line["event"] == "piece made" and line["job"] == job_id]
    assert sorted(line["piece"] for line in made) == [0, 1, 2]
    assert sum(line["frames"] for line in made) == 2 * FRAMES
    assert len({line["worker"] for line in made}) == 2


def test_a_piece_whose_container_is_killed_is_made_again(
    shop: Shop, key: str, clip: Path, expected: list[Pixels], tmp_path: Path
) -> None:
    job_id = begin(shop, key, clip)
    shop.plane.kill(shop.busy("Interpolator"))
    check_completed(shop, key, job_id, expected, tmp_path)
    assert shop.entries(job_id).count("claim/2") == 0


def test_a_job_whose_container_is_killed_is_begun_again(
    shop: Shop, key: str, clip: Path, expected: list[Pixels], tmp_path: Path
) -> None:
    job_id = begin(shop, key, clip)
    shop.plane.kill(shop.busy("run_job"))
    check_completed(shop, key, job_id, expected, tmp_path)
    assert "claim/2" in shop.entries(job_id)


def test_a_job_goes_on_while_the_web_is_killed(
    shop: Shop, key: str, clip: Path, expected: list[Pixels], tmp_path: Path
) -> None:
    job_id = begin(shop, key, clip)
    for container in shop.plane.containers("web"):
        shop.plane.kill(container)
    check_completed(shop, key, job_id, expected, tmp_path)


def test_a_job_goes_on_while_the_app_is_deployed_again(
    shop: Shop, key: str, clip: Path, expected: list[Pixels], tmp_path: Path
) -> None:
    job_id = begin(shop, key, clip)
    deploy(shop, gpu_containers=1)
    check_completed(shop, key, job_id, expected, tmp_path)


def test_one_container_makes_all_pieces_where_there_are_no_more(
    shop: Shop, key: str, clip: Path, expected: list[Pixels], tmp_path: Path
) -> None:
    deploy(shop, gpu_containers=1)
    job_id = begin(shop, key, clip)
    check_completed(shop, key, job_id, expected, tmp_path)
    made = [line for line in shop.events("Interpolator") if line["event"] == "piece made" and line["job"] == job_id]
    assert sorted(line["piece"] for line in made) == [0, 1, 2]
    assert len({line["worker"] for line in made}) == 1


def test_a_cancelled_job_stops_its_pieces_and_gives_its_credits_back(shop: Shop, key: str, clip: Path) -> None:
    job_id = begin(shop, key, clip)
    shop.cancel(key, job_id)
    assert shop.result(key, job_id)["status"] == "FAILED"
    check_end(shop, job_id, "failed", files=0)
    assert shop.credits(key) == GRANTED


def test_sweeps_do_no_harm_while_jobs_end(
    shop: Shop, key: str, clip: Path, expected: list[Pixels], tmp_path: Path
) -> None:
    over, swept = threading.Event(), []

    def sweep() -> None:
        while not over.is_set():
            shop.plane.fire("sweep")
            swept.append(True)

    job_id = begin(shop, key, clip)
    sweeper = threading.Thread(target=sweep)
    sweeper.start()
    try:
        eventually(lambda: shop.status(key, job_id)["status"] == "COMPLETED", seconds=60)
    finally:
        over.set()
        sweeper.join()
    assert len(swept) > 1
    check_completed(shop, key, job_id, expected, tmp_path)
