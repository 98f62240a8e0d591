"""Who makes the pieces of a clip: here, in this process; on a platform, many machines at once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from film.errors import UnknownModel
from film.segments import Between, MadeSegment, Recipe, Segment, make_segment
from film.weights import WeightSet, entries, find
from service.worker.stopping import Reason, Stop

__all__ = [
    "LocalRunner",
    "Networks",
    "SegmentRunner",
    "UnknownModel",
    "WeightSet",
    "Work",
    "check_model",
    "read_weights",
]

_MOST_LOADED = 2  # networks kept in memory: the default, and the one that was asked for last


@dataclass(frozen=True, kw_only=True)
class Work:
    """The pieces that are to be made of one clip.

    Attributes:
        recipe: What is to become of the clip.
        segments: Its parts, in order.
        folder: Where the pieces go: the attempt's workspace, with the source in it or not.
        model: A weight set's name; None for the best there is.
        most_bytes: More than this all pieces together may not have.
        stop: Asked between frames whether to go on.
        on_frames: Told how many output frames were made since it was last told.
    """

    recipe: Recipe
    segments: Sequence[Segment]
    folder: Path
    model: str | None
    most_bytes: int
    stop: Stop
    on_frames: Callable[[int], None]


class SegmentRunner(Protocol):
    """Makes pieces."""

    def check(self, model: str | None) -> None:
        """Let the name of a model pass that pieces can be made with; None is the default.

        Raises:
            UnknownModel: If there is none of that name.
        """
        ...

    def most_frames(self, pixels: int) -> int | None:
        """Give the most output frames of a piece whose frames have so many pixels; None where a clip is made in one."""
        ...

    def run(self, work: Work) -> list[MadeSegment]:
        """Make all pieces, in the order of the segments; their files can be read here afterwards.

        Raises:
            Stopped: As soon as `work.stop` says so, at the latest after the next frame or piece.
            FilmError: If a piece can't be made.
        """
        ...


class Networks:
    """Networks by the names of their weights, loaded once."""

    def __init__(self, load: Callable[[str | None], Between]) -> None:
        """Take what loads one by its name, None for the best there is."""
        self._load = load
        self._loaded: dict[str | None, Between] = {}

    @classmethod
    def of_film(
        cls, *, memory_bytes: int, weights: Mapping[str | None, WeightSet] = MappingProxyType({})
    ) -> "Networks":
        """Give FILM's networks, each of which may use so much memory.

        Args:
            memory_bytes: See `film.Interpolator`.
            weights: Those that are in memory already, by the names that they are asked for by.
        """

        def load(model: str | None) -> Between:
            from film.interpolator import Interpolator

            check_model(model)
            return Interpolator(weights.get(model, model), memory_bytes=memory_bytes)

        return cls(load)

    def get(self, model: str | None) -> Between:
        """Give a network; the one that wasn't used for longest makes room.

        Raises:
            UnknownModel: If there is none of that name.
            WeightsError: If it can't be loaded.
        """
        network = self._loaded.pop(model, None) or self._load(model)
        while len(self._loaded) >= _MOST_LOADED:
            del self._loaded[next(iter(self._loaded))]
        self._loaded[model] = network
        return network


class LocalRunner:
    """Makes a clip in one piece, with a network in this process."""

    def __init__(self, networks: Networks) -> None:
        """Take the networks."""
        self._networks = networks

    def check(self, model: str | None) -> None:
        """Let the name of installed weights pass, and None.

        Raises:
            UnknownModel: If it is neither.
        """
        check_model(model)

    def most_frames(self, pixels: int) -> None:
        """Give None: one process makes no clip sooner in pieces."""

    def run(self, work: Work) -> list[MadeSegment]:
        """Make all pieces, one after the other."""
        network = self._networks.get(work.model)
        made: list[MadeSegment] = []
        finished_bytes = 0
        for number, segment in enumerate(work.segments):
            piece = work.folder / f"piece-{number:05d}.mp4"
            made.append(
                make_segment(
                    work.recipe, segment, piece, interpolator=network, on_frame=_watch(work, piece, finished_bytes)
                )
            )
            finished_bytes += piece.stat().st_size
        forget = getattr(network, "forget", None)
        if forget is not None:
            forget()  # one caller's pictures aren't kept while the next one's are made
        return made


def read_weights(model: str | None) -> WeightSet:
    """Read weights without TensorFlow, and load that without using it: what a snapshot of memory may hold.

    Raises:
        UnknownModel: If there are none of that name.
        WeightsError: If they can't be read.
    """
    import film.interpolator  # noqa: F401 (it takes seconds, and no device is touched)

    return find(model)


def check_model(model: str | None) -> None:
    """Let the name of installed weights pass, and None; never a path.

    Raises:
        UnknownModel: If it is neither.
    """
    if model is not None and not any(entry.name == model and entry.installed for entry in entries()):
        raise UnknownModel


def _watch(work: Work, piece: Path, before_bytes: int) -> Callable[[], None]:
    """Make what is called after each frame of a piece, before which others took so many bytes."""

    def watch() -> None:
        work.on_frames(1)
        written = piece.stat().st_size if piece.exists() else 0  # the encoder makes it with its first packets
        if before_bytes + written > work.most_bytes:
            work.stop.request(Reason.TOO_LARGE)
        work.stop.check()

    return watch
