"""Strangers on the loopback that answer byte for byte what a test tells them to, and an Internet of its own."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import trustme

from service.network import begin

__all__ = ["Asked", "Internet", "Say", "Stranger", "answer", "tls_of"]

Say = Callable[[socket.socket], None]
"""Answers over a connection."""


@dataclass(frozen=True)
class Asked:
    """One request as it came in."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


def answer(status: int = 200, body: bytes = b"", *, length: int | None = None, **headers: str) -> bytes:
    """Write an answer; `length` is what it says of its body's, where that isn't the truth."""
    told = {"Content-Length": str(len(body) if length is None else length)}
    told |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status} Whatever", *(f"{name}: {value}" for name, value in told.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@dataclass
class Stranger:
    """A server on a free port of the loopback; `says` is asked by path, its last answer again and again."""

    says: dict[str, list[bytes | Say]] = field(default_factory=dict)
    certificate: trustme.LeafCert | None = None
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0

    def __enter__(self) -> Self:
        """Begin to listen."""
        self.over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.05)
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._serve)]
        self._threads[0].start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Stop, and wait for what is being said."""
        self.over.set()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def url(self, host: str, path: str = "/") -> str:
        """Give the address of a path, as a host of that name."""
        return f"{'https' if self.certificate else 'http'}://{host}:{self.port}{path}"

    def _serve(self) -> None:
        while not self.over.is_set():
            with contextlib.suppress(TimeoutError):
                connection, _ = self._listener.accept()
                self.connections += 1
                thread = threading.Thread(target=self._talk, args=(connection,))
                self._threads.append(thread)
                thread.start()

    def _talk(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            stack.enter_context(connection)
            connection.settimeout(10)
            if self.certificate is not None:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                self.certificate.configure_cert(context)
                connection = stack.enter_context(context.wrap_socket(connection, server_side=True))
            asked = _hear(connection)
            self.asked.append(asked)
            says = self.says.get(asked.path.partition("?")[0], [answer(404)])
            said = says.pop(0) if len(says) > 1 else says[0]
            if isinstance(said, bytes):
                connection.sendall(said)
            else:
                said(connection)


def _hear(connection: socket.socket) -> Asked:
    with connection.makefile("rb") as lines:
        method, path, _ = lines.readline().decode().split(" ")
        headers = {}
        while line := lines.readline().decode().strip():
            name, _, value = line.partition(": ")
            headers[name.lower()] = value
        return Asked(method, path, headers, lines.read(int(headers.get("content-length", "0"))))


@dataclass
class Internet:
    """Names and addresses as a test has them; whatever is dialled really goes to the loopback.

    Attributes:
        names: What each name resolves to, the first time, the second, …; the last answer stays.
        resolved: Names that were looked up.
        dialled: Addresses that were connected to.
    """

    names: dict[str, list[Sequence[str]]] = field(default_factory=dict)
    resolved: list[str] = field(default_factory=list)
    dialled: list[str] = field(default_factory=list)

    def resolve(self, host: str, port: int) -> Sequence[str]:  # noqa: ARG002 (a resolver's signature)
        self.resolved.append(host)
        answers = self.names.get(host)
        if answers is None:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def connect(self, address: str, port: int) -> socket.socket:
        self.dialled.append(address)
        return begin("127.0.0.1", port)


def tls_of(authorities: Iterable[trustme.CA]) -> ssl.SSLContext:
    """Make what trusts these authorities alone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for authority in authorities:
        authority.configure_trust(context)
    return context
