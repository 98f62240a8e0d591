"""Connections to strangers, that go only where they may.

A caller names a host; what it resolves to decides. It is resolved once, every address of the answer
is looked at, and the connection goes to one of those very addresses, so that a name which changes
its mind in between (DNS rebinding) gains nothing, and neither does a number in fancy dress
(`0x7f.1`, `2130706433`): it is the resolver that undresses it. TLS still asks for the name.

httpcore speaks HTTP over them. Unlike its own connections, ours never wait long without looking up:
several times a second they call the `watch` that they were given, and what it raises ends the wait.
"""

import contextlib
import errno
import math
import queue
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final, TypeVar

import certifi
import httpcore
import httpx

from service.addresses import is_public, resolve

__all__ = ["AddressRefused", "Connector", "HostUnknown", "Network", "NotSecure", "Resolver", "begin"]

T = TypeVar("T")

Resolver = Callable[[str, int], Sequence[str]]
"""Gives all addresses of a host, as text; raises OSError where it has none."""

Connector = Callable[[str, int], socket.socket]
"""Begins to connect to an address and port, and gives the non-blocking socket without waiting."""

_GLANCE_SECONDS: Final = 0.2  # how often a wait looks up
_LAST_PORT: Final = 65535
_MOST_ADDRESSES: Final = 4  # tried, of a host that has more


class AddressRefused(Exception):
    """The host has an address that isn't public."""


class HostUnknown(httpcore.ConnectError):
    """The host has no address."""


def begin(address: str, port: int) -> socket.socket:
    """Begin to connect to an address, and give the non-blocking socket without waiting.

    Raises:
        OSError: If that fails at once.
    """
    connection = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    connection.setblocking(False)  # noqa: FBT003 (the standard library's)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    status = connection.connect_ex((address, port))
    if status not in (0, errno.EINPROGRESS):
        connection.close()
        raise OSError(status, "no connection")
    return connection


class NotSecure(httpcore.ConnectError):
    """TLS can't be agreed on, or the certificate isn't the host's."""


@lru_cache(maxsize=1)
def _roots() -> ssl.SSLContext:
    """Give what trusts the authorities that this machine and certifi know."""
    tls = ssl.create_default_context()
    tls.load_verify_locations(certifi.where())
    return tls


