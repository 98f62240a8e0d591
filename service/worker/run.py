"""One job, from its claim to its end."""

import logging
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from film.segments import MadeSegment, Segment, plan_segments
from film.video import join, probe
from service.errors import BackendAway, OutputTooLarge, SourceTooLarge, TookTooLong
from service.intake import ARTIFACT
from service.jobs import Failure, Job, Result, price_of
from service.shop import Shop
from service.worker.failures import INTERNAL, failure_of
from service.worker.heart import Heart
from service.worker.planning import Plan, plan, result_name
from service.worker.runners import SegmentRunner, Work
from service.worker.stopping import Reason, Stop, Stopped

__all__ = ["Fetch", "run_job"]

_log = logging.getLogger(__name__)

T = TypeVar("T")

_PAUSE_SECONDS = 1.0  # before a backend that was away is asked again


class Fetch(Protocol):
    """Gets a source; `service.fetch.Fetcher` does."""

    def fetch(self, url: str, target: Path, *, stopped: Callable[[], bool]) -> int:
        """Write what is at `url` to `target` and give its size in bytes; JobError where that can't be."""
        ...


def run_job(job: Job, *, shop: Shop, fetcher: Fetch, runner: SegmentRunner, stop: Stop | None = None) -> None:
    """Do a claimed job, and end it: exactly once, whatever happens. Never raises.

    Args:
        job: As `Runs.take` gave it.
        shop: Where it is from.
        fetcher: Gets its source where that is at an address.
        runner: Makes the pieces.
        stop: By which others may stop it.
    """
    stop = stop or Stop()
    assert job.claim is not None, "a job is claimed before it is run"
    paths = [Path()]  # where the source lies; for what is never to be said
    try:
        with (
            shop.artifacts.workspace(job.job_id, job.claim.attempt) as folder,
            Heart(shop.runs, job, stop, most_seconds=shop.settings.job_seconds, clock=shop.clock) as heart,
        ):
            _Run(job, shop, heart, stop, paths).make(folder, fetcher, runner)
    except Stopped as stopped:
        _settle(shop, job, partial(_end_stopped, shop, job, stopped.reason))
    except Exception as error:  # noqa: BLE001 (a job has an end, whatever happened)
        reason = stop.reason
        if reason is not None:  # whatever broke, broke because the work was stopped
            _settle(shop, job, lambda: _end_stopped(shop, job, reason))
            return
        failure = failure_of(error, paths=tuple(paths[1:]))
        if failure == INTERNAL:
            _log.error("the work failed", extra={"job": job.job_id}, exc_info=error)
        _settle(shop, job, lambda: _fail(shop, job, failure))


