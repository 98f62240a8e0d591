"""A job from its claim to its end: what comes out, what it costs, how it fails, how it is stopped."""

import base64
import logging
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import film.errors
from film.video import probe
from service.accounts import Caller
from service.bootstrap import open_shop
from service.errors import InternalError, SourceRefused, SourceUnavailable
from service.jobs import Job, Options, Outcome, Result, State, price_of
from service.settings import Settings
from service.shop import Shop
from service.worker import FAILURES, Fetch, LocalRunner, Networks, Reason, Stop, Worker, failure_of, run_job
from service.worker.planning import result_name
from tests.clips import numbered, tone
from tests.service.server import wait_until
from tests.service.stub import Slow

PRICE = Decimal("0.01")


class FromDisk:
    """A fetcher for tests: copies a file, or fails."""

    def __init__(self, source: Path | None = None, error: Exception | None = None) -> None:
        self.source, self.error = source, error

    def fetch(self, url: str, target: Path, *, stopped: Callable[[], bool]) -> int:
        assert url
        assert not stopped()
        if self.error is not None:
            raise self.error
        assert self.source is not None
        return target.write_bytes(self.source.read_bytes())


class House:
    """A shop on SQLite, a caller with credits, and a worker's tools."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder / "data"
        self.shop: Shop = open_shop(Settings(data_dir=self.folder, **settings))
        key, _ = self.shop.access.create_key("acme", credits=Decimal(10))
        self.caller: Caller = self.shop.access.authenticate(key)
        self.network = Slow()

    def order(self, **changed: Any) -> Job:
        # Numbered frames are so unlike one another that many would be taken for cuts.
        defaults = {"frame_multiplier": 2, "output_fps": 50, "scene_detection": False}
        options = {"input_video": "https://example.com/clip.mp4"} | defaults | changed
        self.shop.orders.submit(self.caller, Options(**options))
        job = self.shop.runs.take_next("worker")
        assert job is not None
        return job

    def run(self, job: Job, fetcher: Fetch, stop: Stop | None = None) -> Outcome | None:
        runner = LocalRunner(Networks(lambda _: self.network))
        run_job(job, shop=self.shop, fetcher=fetcher, runner=runner, stop=stop)
        return self.outcome(job)

    def outcome(self, job: Job) -> Outcome | None:
        found = self.shop.jobs.get(job.job_id)
        assert found is not None
        return found.outcome

    def failure(self, source: Path | None = None, error: Exception | None = None, **changed: Any) -> tuple[str, str]:
        """Run an order that fails, and give what the caller is told; nothing is left of it, and nothing was taken."""
        outcome = self.run(self.order(**changed), FromDisk(source, error))
        assert outcome is not None
        assert outcome.failure is not None
        assert self.shop.ledger.balance("acme") == 10
        assert self.left() == []
        return outcome.failure.code, outcome.failure.message

    def left(self) -> list[Path]:
        return [path for place in ("work", "incoming", "kept") for path in (self.folder / "files" / place).rglob("*")]


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return numbered(tmp_path_factory.mktemp("clips") / "clip.mp4", frames=8, sound=tone(0.32))


def made(outcome: Outcome | None) -> Result:
    assert outcome is not None
    assert outcome.result is not None, outcome.failure
    return outcome.result


# What comes out


def test_a_job_becomes_a_clip_and_is_paid_for(house: House, clip: Path) -> None:
    job = house.order(input_video="https://example.com/My%20clip.v2.mp4?token=1")
    result = made(house.run(job, FromDisk(clip)))
    assert (result.frames, result.made, result.fps, result.width, result.height) == (16, 7, 50.0, 64, 48)
    assert result.artifact == f"results/{job.job_id}/1/My-clip-v2.mp4"
    found = probe(house.shop.artifacts.path(result.artifact))
    assert (found.frame_count, len(found.audio)) == (16, 1)
    cost = price_of(width=64, height=48, made=7, per_megapixel=PRICE)
    assert house.shop.ledger.balance("acme") == 10 - cost
    assert [path.name for path in house.left() if path.is_file()] == ["My-clip-v2.mp4"]


def test_only_frames_that_were_really_made_are_paid(house: House, tmp_path: Path) -> None:
    still = numbered(tmp_path / "still.mp4", "-vf", "loop=8:1:0,trim=end_frame=8", "-c:v", "libx264", "-qp", "0")
    outcome = house.run(house.order(), FromDisk(still))
    assert made(outcome).made == 0
    assert outcome is not None
    assert outcome.cost == 0
    assert house.shop.ledger.balance("acme") == 10


def test_a_clip_that_lies_here_already_is_not_fetched(house: House, clip: Path) -> None:
    text = base64.b64encode(clip.read_bytes()).decode()
    job = house.order(input_video=f"data:video/mp4;base64,{text}", preserve_audio=False)
    result = made(house.run(job, FromDisk(error=AssertionError())))
    assert result.artifact.endswith("/video.mp4")
    assert not probe(house.shop.artifacts.path(result.artifact)).audio
    assert list(house.shop.artifacts.names("sources")) == []


def test_the_bundled_network_makes_frames_of_its_own(house: House, clip: Path) -> None:
    runner = LocalRunner(Networks.of_film(memory_bytes=1 << 30))
    job = house.order(model="compact")
    run_job(job, shop=house.shop, fetcher=FromDisk(clip), runner=runner)
    assert made(house.outcome(job)).made == 7


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("https://a/b/clip.mov", "clip.mp4"),
        ("https://a/", "video.mp4"),
        ("https://a/..%2F..%2Fx", "x.mp4"),
        ("https://a/.mp4", "mp4.mp4"),
        ("https://a/%E2%82%AC.mp4", "video.mp4"),
        ("artifact:uploads/x/source.mp4", "video.mp4"),
        ("https://a/" + "x" * 300, "x" * 60 + ".mp4"),
    ],
)
def test_a_result_is_called_after_its_source(source: str, name: str) -> None:
    assert result_name(source) == name


# Limits and price


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"max_source_seconds": 0.3}, "source_too_large"),
        ({"max_source_pixels": 64 * 48 - 1}, "source_too_large"),
        ({"max_source_bytes": 100}, "source_too_large"),
        ({"max_output_frames": 15}, "output_too_large"),
        ({"max_output_bytes": 100}, "output_too_large"),
        ({"max_output_bytes": 1000}, "output_too_large"),  # found out only when it is made
    ],
)
def test_what_is_beyond_a_limit_fails(settings: dict[str, Any], code: str, tmp_path: Path, clip: Path) -> None:
    assert House(tmp_path, **settings).failure(clip)[0] == code


def test_a_price_beyond_the_balance_fails_before_any_frame_is_made(tmp_path: Path, clip: Path) -> None:
    house = House(tmp_path, price_per_megapixel=Decimal(1000))
    house.network.seconds = 1e9
    code, message = house.failure(clip)
    assert code == "insufficient_credits"
    assert message.startswith("insufficient credits: needs 21.504")


def test_a_job_may_not_run_longer_than_allowed(tmp_path: Path, clip: Path) -> None:
    house = House(tmp_path, job_seconds=1)
    house.network.seconds = 0.5
    assert house.failure(clip)[0] == "took_too_long"


# Failures


def test_every_error_of_the_library_has_its_place_in_the_table() -> None:
    named = {getattr(film.errors, name) for name in film.errors.__all__}
    assert set(FAILURES) == named


def test_sources_that_are_none_are_called_what_they_are(house: House, tmp_path: Path, clip: Path) -> None:
    text, broken, sound, one = (tmp_path / name for name in ("a.txt", "b.mp4", "c.mp4", "d.mp4"))
    text.write_text("no video at all", encoding="utf-8")
    broken.write_bytes(clip.read_bytes()[: len(clip.read_bytes()) // 2])
    numbered(sound, "-map", "1:a", frames=2, sound=tone(0.2))
    numbered(one, frames=1)
    found = {path.name: house.failure(path) for path in (text, broken, sound, one)}
    codes = {name: code for name, (code, _) in found.items()}
    assert codes["a.txt"] == "not_a_video"
    assert codes["b.mp4"] == "source_broken"
    assert codes["c.mp4"] == "no_video_stream"
    assert codes["d.mp4"] == "too_few_frames"
    for _, message in found.values():
        assert str(tmp_path) not in message
        assert "input_video" in message or "the source" in message


@pytest.mark.parametrize("error", [SourceRefused(), SourceUnavailable("input_video can't be fetched: 404")])
def test_what_fetching_says_is_passed_on(house: House, error: SourceRefused) -> None:
    assert house.failure(error=error) == (error.code, str(error))


def test_what_nobody_expected_is_our_fault_and_told_to_the_log_only(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        assert house.failure(error=RuntimeError("a secret")) == ("internal_error", str(InternalError()))
    assert "a secret" in caplog.text


@pytest.mark.parametrize("name", ["none-of-that-name", "../../etc/passwd", "x.safetensors", "style"])
def test_a_model_that_is_not_installed_is_unknown(house: House, clip: Path, name: str) -> None:
    code, message = house.failure(clip, model=name)
    assert code == "unknown_model"
    assert name not in message


def test_no_path_of_ours_is_in_any_message(tmp_path: Path) -> None:
    source = tmp_path / "job" / "source"
    for kind in FAILURES:
        message = failure_of(kind(f"{source} and {tmp_path}/job/piece are bad"), paths=(source, source.parent)).message
        assert str(tmp_path) not in message
        assert "\n" not in message


# Stopping


@pytest.fixture
def slow(house: House) -> Iterator[House]:
    house.network.seconds = 0.3
    yield house
    assert [path for path in house.left() if path.is_relative_to(house.folder / "files" / "work")] == []


def later(seconds: float, do: Callable[[], object]) -> None:
    threading.Timer(seconds, do).start()


def test_a_cancelled_job_stops_within_seconds(slow: House, clip: Path) -> None:
    job = slow.order(frame_multiplier=10)
    later(0.5, lambda: slow.shop.orders.cancel(slow.caller, job.job_id))
    started = time.monotonic()
    outcome = slow.run(job, FromDisk(clip))
    assert time.monotonic() - started < 4
    assert outcome is not None
    assert outcome.failure is not None
    assert outcome.failure.code == "cancelled"
    assert slow.shop.ledger.balance("acme") == 10


def test_what_blocks_is_interrupted(slow: House) -> None:
    class Hanging:
        def fetch(self, url: str, target: Path, *, stopped: Callable[[], bool]) -> int:
            del url, target, stopped
            time.sleep(60)
            return 0

    stop = Stop()
    later(0.3, lambda: stop.request(Reason.TOO_LONG))
    started = time.monotonic()
    outcome = slow.run(slow.order(), Hanging(), stop)
    assert time.monotonic() - started < 5
    assert outcome is not None
    assert outcome.failure is not None
    assert outcome.failure.code == "took_too_long"


def test_a_job_that_is_handed_back_is_begun_again_at_once(slow: House, clip: Path) -> None:
    job = slow.order(frame_multiplier=10)
    stop = Stop()
    later(0.5, lambda: stop.request(Reason.HAND_BACK))
    assert slow.run(job, FromDisk(clip), stop) is None
    again = slow.shop.runs.take_next("another")
    assert again is not None
    assert again.claim is not None
    assert (again.claim.attempt, again.claim.lost) == (2, 0)


def test_a_job_that_others_have_taken_over_is_let_go(slow: House, clip: Path) -> None:
    job = slow.order(frame_multiplier=10)
    assert job.claim is not None
    taken = job.next_claim("another", slow.shop.clock())
    later(0.5, lambda: slow.shop.jobs.claim(job.job_id, taken))
    assert slow.run(job, FromDisk(clip)) is None


def test_stopping_works_in_other_threads_too(slow: House, clip: Path) -> None:
    job = slow.order(frame_multiplier=10)
    stop = Stop()
    thread = threading.Thread(target=slow.run, args=(job, FromDisk(clip), stop))
    thread.start()
    time.sleep(0.5)
    stop.request(Reason.TOO_LONG)
    thread.join(5)
    assert not thread.is_alive()
    outcome = slow.outcome(job)
    assert outcome is not None
    assert outcome.state is State.FAILED


# A worker


def test_a_worker_does_what_there_is_and_signs_the_roster(house: House, clip: Path) -> None:
    house.shop.orders.submit(
        house.caller, Options(input_video="https://example.com/a.mp4", frame_multiplier=2, output_fps=50)
    )
    (house.folder / "files" / "work" / "gone" / "1").mkdir(parents=True)
    worker = Worker(house.shop, FromDisk(clip), LocalRunner(Networks(lambda _: house.network)))
    alive = []

    def watch() -> None:
        wait_until(
            lambda: house.shop.index.census(house.shop.clock(), house.shop.runs.rules.lease).by_state["COMPLETED"] == 1
        )
        wait_until(lambda: house.shop.roster.alive(house.shop.clock() - house.shop.runs.rules.lease) == 1)
        alive.append(worker.name)
        worker.end(within_seconds=0)

    watcher = threading.Thread(target=watch)
    watcher.start()
    worker.run()
    watcher.join()
    assert alive
    assert house.shop.roster.alive(house.shop.clock() - house.shop.runs.rules.lease) == 0
    assert not (house.folder / "files" / "work" / "gone").exists()
