"""The outermost layer: every request is timed, counted and logged, and none ends without an answer."""

import logging
import time
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import InternalError
from service.web.errors import error_response
from service.web.telemetry import Telemetry

__all__ = ["Door"]

_log = logging.getLogger(__name__)

_METHODS = {"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"}
_GONE = 499  # logged where the caller hung up before an answer began; nginx calls it so


class Door:
    """ASGI middleware. Neither query strings nor headers reach the log: they hold signatures and keys."""

    def __init__(self, app: ASGIApp, telemetry: Telemetry) -> None:
        """Stand before `app`."""
        self._app = app
        self._telemetry = telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()
        status = 0

        async def watched_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched_send)
        except Exception:
            # By its template: the path itself may hold an id.
            _log.exception("a request broke", extra={"route": _route_of(scope)})
            self._telemetry.count_error(InternalError.code)
            if status:
                raise  # an answer has begun, so all that is left is to cut the connection
            answer = error_response(
                HTTPStatus.INTERNAL_SERVER_ERROR, "something went wrong on our side", InternalError.code
            )
            await answer(scope, receive, watched_send)
        finally:
            self._note(scope, status or _GONE, time.perf_counter() - begun)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "other"
        route = _route_of(scope)
        self._telemetry.count_request(method, route, status, seconds)
        _log.info("request", extra={"method": method, "route": route, "status": status, "ms": round(seconds * 1000, 1)})


def _route_of(scope: Scope) -> str:
    """Give a request's route as it was declared, so that ids don't make figures without end."""
    return str(getattr(scope.get("route"), "path", "unknown"))
