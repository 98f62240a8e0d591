"""A worker as a process: its network loaded, its signals heard, its end when nobody is left to work for."""

import os
import signal
import sys
import threading
from types import FrameType

from film.commands.loading import quiet
from service.shop import Shop
from service.worker.loop import Worker
from service.worker.run import Fetch
from service.worker.runners import LocalRunner, Networks, SegmentRunner

__all__ = ["load_runner", "run_worker"]


def load_runner(shop: Shop) -> SegmentRunner:
    """Load the network that is used where a request names none, so that no job waits for it.

    Raises:
        FilmError: If it can't be loaded.
    """
    networks = Networks.of_film(memory_bytes=shop.settings.network_memory_bytes)
    with quiet():
        networks.get(shop.settings.model)
    return LocalRunner(networks)


def run_worker(shop: Shop, fetcher: Fetch, runner: SegmentRunner) -> None:
    """Work until SIGTERM, or until standard input ends: whoever started us holds its other side.

    After the first SIGTERM the current job has `stop_seconds` to end, after the second none.
    """
    worker = Worker(shop, fetcher, runner)
    asked = 0

    def end(number: int, frame: FrameType | None) -> None:
        del number, frame
        nonlocal asked
        asked += 1
        worker.end(within_seconds=shop.settings.stop_seconds if asked == 1 else 0)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    threading.Thread(target=_listen, args=(worker,), name="starter", daemon=True).start()
    worker.run()


def _listen(worker: Worker) -> None:
    """Wait for the end of standard input."""
    while os.read(sys.stdin.fileno(), 1):  # not by sys.stdin, whose lock the end of the process would wait for
        pass
    worker.abandon()
