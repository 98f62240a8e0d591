"""Pieces of a clip, each made by whichever GPU container is free.

What they need to know of one another goes through the platform: sources and pieces over the Volume,
progress through a Dict, whether a job is still wanted through its own record.
"""

import logging
import threading
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Final, Self

import modal

from service.backends.modal.artifacts import reload
from service.errors import BackendAway
from service.jobs import Job
from service.ports import JobStore
from service.worker.remote import PieceOrder, PieceOutcome, make_piece, orders_of
from service.worker.runners import Networks, UnknownModel, Work
from service.worker.stopping import Reason, Stop

__all__ = ["MapRunner", "PieceMaker"]

_log = logging.getLogger(__name__)

_TELL_SECONDS: Final = 1.0
_AT_ONCE: Final = 16  # entries that are read or removed at once


class MapRunner:
    """A `SegmentRunner` that hands every piece to the platform, and waits for all of them."""

    def __init__(  # noqa: PLR0913 (what the platform has)
        self,
        job: Job,
        *,
        make: Callable[..., Any],
        volume: modal.Volume,
        progress: modal.Dict,
        megapixels: float,
        models: Collection[str],
    ) -> None:
        """Take the job, and what the platform has.

        Args:
            job: As it was claimed.
            make: `Function.map` of what makes a `PieceOrder` into a `MadeSegment` or a FilmError.
            volume: Where source and pieces lie.
            progress: Where pieces tell how far they are.
            megapixels: Most that all output frames of a piece have together.
            models: Weights that are in the makers' image.
        """
        assert job.claim is not None, "only a claimed job has pieces"
        self._job_id, self._attempt = job.job_id, job.claim.attempt
        self._make = make
        self._volume = volume
        self._progress = progress
        self._pixels = megapixels * 1e6
        self._models = models

    def check(self, model: str | None) -> None:
        """Let the name of a model pass that is in the makers' image, and None.

        Raises:
            UnknownModel: If it is neither.
        """
        if model is not None and model not in self._models:
            raise UnknownModel

    def most_frames(self, pixels: int) -> int:
        """Give the most output frames of a piece, where frames have so many pixels."""
        return max(1, int(self._pixels / pixels))

    def run(self, work: Work) -> list[Any]:
        """Have all pieces made, in the order of the segments; their files can be read here afterwards.

        Raises:
            Stopped: As soon as `work.stop` says so.
            FilmError: If a piece can't be made.
        """
        orders = orders_of(work, self._job_id, self._attempt)
        self._volume.commit()  # the source; the containers see it once they reload
        counter = _Counter(orders, self._progress, work)
        try:
            with counter:
                made = self._gather(orders, work)
        finally:
            counter.forget()
        reload(self._volume)  # the pieces
        return made

    def _gather(self, orders: list[PieceOrder], work: Work) -> list[Any]:
        outcomes: list[PieceOutcome] = []
        for outcome in self._make(orders, order_outputs=True):
            work.stop.check()
            outcomes.append(outcome)
            if sum(each.size_bytes for each in outcomes) > work.most_bytes:
                work.stop.request(Reason.TOO_LARGE)
                work.stop.check()
        return [outcome.take() for outcome in outcomes]


class _Counter:
    """Sums up what pieces tell of their progress. A piece that is made again begins at 0 again."""

    def __init__(self, orders: list[PieceOrder], progress: modal.Dict, work: Work) -> None:
        self._orders = orders
        self._progress = progress
        self._work = work
        self._told = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pieces", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def forget(self) -> None:
        """Remove what was told. What can't be removed now is swept later."""
        with suppress(modal.exception.Error, OSError), ThreadPoolExecutor(_AT_ONCE) as threads:
            list(threads.map(lambda order: self._progress.pop(order.key, None), self._orders))

    def _run(self) -> None:
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            while not self._over.wait(_TELL_SECONDS):
                try:
                    done = sum(threads.map(lambda order: self._progress.get(order.key, 0), self._orders))
                except (modal.exception.Error, OSError):
                    _log.warning("no progress to be had", exc_info=True)
                    continue
                self._work.on_frames(done - self._told)
                self._told = done


class PieceMaker:
    """Makes pieces in a container, one at a time, with networks that stay loaded."""

    def __init__(
        self,
        networks: Networks,
        *,
        jobs: JobStore,
        volume: modal.Volume,
        progress: modal.Dict,
        worker: str,
    ) -> None:
        """Take what the platform has, and this container's name for the log."""
        self._networks = networks
        self._jobs = jobs
        self._volume = volume
        self._progress = progress
        self._worker = worker

    def make(self, order: PieceOrder) -> PieceOutcome:
        """Make a piece and commit it. What is raised is the platform's to repeat, in another container."""
        reload(self._volume)  # the source
        stop = Stop()
        with _Teller(order, self._jobs, self._progress, stop) as teller:
            outcome = make_piece(order, self._networks, stop=stop, on_frame=teller.count)
        self._volume.commit()
        frames = outcome.made.frames if outcome.made else 0
        extra = {"job": order.job_id, "piece": order.number, "frames": frames, "worker": self._worker}
        _log.info("piece made" if frames else "piece not made", extra=extra)
        return outcome


class _Teller:
    """Tells how far a piece is, and learns whether it is still wanted."""

    def __init__(self, order: PieceOrder, jobs: JobStore, progress: modal.Dict, stop: Stop) -> None:
        self._order = order
        self._jobs = jobs
        self._progress = progress
        self._stop = stop
        self._frames = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="teller", daemon=True)

    def count(self) -> None:
        """Count a frame; stop where the piece isn't wanted any more."""
        self._frames += 1
        self._stop.check()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._tell()

    def _run(self) -> None:
        while not self._over.wait(_TELL_SECONDS):
            self._tell()
            try:
                job = self._jobs.get(self._order.job_id)
            except BackendAway:
                continue  # the next look may do better
            if job is None or job.outcome is not None or job.claim is None or job.claim.attempt != self._order.attempt:
                self._stop.request(Reason.NOT_OURS)

    def _tell(self) -> None:
        try:
            self._progress.put(self._order.key, self._frames)
        except (modal.exception.Error, OSError):
            _log.warning("progress not told", extra={"job": self._order.job_id}, exc_info=True)
