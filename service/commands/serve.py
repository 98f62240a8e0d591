"""`film-service serve` and `worker`: the web with its workers, or workers alone.

SIGTERM, Ctrl-C or the end of the terminal stops them in good order: jobs that end soon are finished, the others
handed back. A second signal waits for nothing. Ended by one SIGTERM, as every server is some day, the
exit code is 0; else it is 128 and the first signal's number.
"""

import argparse
import logging
import signal
import socket
import sys
import time
from types import FrameType
from typing import Any

from service.backends.local import Crew, Starter
from service.bootstrap import make_fetcher
from service.commands.common import add_data, read_settings, shop_of
from service.errors import BackendAway
from service.logs import configure
from service.settings import Settings

__all__ = ["add_parser", "crew_of", "serve"]

_log = logging.getLogger(__name__)

_TEND_SECONDS = 0.2
_MOST_WORKERS = 64
_ANY = ("", "0.0.0.0", "::")  # noqa: S104 (to be told apart, not to listen at)
_SIGNALLED = 128  # an exit code is this and the signal's number, by the shells' custom


def add_parser(subparsers: Any) -> None:
    """Add both commands to an argument parser's subcommands."""
    parser = subparsers.add_parser("serve", help="serve the web API, with workers on this machine")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at; default 127.0.0.1")
    parser.add_argument("--port", type=_port, default=8000, help="default 8000; 0 for any that is free")
    parser.add_argument(
        "--workers", type=_count, default=1, metavar="N", help="worker processes, 0 for none; default 1"
    )
    parser.add_argument(
        "--forwarded-allow-ips",
        metavar="LIST",
        help="proxies, parted by commas, whose X-Forwarded-* headers are believed, * for all; default none",
    )
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
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup leaves it
                signal.signal(number, self._note)

    def wait(self, seconds: float) -> bool:
        """Wait a while for the first one; say whether it has come."""
        # An event could be set by the handler just while we look at it, and would wait for itself.
        if self.first is None:
            time.sleep(seconds)
        return self.first is not None

    def exit_code(self) -> int:
        """Give 0 for one SIGTERM."""
        return 0 if self.first == signal.SIGTERM and not self.hurry else _SIGNALLED + (self.first or 0)

    def _note(self, number: int, frame: FrameType | None) -> None:
        del frame
        self.hurry = self.first is not None
        self.first = self.first or number


def crew_of(settings: Settings, count: int) -> Crew:
    """Make a crew of this command's own workers."""
    command = [sys.executable, "-m", "service", "worker", "--child", "--data", str(settings.data_dir.absolute())]
    return Crew(command, count)


def serve(settings: Settings, crew: Crew, *, host: str, port: int, trusted_proxies: str | None = None) -> int:
    """Serve until a signal comes, and give the exit code.

    Args:
        settings: As the operator has them.
        crew: The workers, not started yet; maybe none.
        host: Where to listen.
        port: The same; 0 for any that is free.
        trusted_proxies: Addresses whose X-Forwarded-* headers are believed; None for nobody's.

    Raises:
        BackendAway: If the address is taken, or folder or database can't be used.
    """
    from service.web.app import create_app
    from service.web.server import WebServer

    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise BackendAway(f"{host} port {port} can't be listened at: {error.strerror}") from error
    signals = _Signals()
    port = listener.getsockname()[1]
    try:
        shop = shop_of(settings, base_url=_base_url(host, port))
    except BaseException:
        listener.close()
        raise
    web = WebServer(create_app(shop), listener, stop_seconds=settings.stop_seconds, trusted_proxies=trusted_proxies)
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
        shop.close()
        _log.info("ended")
    return signals.exit_code()


def _base_url(host: str, port: int) -> str:
    """Give the address that webhooks are told of where there is no `public_url`."""
    name = socket.gethostname() if host in _ANY else f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}"


def _serve(arguments: argparse.Namespace) -> int:
    settings = read_settings(arguments)
    configure(settings.log_level)
    return serve(
        settings,
        crew_of(settings, arguments.workers),
        host=arguments.host,
        port=arguments.port,
        trusted_proxies=arguments.forwarded_allow_ips,
    )


def _worker(arguments: argparse.Namespace) -> int:
    settings = read_settings(arguments)
    configure(settings.log_level)
    if arguments.child:
        return _be_worker(settings)
    shop_of(settings).close()  # what is wrong with folder or database is said once, not by each of them
    signals = _Signals()
    crew = crew_of(settings, arguments.workers)
    try:
        while not signals.wait(_TEND_SECONDS):
            crew.tend()
    finally:
        crew.end(within_seconds=settings.stop_seconds, hurry=lambda: signals.hurry)
    return signals.exit_code()


def _be_worker(settings: Settings) -> int:
    starter = Starter()  # first, since loading takes its time
    from service.worker.process import load_runner, run_worker

    shop = shop_of(settings)
    try:
        run_worker(shop, make_fetcher(settings), load_runner(shop), when_gone=starter.when_gone)
    finally:
        shop.close()
    return 0


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 <= int(text) <= 65535:  # noqa: PLR2004 (16 bits)
        raise argparse.ArgumentTypeError("must be from 0 to 65535")
    return int(text)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) > _MOST_WORKERS:
        raise argparse.ArgumentTypeError(f"must be from 0 to {_MOST_WORKERS}")
    return int(text)
