"""Batches, made in processes of their own so that rendering overlaps learning."""

import multiprocessing
import queue
from collections.abc import Iterator, Sequence
from multiprocessing.context import SpawnProcess
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from film.errors import TrainingError
from film.search import inverse_search, luma
from film.training.render import Renderer
from film.training.textures import Textures, load

__all__ = ["Batch", "Feed", "draw"]

# Batches waiting: enough to ride out a slow one, few enough to cost no memory to speak of.
_WAITING = 8
# How often a waiting consumer looks whether the producers still live, in seconds.
_PATIENCE_SECONDS = 2.0


class Batch(NamedTuple):
    """Triplets together.

    `frames`: `(B, 3, S, S, 3)` uint8: first, middle, second. `instants`: `(B,)` float32 in (0, 1). `motions`:
    `(B, S, S, 4)` float16 as in `Triplet`, pixels; all zero where `known`, `(B,)` float32, is 0 rather than 1.
    `found`: what `film.search` finds between the first and second frames, `(2B, S, S, 2)` float16: it can't be part of
    a compiled step, and costs the processes that render less than the one that learns.
    """

    frames: NDArray[np.uint8]
    instants: NDArray[np.float32]
    motions: NDArray[np.float16]
    known: NDArray[np.float32]
    found: NDArray[np.float16]


def draw(textures: Textures, *, size: int, batch: int, seed: int) -> Iterator[Batch]:
    """Render batches without end; the same arguments give the same ones."""
    renderer = Renderer(textures, size=size, seed=seed)
    unknown = np.zeros((size, size, 4), np.float32)
    while True:
        triplets = [renderer.triplet() for _ in range(batch)]
        frames = np.stack([np.stack(triplet[:3]) for triplet in triplets])
        first = np.stack([luma(triplet.first) for triplet in triplets])
        second = np.stack([luma(triplet.second) for triplet in triplets])
        yield Batch(
            frames,
            np.array([triplet.instant for triplet in triplets], np.float32),
            np.stack([unknown if triplet.motion is None else triplet.motion for triplet in triplets]).astype(
                np.float16
            ),
            np.array([triplet.motion is not None for triplet in triplets], np.float32),
            inverse_search(first, second).astype(np.float16),
        )


class Feed:
    """Rendered batches from other processes; a context manager and an endless iterator.

    Every producer holds the textures once more, so `producers` multiplies their memory.
    """

    def __init__(self, directories: Sequence[Path], *, size: int, batch: int, seed: int, producers: int = 1) -> None:
        """Render `size`×`size` crops of what lies in `directories`, `batch` at a time."""
        context = multiprocessing.get_context("spawn")  # TensorFlow's threads don't survive a fork
        self._queue: multiprocessing.Queue[Batch | str] = context.Queue(_WAITING)
        self._processes: list[SpawnProcess] = [
            context.Process(
                target=_produce, args=(self._queue, tuple(directories), size, batch, seed + index), daemon=True
            )
            for index in range(producers)
        ]

    def __enter__(self) -> Self:
        """Start the producers."""
        for process in self._processes:
            process.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the producers."""
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.join()
        self._queue.cancel_join_thread()
        self._queue.close()

    def __iter__(self) -> Self:
        """Give itself: the batches never end."""
        return self

    def __next__(self) -> Batch:
        """Wait for the next batch.

        Raises:
            TrainingError: If a producer failed or died.
        """
        while True:
            try:
                batch = self._queue.get(timeout=_PATIENCE_SECONDS)
            except queue.Empty:
                if any(not process.is_alive() for process in self._processes):
                    raise TrainingError("a process that renders training pictures died; is memory short?") from None
                continue
            if isinstance(batch, str):
                raise TrainingError(batch)
            return batch


def _produce(
    batches: "multiprocessing.Queue[Batch | str]", directories: Sequence[Path], size: int, batch: int, seed: int
) -> None:
    cv2.setNumThreads(1)  # the other core learns
    try:
        for item in draw(load(directories).training(), size=size, batch=batch, seed=seed):
            _hand_over(batches, item)
    except TrainingError as error:
        _hand_over(batches, str(error))
    except KeyboardInterrupt:
        pass  # the terminal tells the whole process group; the parent says what there is to say


def _hand_over(batches: "multiprocessing.Queue[Batch | str]", item: Batch | str) -> None:
    """Wait for room in the queue, but not for a consumer that was killed and can't say so."""
    parent = multiprocessing.parent_process()
    while True:
        try:
            batches.put(item, timeout=_PATIENCE_SECONDS)
        except queue.Full:
            if parent is not None and not parent.is_alive():
                batches.cancel_join_thread()
                raise SystemExit(1) from None
            continue
        return