class Network:
    """Sends single HTTP/1.1 requests; proxies, cookies and passwords of the environment are never used."""

    def __init__(
        self,
        *,
        allow_private: bool,
        resolver: Resolver = resolve,
        connector: Connector = begin,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Say where connections may go.

        Args:
            allow_private: Whether to any address; else only to public ones.
            resolver: Gives the addresses of a host.
            connector: Begins to connect.
            tls: How certificates are checked; by default against the system's roots and certifi's.
        """
        self._allow_private = allow_private
        self._resolver = resolver
        self._connector = connector
        self._tls = _roots() if tls is None else tls

    @contextlib.contextmanager
    def exchange(  # noqa: PLR0913 (the parts of a request, and two limits)
        self,
        method: str,
        url: httpx.URL,
        *,
        headers: Mapping[str, str],
        content: bytes | None = None,
        wait_seconds: float,
        watch: Callable[[], None],
    ) -> Iterator[httpcore.Response]:
        """Send a request, and give the answer's head with its body still to be streamed.

        Args:
            method: GET or POST.
            url: http or https. A user name or password in it isn't sent.
            headers: Beside Host, Connection and the length of the content.
            content: The request's body.
            wait_seconds: Longest wait for the connection, and for anything to come or go.
            watch: Called several times a second; what it raises ends the exchange.

        Raises:
            AddressRefused: If any address of the host isn't public.
            HostUnknown: If it has none.
            NotSecure: If there is no TLS with it.
            httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError: As httpcore has them.
        """
        target = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        sent = [("Host", url.netloc.decode("ascii")), ("Connection", "close"), *headers.items()]
        timeout = dict.fromkeys(("connect", "read", "write", "pool"), wait_seconds)
        gate = _Gate(self._resolver, self._connector, watch, allow_private=self._allow_private)
        with (
            httpcore.ConnectionPool(ssl_context=self._tls, network_backend=gate) as pool,
            pool.stream(method, target, headers=sent, content=content, extensions={"timeout": timeout}) as answer,
        ):
            yield answer


def _slices(watch: Callable[[], None], seconds: float | None) -> Iterator[float]:
    """Part a wait into short ones: give the length of each, in seconds, after calling `watch`.

    Raises:
        TimeoutError: When the time is up.
    """
    ends = math.inf if seconds is None else time.monotonic() + seconds
    while True:
        watch()
        left = ends - time.monotonic()
        if left <= 0:
            raise TimeoutError
        yield min(_GLANCE_SECONDS, left)


class _Gate(httpcore.NetworkBackend):
    """Resolves, checks, connects."""

    def __init__(
        self, resolver: Resolver, connector: Connector, watch: Callable[[], None], *, allow_private: bool
    ) -> None:
        self._resolver = resolver
        self._connector = connector
        self._watch = watch
        self._allow_private = allow_private

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,  # noqa: ARG002 (httpcore's signature)
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,  # noqa: ARG002 (the same)
    ) -> httpcore.NetworkStream:
        """Connect to a host if all of its addresses are allowed."""
        if not 0 < port <= _LAST_PORT:
            raise httpcore.ConnectError
        try:
            addresses = self._resolve(host, port, timeout)
            if not self._allow_private and not all(is_public(address) for address in addresses):
                raise AddressRefused
            return self._connect(addresses[:_MOST_ADDRESSES], port, timeout)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout from error
        except OSError as error:
            raise httpcore.ConnectError from error

    def _resolve(self, host: str, port: int, timeout: float | None) -> Sequence[str]:
        """Resolve in a thread, since the system's resolver can't be told to stop."""
        answers: queue.SimpleQueue[Sequence[str] | Exception] = queue.SimpleQueue()

        def ask() -> None:
            try:
                answers.put(self._resolver(host, port))
            except Exception as error:  # noqa: BLE001 (raised again where it is waited for)
                answers.put(error)

        threading.Thread(target=ask, name="resolve", daemon=True).start()
        for seconds in _slices(self._watch, timeout):
            with contextlib.suppress(queue.Empty):
                answer = answers.get(timeout=seconds)
                if isinstance(answer, OSError) or not answer:
                    raise HostUnknown
                if isinstance(answer, Exception):
                    raise answer
                return answer
        raise AssertionError("slices end in an error")

    def _connect(self, addresses: Sequence[str], port: int, timeout: float | None) -> httpcore.NetworkStream:
        """Connect to the first address that answers; each gets a fair share of the time."""
        share = None if timeout is None else timeout / len(addresses)
        failed: OSError | None = None
        for address in addresses:
            try:
                return _Stream(self._reach(address, port, share), self._watch)
            except OSError as error:
                failed = error
        assert failed is not None, "a host has at least one address"
        raise failed

    def _reach(self, address: str, port: int, timeout: float | None) -> socket.socket:
        with contextlib.ExitStack() as undo:
            connection = undo.enter_context(self._connector(address, port))
            ready = select.poll()
            ready.register(connection, select.POLLOUT)
            for seconds in _slices(self._watch, timeout):
                if ready.poll(seconds * 1000):
                    break
            status = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if status:
                raise OSError(status, "no connection")
            undo.pop_all()
        return connection


class _Stream(httpcore.NetworkStream):
    """A connection, maybe under TLS."""

    def __init__(self, connection: socket.socket, watch: Callable[[], None]) -> None:
        self._connection = connection
        self._watch = watch

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Give what has come, at least one byte; nothing at the end."""
        try:
            return self._patiently(lambda: self._connection.recv(max_bytes), timeout)
        except TimeoutError as error:
            raise httpcore.ReadTimeout from error
        except OSError as error:
            raise httpcore.ReadError from error

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of it."""
        rest = memoryview(buffer)
        try:
            while rest:
                rest = rest[self._patiently(lambda: self._connection.send(rest), timeout) :]  # noqa: B023 (called at once)
        except TimeoutError as error:
            raise httpcore.WriteTimeout from error
        except OSError as error:
            raise httpcore.WriteError from error

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Give the same connection under TLS, its certificate checked for the name."""
        try:
            wrapped = ssl_context.wrap_socket(
                self._connection, server_hostname=server_hostname, do_handshake_on_connect=False
            )
            self._connection = wrapped
            self._patiently(wrapped.do_handshake, timeout)
        except BaseException as error:
            self.close()
            if isinstance(error, TimeoutError):
                raise httpcore.ConnectTimeout from error
            if isinstance(error, ssl.SSLError | ValueError):  # ValueError: a name that can't be in a certificate
                raise NotSecure from error
            if isinstance(error, OSError):
                raise httpcore.ConnectError from error
            raise
        return self

    def close(self) -> None:
        """Let go of it."""
        self._connection.close()

    def _patiently(self, act: Callable[[], T], timeout: float | None) -> T:
        """Do what waits for the other side, looking up now and then."""
        for seconds in _slices(self._watch, timeout):
            self._connection.settimeout(seconds)
            with contextlib.suppress(TimeoutError):
                return act()
        raise AssertionError("slices end in an error")
