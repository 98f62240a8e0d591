"""A real HTTP server on the loopback that can be told to misbehave."""

import re
import threading
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One answer; as it stands, what a proper file server gives."""

    status: int | None = None  # instead of 200, 206 or 416; without a body
    location: str | None = None
    cut_after: int | None = None  # bytes of the body, then the connection is dropped
    ranges: bool = True  # whether Range is understood
    if_range: bool = True  # whether If-Range is
    length: bool = True  # whether the body's length is told
    encoding: str | None = None
    wait_for: threading.Event | None = None  # before anything is answered


@dataclass(frozen=True)
class Asked:
    """One request as it came in."""

    path: str
    range: str | None
    if_range: str | None


@dataclass
class Site:
    """What is served, how, and what was asked for."""

    files: dict[str, bytes] = field(default_factory=dict)
    etags: dict[str, str] = field(default_factory=dict)
    answers: dict[str, deque[Answer]] = field(default_factory=dict)  # the last one stays
    asked: list[Asked] = field(default_factory=list)
    first_asked: threading.Event = field(default_factory=threading.Event)
    url: str = ""

    def serve(self, path: str, content: bytes, *answers: Answer, etag: str | None = '"first"') -> str:
        """Offer a file, answering in the given ways one after the other, and give its URL."""
        self.files[path] = content
        self.etags.pop(path, None)
        if etag is not None:
            self.etags[path] = etag
        self.answers[path] = deque(answers or (Answer(),))
        return self.url + path

    def ranges(self, path: str) -> list[str | None]:
        """Give the Range headers of all requests for a path."""
        return [asked.range for asked in self.asked if asked.path == path]


class _Handler(BaseHTTPRequestHandler):
    server: "FileServer"

    def do_GET(self) -> None:
        site = self.server.site
        site.asked.append(Asked(self.path, self.headers["Range"], self.headers["If-Range"]))
        site.first_asked.set()
        answers = site.answers.get(self.path, deque([Answer(status=404)]))
        answer = answers.popleft() if len(answers) > 1 else answers[0]
        if answer.wait_for is not None:
            answer.wait_for.wait()
        if answer.status is not None:
            self._send(answer.status, b"", answer, {"Location": answer.location} if answer.location else {})
            return
        content, etag = site.files[self.path], site.etags.get(self.path)
        start = self._start(answer, etag)
        if start is None:
            self._send(200, content, answer, {"ETag": etag} if etag else {})
        elif start >= len(content):
            self._send(416, b"", answer, {"Content-Range": f"bytes */{len(content)}"})
        else:
            position = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
            self._send(206, content[start:], answer, position | ({"ETag": etag} if etag else {}))

    def _start(self, answer: Answer, etag: str | None) -> int | None:
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers["Range"] or "")
        if not asked or not answer.ranges:
            return None
        if answer.if_range and self.headers["If-Range"] not in (None, etag):
            return None
        return int(asked[1])

    def _send(self, status: int, body: bytes, answer: Answer, headers: dict[str, str]) -> None:
        self.send_response(status)
        if answer.length:
            self.send_header("Content-Length", str(len(body)))
        if answer.encoding is not None:
            self.send_header("Content-Encoding", answer.encoding)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[: answer.cut_after])

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


class FileServer(ThreadingHTTPServer):
    """Serves one site on a free port of the loopback while it is open."""

    daemon_threads = True

    def __init__(self) -> None:
        """Take a free port."""
        super().__init__(("127.0.0.1", 0), _Handler)
        self.site = Site(url=f"http://127.0.0.1:{self.server_address[1]}")

    def __enter__(self) -> Self:
        """Begin to answer."""
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Stop answering and let go of the port."""
        self.shutdown()
        self.server_close()
