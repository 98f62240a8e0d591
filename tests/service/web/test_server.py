"""The server behind a socket: whose headers it believes, and that it ends when told to."""

import base64
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from service.bootstrap import open_shop
from service.settings import Settings
from service.web.app import create_app
from service.web.server import WebServer

CLIP = "data:video/mp4;base64," + base64.b64encode(b"video").decode()


@contextmanager
def served(folder: Path, trusted_proxies: str | None) -> Iterator[tuple[str, str]]:
    """Serve a shop without workers; give its address and a key."""
    shop = open_shop(Settings(data_dir=folder))
    key, _ = shop.access.create_key("acme", credits=Decimal(1))
    listener = socket.create_server(("127.0.0.1", 0))
    server = WebServer(create_app(shop), listener, stop_seconds=1, trusted_proxies=trusted_proxies)
    server.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", key
    finally:
        server.end()
        server.join()
        listener.close()
        shop.close()
    assert not server.serves


@pytest.mark.parametrize(
    ("trusted", "scheme"), [(None, "http"), ("10.1.2.3", "http"), ("10.1.2.3,127.0.0.1", "https"), ("*", "https")]
)
def test_only_proxies_that_are_named_are_believed(tmp_path: Path, trusted: str | None, scheme: str) -> None:
    with served(tmp_path, trusted) as (url, key):
        answer = httpx.post(
            f"{url}/v2/video-frame-interpolation",
            json={"input_video": CLIP, "frame_multiplier": 2, "output_fps": 50},
            headers={"x-api-key": key, "X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.1"},
        )
    assert answer.raise_for_status().json()["poll_url"].startswith(f"{scheme}://127.0.0.1:")
    assert "server" not in answer.headers