class _Run:
    """The steps of one attempt."""

    def __init__(self, job: Job, shop: Shop, heart: Heart, stop: Stop, paths: list[Path]) -> None:
        self._job = job
        self._options = job.order.options
        self._shop = shop
        self._heart = heart
        self._stop = stop
        self._paths = paths

    def make(self, folder: Path, fetcher: Fetch, runner: SegmentRunner) -> None:
        """Make the result, and end the job with it."""
        runner.check(self._options.model)
        with self._stop.interruptible():
            clip = probe(self._source(folder, fetcher), max_pixels=self._shop.settings.max_source_pixels)
            planned = plan(clip, self._options, self._shop.settings)
        _insist(self._shop, lambda: self._shop.runs.price(self._job, planned.price))
        _log.info("priced", extra={"job": self._job.job_id, "credits": str(planned.price)})
        self._heart.begin(planned.recipe.retiming.output_frame_count)
        target = folder / "result.mp4"
        with self._stop.interruptible():
            made = runner.run(self._work(planned, folder, runner))
            rate = planned.recipe.retiming.rate
            join([piece.path for piece in made], target, rate=rate, sound=planned.sound, source=clip)
        if target.stat().st_size > self._shop.settings.max_output_bytes:
            raise OutputTooLarge
        self._complete(planned, made, target)

    def _source(self, folder: Path, fetcher: Fetch) -> Path:
        """Give where the source can be read."""
        most = self._shop.settings.max_source_bytes
        name = self._options.input_video
        if name.startswith(ARTIFACT):
            source = self._shop.artifacts.path(name.removeprefix(ARTIFACT))
            self._paths += [source, source.parent]
        else:
            source = folder / "source"
            self._paths += [source, folder]
            fetcher.fetch(name, source, stopped=self._stop.requested)
        if source.stat().st_size > most:
            raise SourceTooLarge(f"input_video has more than {most} bytes")
        return source

    def _work(self, planned: Plan, folder: Path, runner: SegmentRunner) -> Work:
        clip, retiming = planned.recipe.clip, planned.recipe.retiming
        segments = [Segment(start=0, stop=clip.frame_count)]
        most_frames = runner.most_frames(clip.width * clip.height)
        if most_frames is not None:
            segments = plan_segments(retiming, most_frames=most_frames)
        return Work(
            recipe=planned.recipe,
            segments=segments,
            folder=folder,
            model=self._options.model or self._shop.settings.model,
            most_bytes=self._shop.settings.max_output_bytes,
            stop=self._stop,
            on_frames=self._heart.count,
        )

    def _complete(self, planned: Plan, made: list[MadeSegment], target: Path) -> None:
        """Keep the result, and end the job with it; what the network really made is paid."""
        clip, retiming = planned.recipe.clip, planned.recipe.retiming
        assert self._job.claim is not None, "checked at the beginning"
        assert self._heart.began_at is not None, "it has begun"
        name = f"results/{self._job.job_id}/{self._job.claim.attempt}/{result_name(self._options.input_video)}"
        stored = self._shop.artifacts.put(name, target)
        result = Result(
            artifact=name,
            size_bytes=stored.size_bytes,
            width=clip.width,
            height=clip.height,
            fps=float(retiming.rate),
            frames=sum(piece.frames for piece in made),
            made=sum(piece.made for piece in made),
            duration_seconds=float(retiming.output_duration),
        )
        cost = price_of(
            width=clip.width,
            height=clip.height,
            made=result.made,
            per_megapixel=self._shop.settings.price_per_megapixel,
        )
        began_at = self._heart.began_at
        _insist(
            self._shop,
            lambda: self._shop.runs.complete(self._job, result, cost=min(cost, planned.price), began_at=began_at),
        )


def _end_stopped(shop: Shop, job: Job, reason: Reason) -> None:
    """Do what a reason to stop asks for."""
    _log.info("stopped", extra={"job": job.job_id, "reason": reason.value})
    if reason is Reason.HAND_BACK:
        shop.runs.hand_back(job)
    elif reason is Reason.TOO_LONG:
        shop.runs.fail(job, TookTooLong())
    elif reason is Reason.TOO_LARGE:
        shop.runs.fail(job, OutputTooLarge())


def _fail(shop: Shop, job: Job, failure: Failure) -> None:
    """End a job badly, unless it isn't ours any more: whoever was taken for dead finds its workspace swept away."""
    found = shop.jobs.get(job.job_id)
    if found is None or found.claim == job.claim:
        shop.runs.fail(job, failure)


def _settle(shop: Shop, job: Job, do: Callable[[], object]) -> None:
    """Write a job's end. Where that can't be, the job is begun again by somebody when the lease is over."""
    try:
        _insist(shop, do)
    except Exception:  # noqa: BLE001 (the same)
        _log.exception("the end couldn't be written", extra={"job": job.job_id})


def _insist(shop: Shop, do: Callable[[], T]) -> T:
    """Do what a backend is needed for, again and again for a lease while it is away."""
    deadline = time.monotonic() + shop.runs.rules.lease.total_seconds()
    while True:
        try:
            return do()
        except BackendAway:
            if time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE_SECONDS)
