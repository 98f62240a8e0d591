"""A piece of a clip as it travels to whoever makes it, and back."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from film.errors import FilmError
from film.segments import MadeSegment, Recipe, Segment, make_segment
from service.worker.runners import Networks, Work
from service.worker.stopping import Reason, Stop, Stopped

__all__ = ["PieceOrder", "PieceOutcome", "make_piece", "orders_of"]


@dataclass(frozen=True, kw_only=True)
class PieceOrder:
    """What to make.

    Attributes:
        job_id: Whose piece it is.
        attempt: Which of the job's attempts wants it.
        number: Among the pieces, from 0.
        recipe: What is to become of the clip; its source lies where every maker can read it.
        segment: Which part of it.
        path: Where the piece goes; the same for everybody.
        model: A weight set's name; None for the best there is.
    """

    job_id: str
    attempt: int
    number: int
    recipe: Recipe
    segment: Segment
    path: Path
    model: str | None

    @property
    def key(self) -> str:
        """Under which its progress is told."""
        return f"{self.job_id}/{self.attempt}/{self.number}"


@dataclass(frozen=True, kw_only=True)
class PieceOutcome:
    """What came of it: a piece of so many bytes, or why it can't be made, by anybody; nothing where it was stopped."""

    made: MadeSegment | None = None
    size_bytes: int = 0
    error: FilmError | None = None

    def take(self) -> MadeSegment:
        """Give the piece.

        Raises:
            FilmError: If it can't be made.
            Stopped: If it wasn't wanted any more.
        """
        if self.error is not None:
            raise self.error
        if self.made is None:
            raise Stopped(Reason.NOT_OURS)
        return self.made


def orders_of(work: Work, job_id: str, attempt: int) -> list[PieceOrder]:
    """Give the orders of all pieces of some work, in their order."""
    return [
        PieceOrder(
            job_id=job_id,
            attempt=attempt,
            number=number,
            recipe=work.recipe,
            segment=segment,
            path=work.folder / f"piece-{number:05d}.mp4",
            model=work.model,
        )
        for number, segment in enumerate(work.segments)
    ]


def make_piece(order: PieceOrder, networks: Networks, *, stop: Stop, on_frame: Callable[[], None]) -> PieceOutcome:
    """Make a piece. What can't be made, or isn't wanted any more, is an outcome: made again it would be the same."""
    order.path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with stop.interruptible():
            network = networks.get(order.model)
            made = make_segment(order.recipe, order.segment, order.path, interpolator=network, on_frame=on_frame)
    except FilmError as error:
        return PieceOutcome(error=error)
    except Stopped:
        return PieceOutcome()
    return PieceOutcome(made=made, size_bytes=order.path.stat().st_size)
