"""Web endpoints: a port for each, whose requests become ASGI messages to containers."""

from __future__ import annotations

import asyncio
import pickle
import socket
import time
from collections.abc import Coroutine
from typing import TYPE_CHECKING

from aiohttp import web
from modal_proto import api_pb2 as api
from multidict import CIMultiDict
from yarl import URL

from tests.modal_plane.calls import Call

if TYPE_CHECKING:
    from tests.modal_plane.cluster import Cluster
    from tests.modal_plane.pool import Pool

__all__ = ["HOST", "Endpoints"]

HOST = "127.0.0.1"
RESUME = "__modal_function_call_id"  # what the query of a 303 leads back to a call by
CHUNK = 1 << 20
OURS = ("connection", "keep-alive", "transfer-encoding", "upgrade")  # headers of one hop
SECRETS = (b"modal-key", b"modal-secret")  # what the service keeps from the app
KEPT_SECONDS = 60  # how long the call of a request that was answered is kept


class Endpoints:
    """Opens a port for a function or method with a web config, and serves it."""

    def __init__(self, cluster: Cluster, first_port: int) -> None:
        self._cluster, self._next_port = cluster, first_port
        self._sockets: dict[tuple[str, str], socket.socket] = {}
        self._servers: dict[tuple[str, str], asyncio.Server] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        cluster.endpoints = self

    def open(self, function_id: str, method: str) -> str:
        """Give the URL of an endpoint, which stays the same when its app is deployed again."""
        key = (function_id, method)
        if key not in self._sockets:
            self._sockets[key] = socket.create_server((HOST, self._next_port))
            self._next_port += bool(self._next_port)
            self._keep(self._listen(key))
        return f"http://{HOST}:{self._sockets[key].getsockname()[1]}"

    def close(self, function_id: str) -> None:
        for key in [key for key in self._sockets if key[0] == function_id]:
            if server := self._servers.pop(key, None):
                server.close()
            self._sockets.pop(key).close()

    def _keep(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _listen(self, key: tuple[str, str]) -> None:
        async def serve(request: web.BaseRequest) -> web.StreamResponse:
            return await self._serve(request, *key)

        server = web.Server(serve, access_log=None)
        loop = asyncio.get_running_loop()
        self._servers[key] = await loop.create_server(server, sock=self._sockets[key])

    async def _serve(self, request: web.BaseRequest, function_id: str, method: str) -> web.StreamResponse:
        pool = self._cluster.pools.get(function_id)
        if not pool or not pool.live:
            return web.Response(status=404, text="modal-http: app for invoked web endpoint is stopped")
        definition = pool.definition
        config = definition.method_definitions[method].webhook_config if method else definition.webhook_config
        token = f"{request.headers.get('Modal-Key')}:{request.headers.get('Modal-Secret')}"
        if config.requires_proxy_auth and token not in self._cluster.settings.proxy_tokens:
            return web.Response(status=401, text="modal-http: missing credentials for proxy authorization")
        if call := self._cluster.calls.get(request.query.get(RESUME, "")):
            return await self._respond(request, call)
        return await self._ask(request, pool, method)

    async def _ask(self, request: web.BaseRequest, pool: Pool, method: str) -> web.StreamResponse:
        """Make a call of a request: the scope as its argument, the body on its stream."""
        call = self._cluster.call(pool)
        arguments = pickle.dumps(((_scope(request),), {}), protocol=4)
        kind = api.DATA_FORMAT_PICKLE
        call.add(0, api.FunctionInput(args=arguments, data_format=kind, method_name=method))
        if request.headers.get("Expect", "").lower() == "100-continue" and request.transport:
            request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        upload = self._keep(_upload(request, call))
        goes_on = False
        try:
            response = await self._respond(request, call)
            goes_on = response.status == web.HTTPSeeOther.status_code and RESUME in response.headers["Location"]
            return response
        finally:
            if not goes_on:
                upload.cancel()
                if call.unfinished:  # the client went away
                    _tell(call, api.Asgi(http_disconnect=api.Asgi.HttpDisconnect()))
                asyncio.get_running_loop().call_later(KEPT_SECONDS, self._cluster.calls.pop, call.id, None)

    async def _respond(self, request: web.BaseRequest, call: Call) -> web.StreamResponse:
        deadline = time.monotonic() + self._cluster.settings.web_timeout_seconds
        while not call.data_out and call.unfinished:
            if time.monotonic() >= deadline:
                here = URL.build(path=request.path, query_string=request.query_string)
                return web.Response(status=303, headers={"Location": str(here.update_query({RESUME: call.id}))})
            await call.changed.wait(deadline - time.monotonic())
        response = None
        async for chunk in call.follow(call.data_out, 0):
            data = chunk.data or self._cluster.files.blob(chunk.data_blob_id).read_bytes()
            message = api.Asgi.FromString(data)
            match message.WhichOneof("type"):
                case "http_response_start":
                    response = _start(message.http_response_start)
                    await response.prepare(request)
                case "http_response_body" if response:
                    await response.write(message.http_response_body.body)
                    if not message.http_response_body.more_body:
                        await response.write_eof()
                        return response
        if response is None:
            return _failed(call)
        if request.transport:
            request.transport.abort()  # the app died half way through its answer
        return response


def _scope(request: web.BaseRequest) -> dict[str, object]:
    host, port = ((request.transport and request.transport.get_extra_info("peername")) or ("", 0))[:2]
    return {
        "type": "http",
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": request.path,
        "query_string": request.rel_url.raw_query_string.encode(),
        "headers": [(name.lower(), value) for name, value in request.raw_headers if name.lower() not in SECRETS],
        "client": (host, port),
    }


def _start(message: api.Asgi.HttpResponseStart) -> web.StreamResponse:
    flat = [part.decode("latin-1") for part in message.headers]
    pairs = [pair for pair in zip(flat[::2], flat[1::2], strict=True) if pair[0].lower() not in OURS]
    return web.StreamResponse(status=message.status, headers=CIMultiDict(pairs))


def _failed(call: Call) -> web.Response:
    status = call.outputs[0].result.status if call.outputs else 0
    if status == api.GenericResult.GENERIC_STATUS_TIMEOUT:
        return web.Response(status=504, text="modal-http: the request timed out\n")
    return web.Response(status=500, text="modal-http: internal error: function call failed\n")


def _tell(call: Call, message: api.Asgi) -> None:
    call.push(call.data_in, [api.DataChunk(data_format=api.DATA_FORMAT_ASGI, data=message.SerializeToString())])


async def _upload(request: web.BaseRequest, call: Call) -> None:
    more = request.body_exists
    while more:
        body = await request.content.read(CHUNK)
        more = not request.content.at_eof()
        _tell(call, api.Asgi(http_request=api.Asgi.HttpRequest(body=body, more_body=more)))
    if not request.body_exists:
        _tell(call, api.Asgi(http_request=api.Asgi.HttpRequest(body=b"", more_body=False)))
