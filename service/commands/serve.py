"""`film-service serve` and `worker`: the web with its workers, or workers alone."""

import argparse
import logging
import signal
import socket
import sys
import threading
from types import FrameType
from typing import Any

from service.backends.local import Crew
from service.bootstrap import make_fetcher
from service.commands.common import add_data, read_settings, shop_of
from service.errors import BackendAway
from service.logs import configure
from service.settings import Settings

__all__ = ["add_parser", "crew_of", "serve"]

_log = logging.getLogger(__name__)

_TEND_SECONDS = 0.2
_MOST_WORKERS = 64
_SIGNALLED = 128  # an exit code is this and the signal's number, by the shells' custom


def add_parser(subparsers: Any) -> None:
    """Add both commands to an argument parser's subcommands."""
    parser = subparsers.add_parser("serve", help="serve the web API, with workers on this machine")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at; default 127.0.0.1")
    parser.add_argument("--port", type=_port, default=8000, help="default 8000; 0 for any that is free")
    parser.add_argument("--workers", type=_count, default=1, metavar="N", help="worker processes; default 1")
    parser.set_defaults(run=_serve)
    add_data(parser)

    parser = subparsers.add_parser("worker", help="work alone, for a service whose database and folder are shared")
    parser.add_argument("--workers", type=_count, default=1, metavar="N", help="worker processes; default 1")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)  # one process, of a crew
    parser.set_defaults(run=_worker)
    add_data(parser)


class _Signals:
    """Counts the signals that ask us to end."""

    def __init__(self) -> None:
        self.first: int | None = None
        self.hurry = False
        self._asked = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup leaves it
                signal.signal(number, self._note)

    def wait(self, seconds: float) -> bool:
        """Wait for the first one; say whether it has come."""
        return self._asked.wait(seconds)

    def _note(self, number: int, frame: FrameType | None) -> None:
        del frame
        self.hurry = self.first is not None
        self.first = self.first or number
        self._asked.set()


def crew_of(settings: Settings, count: int) -> Crew:
    """Make a crew of this command's own workers."""
    command = [sys.executable, "-m", "service", "worker", "--child", "--data", str(settings.data_dir.absolute())]
    return Crew(command, count)


def serve(settings: Settings, crew: Crew, *, host: str, port: int) -> int:
    """Serve until a signal comes, and give the exit code.

    Raises:
        BackendAway: If the address is taken, or folder or database can't be used.
    """
    from service.web.app import create_app
    from service.web.server import WebServer

    signals = _Signals()
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise BackendAway(f"{host} port {port} can't be listened at: {error.strerror}") from error
    port = listener.getsockname()[1]
    shown = f"[{host}]" if ":" in host else host
    shop = shop_of(settings, base_url=f"http://{shown}:{port}")
    web = WebServer(create_app(shop), listener, stop_seconds=settings.stop_seconds)
    web.start()
    _log.info("serving", extra={"host": host, "port": port})
    try:
        while not signals.wait(_TEND_SECONDS):
            crew.tend()
            if not web.serves:
                raise BackendAway("the web server ended by itself; the log says why")
    finally:
        web.end()
        crew.end(within_seconds=settings.stop_seconds, hurry=lambda: signals.hurry)
        web.end(at_once=signals.hurry)
        web.join()
        listener.close()
        _log.info("ended")
    return _SIGNALLED + (signals.first or 0)


def _serve(arguments: argparse.Namespace) -> int:
    settings = read_settings(arguments)
    configure(settings.log_level)
    return serve(settings, crew_of(settings, arguments.workers), host=arguments.host, port=arguments.port)


def _worker(arguments: argparse.Namespace) -> int:
    settings = read_settings(arguments)
    configure(settings.log_level)
    if arguments.child:
        return _be_worker(settings)
    shop_of(settings)  # what is wrong with folder or database is said once, not by each of them
    signals = _Signals()
    crew = crew_of(settings, arguments.workers)
    try:
        while not signals.wait(_TEND_SECONDS):
            crew.tend()
    finally:
        crew.end(within_seconds=settings.stop_seconds, hurry=lambda: signals.hurry)
    return _SIGNALLED + (signals.first or 0)


def _be_worker(settings: Settings) -> int:
    from service.worker.process import load_runner, run_worker

    shop = shop_of(settings)
    run_worker(shop, make_fetcher(settings), load_runner(shop))
    return 0


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 <= int(text) <= 65535:  # noqa: PLR2004 (16 bits)
        raise argparse.ArgumentTypeError("must be from 0 to 65535")
    return int(text)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) > _MOST_WORKERS:
        raise argparse.ArgumentTypeError(f"must be from 0 to {_MOST_WORKERS}")
    return int(text)
