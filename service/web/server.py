"""The application behind a socket: uvicorn in a thread, so that the main one can look after workers."""

import socket
import threading

import uvicorn
from fastapi import FastAPI

__all__ = ["WebServer"]

_PATIENCE_SECONDS = 10  # beyond what requests under way are given


class WebServer:
    """Serves an application until it is told to end."""

    def __init__(
        self, app: FastAPI, listener: socket.socket, *, stop_seconds: float, trusted_proxies: str | None = None
    ) -> None:
        """Take what is served.

        Args:
            app: An ASGI application.
            listener: A socket that listens.
            stop_seconds: How long requests under way may take at the end.
            trusted_proxies: Addresses, parted by commas, whose X-Forwarded-* headers are believed.
        """
        self._listener = listener
        self._stop_seconds = stop_seconds
        # Requests are logged by the application.
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            proxy_headers=trusted_proxies is not None,
            forwarded_allow_ips=trusted_proxies or "",
            server_header=False,
            timeout_graceful_shutdown=max(1, round(stop_seconds)),
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    @property
    def serves(self) -> bool:
        """Whether it does."""
        return self._thread.is_alive()

    def end(self, *, at_once: bool = False) -> None:
        """Take no more requests; let those under way end, or don't."""
        self._server.should_exit = True
        self._server.force_exit = at_once

    def join(self) -> None:
        """Wait until all is served, no longer than that may take."""
        self._thread.join(self._stop_seconds + _PATIENCE_SECONDS)

    def _run(self) -> None:
        self._server.run(sockets=[self._listener])
