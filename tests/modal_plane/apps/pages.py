"""An app with web endpoints, in plain ASGI."""

import asyncio
import hashlib
import json
import os
from typing import Any

import modal

app = modal.App("pages", image=modal.Image.debian_slim(python_version="3.11"))


@app.function(timeout=3, startup_timeout=60)
@modal.concurrent(max_inputs=10)
@modal.asgi_app()
def web() -> Any:
    async def serve(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        path = scope["path"]
        if path == "/die":
            os._exit(3)
        if path == "/fail":
            raise ValueError("boom")
        if path.startswith("/sleep/"):
            await asyncio.sleep(float(path.split("/")[2]))
        told = {
            "method": scope["method"],
            "path": path,
            "query": scope["query_string"].decode(),
            "size": len(body),
            "sha256": hashlib.sha256(body).hexdigest(),
            "headers": sorted(name.decode() for name, _ in scope["headers"]),
        }
        headers = [(b"content-type", b"application/json"), (b"x-two", b"1"), (b"x-two", b"2")]
        await send({"type": "http.response.start", "status": 201, "headers": headers})
        if path == "/stream":
            for number in range(3):
                await send({"type": "http.response.body", "body": f"{number}\n".encode(), "more_body": True})
                await asyncio.sleep(0.1)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        await send({"type": "http.response.body", "body": json.dumps(told).encode(), "more_body": False})

    return serve


@app.function()
@modal.asgi_app(requires_proxy_auth=True)
def private() -> Any:
    async def serve(scope: dict[str, Any], _receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"in", "more_body": False})

    return serve
