"""The server and its workers with a network that takes a known time: processes to kill, without TensorFlow.

python -m tests.service.stub serve DATA PORT WORKERS SECONDS_A_FRAME
python -m tests.service.stub worker DATA SECONDS_A_FRAME
"""

import sys
import time
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

from film.video import Pixels
from service.backends.local import Crew
from service.bootstrap import make_fetcher, open_shop
from service.commands.serve import serve
from service.logs import configure
from service.settings import Settings
from service.worker import LocalRunner, Networks
from service.worker.process import run_worker

__all__ = ["Slow", "main"]


class Slow:
    """Gives the first frame for every one between, after a while."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds

    def between(self, first: Pixels, _: Pixels, instants: Sequence[Fraction], /) -> Iterator[Pixels]:
        for _instant in instants:
            time.sleep(self.seconds)
            yield first.copy()


def main(arguments: Sequence[str]) -> int:
    what, data, *rest = arguments
    settings = Settings(data_dir=Path(data))
    configure("INFO")
    if what == "serve":
        port, workers, seconds = rest
        command = [sys.executable, "-m", "tests.service.stub", "worker", data, seconds]
        return serve(settings, Crew(command, int(workers)), host="127.0.0.1", port=int(port))
    network = Slow(float(rest[0]))
    run_worker(open_shop(settings), make_fetcher(settings), LocalRunner(Networks(lambda _: network)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
