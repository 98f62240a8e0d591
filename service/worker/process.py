"""A worker as a process: its network loaded, its signals heard, its end when nobody is left to work for."""

import signal
from collections.abc import Callable
from types import FrameType

from film.commands.loading import quiet
from film.errors import FilmError
from service.errors import BackendAway
from service.shop import Shop
from service.worker.loop import Worker
from service.worker.run import Fetch
from service.worker.runners import LocalRunner, Networks, SegmentRunner

__all__ = ["load_runner", "run_worker"]


def load_runner(shop: Shop) -> SegmentRunner:
    """Load the network that is used where a request names none, so that no job waits for it.

    Raises:
        BackendAway: If it can't be loaded.
    """
    networks = Networks.of_film(memory_bytes=shop.settings.network_memory_bytes)
    try:
        with quiet():
            networks.get(shop.settings.model)
    except FilmError as error:
        raise BackendAway(
            f"the network ({shop.settings.model or 'the default one'}) can't be loaded: {error}"
        ) from error
    return LocalRunner(networks)


def run_worker(
    shop: Shop, fetcher: Fetch, runner: SegmentRunner, *, when_gone: Callable[[Callable[[], object]], object]
) -> None:
    """Work until SIGTERM, or until whoever started us is gone.

    After the first SIGTERM the current job has `stop_seconds` to end, after the second none.

    Args:
        shop: Where jobs come from.
        fetcher: Gets sources.
        runner: Makes pieces.
        when_gone: Takes what is to be done when nobody is left to work for.
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
    when_gone(worker.abandon)
    worker.run()
