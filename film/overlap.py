"""Two threads that keep the network busy: one reads ahead, one writes behind.

Both pass items through a bounded queue, so that no more than a few are ever held, and hand
an error of theirs to the thread that uses them. Leaving early doesn't wait for what reads or
writes: whoever knows how to end that says so with `stop`.
"""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Generic, Self, TypeVar

__all__ = ["ReadAhead", "WriteBehind"]

T = TypeVar("T")

# How often a thread that waits for the queue looks whether it is still wanted, in seconds.
_GLANCE_SECONDS = 0.1


class ReadAhead(Generic[T]):
    """Iterates in a thread of its own, up to `size` items ahead; a context manager and an iterator."""

    def __init__(self, items: Iterable[T], *, size: int, stop: Callable[[], None] | None = None) -> None:
        """Say what to read.

        Args:
            items: Which only the thread uses until the context ends.
            size: How many items may wait; one more may be in the thread's hands.
            stop: Makes `items` end or fail at once, though an item is being waited for. Called in the thread
                that leaves the context, several times if need be, and only while the other one still reads.
        """
        self._items = items
        self._stop = stop
        self._queue: queue.Queue[T | _End] = queue.Queue(size)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._read, name="read-ahead", daemon=True)

    def __enter__(self) -> Self:
        """Start reading."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop reading: at once where `stop` does that, else when the item being read is there."""
        self._stopped.set()
        stop = self._stop
        if stop is None:
            self._thread.join()
            return
        while self._thread.is_alive():
            # Once may be too early: what ended could be begun anew before the thread noticed.
            stop()
            self._thread.join(_GLANCE_SECONDS)

    def __iter__(self) -> Iterator[T]:
        """Give the items in order.

        Raises:
            BaseException: What reading raised, in its place.
        """
        while True:
            item = self._queue.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item

    def _read(self) -> None:
        end = _End(None)
        try:
            for item in self._items:
                if not self._put(item):
                    return
        except BaseException as error:  # noqa: BLE001 (raised again where the items are used)
            end = _End(error)
        self._put(end)

    def _put(self, item: "T | _End") -> bool:
        while not self._stopped.is_set():
            try:
                self._queue.put(item, timeout=_GLANCE_SECONDS)
            except queue.Full:
                continue
            return True
        return False


class WriteBehind(Generic[T]):
    """Calls a function for each item in a thread of its own, up to `size` items behind; a context manager."""

    def __init__(self, write: Callable[[T], None], *, size: int, stop: Callable[[], None] | None = None) -> None:
        """Say how to write.

        Args:
            write: Writes one item; only the thread calls it until the context ends.
            size: How many items may wait; one more may be in the thread's hands.
            stop: Makes a `write` that is under way fail at once. Called, where the context ends in an error,
                in the thread that leaves it.
        """
        self._write = write
        self._stop = stop
        self._queue: queue.Queue[T | _End] = queue.Queue(size)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._drain, name="write-behind", daemon=True)

    def __enter__(self) -> Self:
        """Start writing."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish what was put, or drop it when the context ends in an error; raise what writing raised."""
        if error is not None:
            self._give_up(error)
            return
        try:
            self._finish()
        except BaseException as interruption:  # Ctrl-C, while the rest was being written
            self._give_up(interruption)
            raise
        if self._error is not None:
            raise self._error

    def put(self, item: T) -> None:
        """Hand over an item; waits while `size` are still to be written.

        Raises:
            BaseException: What writing an earlier item raised.
        """
        if self._error is not None:
            raise self._error
        self._queue.put(item)

    def _finish(self) -> None:
        self._queue.put(_End(None))
        self._thread.join()

    def _give_up(self, error: BaseException) -> None:
        self._error = error  # the rest is not written
        if self._stop is not None:
            self._stop()
        self._finish()

    def _drain(self) -> None:
        # After an error the queue is still emptied, so that nobody waits for room in it forever.
        while not isinstance(item := self._queue.get(), _End):
            if self._error is None:
                try:
                    self._write(item)
                except BaseException as error:  # noqa: BLE001 (raised again where items are put)
                    self._error = error


class _End:
    """The end of a queue, and the error that it ended with."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error
