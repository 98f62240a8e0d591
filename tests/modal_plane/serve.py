"""Runs a plane until it is told to end."""

import asyncio
import logging
import signal
import socket
from collections.abc import Callable

from aiohttp import web
from grpclib.server import Server

from tests.modal_plane import rpcs
from tests.modal_plane.cluster import Cluster
from tests.modal_plane.control import Control
from tests.modal_plane.rpc import Service
from tests.modal_plane.settings import Settings
from tests.modal_plane.transfer import Transfer
from tests.modal_plane.web import HOST, Endpoints

__all__ = ["serve"]

log = logging.getLogger(__name__)


async def serve(settings: Settings, ready: Callable[[str, str], None]) -> None:
    """Serve until SIGTERM or SIGINT; no container outlives this.

    Args:
        settings: What the plane is like.
        ready: Told the URLs of gRPC and of HTTP, once both answer.
    """
    grpc_socket = socket.create_server((HOST, settings.port))
    http_socket = socket.create_server((HOST, settings.port + bool(settings.port)))
    url, http_url = (f"http://{HOST}:{each.getsockname()[1]}" for each in (grpc_socket, http_socket))
    cluster = Cluster(settings, url, http_url)
    log.info("containers have %s", "their own roots" if cluster.isolated else "one root, the machine's")
    await cluster.nursery.open()
    Endpoints(cluster, settings.port + 2 if settings.port else 0)

    application = web.Application(client_max_size=0)
    application.add_routes([*Transfer(cluster).routes(), *Control(cluster).routes()])
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.SockSite(runner, http_socket).start()
    log.debug("serving %s", ", ".join(rpcs.__all__))
    server = Server([Service(cluster)])
    await server.start(sock=grpc_socket)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    ready(url, http_url)
    running, stopping = asyncio.create_task(cluster.run()), asyncio.create_task(stop.wait())
    await asyncio.wait([running, stopping], return_when=asyncio.FIRST_COMPLETED)
    running.cancel()
    await cluster.stop()
    server.close()
    await runner.cleanup()
