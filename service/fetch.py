"""Get a file from an untrusted address: bounded in bytes, time and redirects, and from public addresses only.

What comes is not looked at; whether it is a video, ffmpeg says. Messages go to whoever named the
address. They repeat no part of it, since it may hold a token, and none of what it resolved to.
"""

import errno
import logging
import ssl
import time
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO, Final

import httpcore
import httpx

from service.addresses import resolve
from service.errors import (
    Cancelled,
    InternalError,
    JobError,
    SourceRefused,
    SourceTooLarge,
    SourceUnavailable,
    TookTooLong,
)
from service.network import AddressRefused, Connector, HostUnknown, Network, NotSecure, Resolver, begin

__all__ = ["Fetcher"]

_log = logging.getLogger(__name__)

_MOST_WAIT_SECONDS: Final = 20.0  # for the connection, and between two pieces of the body
_GLANCE_SECONDS: Final = 0.2  # how often `stopped` is asked: it may have to look into a database
_HEADERS: Final = {
    "User-Agent": "film-interpolation",
    "Accept": "*/*",
    "Accept-Encoding": "identity",  # a small file may unpack to any size
}
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

_WHY: Final[tuple[tuple[type[Exception], str], ...]] = (  # the first that fits
    (HostUnknown, "its server's name isn't known"),
    (NotSecure, "no secure connection to its server can be made; its certificate may be invalid"),
    (httpcore.ConnectTimeout, "its server doesn't answer"),
    (httpcore.ConnectError, "its server can't be reached"),
    (httpcore.TimeoutException, "its server stopped answering"),
    (httpcore.NetworkError, "the connection to its server broke"),
    (httpcore.ProtocolError, "its server broke off, or doesn't speak proper HTTP"),
)


class Fetcher:
    """Fetches sources."""

    def __init__(  # noqa: PLR0913 (one argument a limit)
        self,
        *,
        max_bytes: int,
        seconds: float,
        redirects: int,
        allow_http: bool,
        allow_private: bool,
        resolver: Resolver = resolve,
        connector: Connector = begin,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Take the limits.

        Args:
            max_bytes: Largest file.
            seconds: Longest that all of it may take.
            redirects: Most redirects that are followed.
            allow_http: Whether http:// is allowed, at first or by a redirect.
            allow_private: Whether addresses that aren't public are.
            resolver: Gives the addresses of a host.
            connector: Begins to connect to an address.
            tls: How certificates are checked.
        """
        self._max_bytes = max_bytes
        self._seconds = seconds
        self._redirects = redirects
        self._schemes = ("https", "http") if allow_http else ("https",)
        self._network = Network(allow_private=allow_private, resolver=resolver, connector=connector, tls=tls)

    def fetch(self, url: str, target: Path, *, stopped: Callable[[], bool]) -> int:
        """Fetch a file and give its size in bytes.

        Args:
            url: http or https.
            target: Written over; not there any more when this fails.
            stopped: Asked several times a second; True ends the fetch within one.

        Raises:
            SourceRefused: If the address, or one that it redirects to, isn't http(s) or isn't public.
            SourceUnavailable: If it can't be reached, or answers with anything but the file.
            SourceTooLarge: If there are more bytes than allowed.
            TookTooLong: If it takes longer than allowed.
            Cancelled: If `stopped` said so.
            InternalError: If it can't be written.
        """
        watch = self._watch(stopped)
        try:
            with target.open("wb") as file:
                size = self._follow(url, file, watch)
        except OSError as error:  # the network's own errors aren't any
            target.unlink(missing_ok=True)
            raise _unwritten(error) from error
        except BaseException:
            target.unlink(missing_ok=True)
            raise
        return size

    def _watch(self, stopped: Callable[[], bool]) -> Callable[[], None]:
        """Make what is called all the time, and raises when the fetch is to end."""
        started = asked = time.monotonic()

        def watch() -> None:
            nonlocal asked
            now = time.monotonic()
            if now - started >= self._seconds:
                raise TookTooLong(f"fetching input_video took longer than {self._seconds:g} seconds")
            if now - asked >= _GLANCE_SECONDS or asked == started:
                asked = now
                if stopped():
                    raise Cancelled

        return watch

    def _follow(self, url: str, file: BinaryIO, watch: Callable[[], None]) -> int:
        """Go from redirect to redirect until there is a file."""
        address = self._checked(url, httpx.URL())
        for _ in range(self._redirects + 1):
            try:
                found = self._ask(address, file, watch)
            except AddressRefused as error:
                raise SourceRefused from error
            except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
                raise _unavailable(error) from error
            if isinstance(found, int):
                return found
            address = self._checked(found, address)
        raise SourceUnavailable(f"input_video can't be fetched: it redirects more than {self._redirects} times")

    def _checked(self, url: str, base: httpx.URL) -> httpx.URL:
        """Give the address that `url` means on the page `base`, if its form is one that we fetch from."""
        try:
            address = base.join(url) if base.host else httpx.URL(url)
        except (httpx.InvalidURL, ValueError) as error:
            raise SourceRefused("input_video isn't, or redirects to what isn't, a proper URL") from error
        if address.scheme not in self._schemes or not address.host:
            allowed = " or ".join(f"{scheme}://" for scheme in self._schemes)
            raise SourceRefused(f"input_video, and all that it redirects to, must be at {allowed}")
        return address

    def _ask(self, address: httpx.URL, file: BinaryIO, watch: Callable[[], None]) -> int | str:
        """Ask once: give the size of the file that was written, or where else it is said to be."""
        with self._network.exchange(
            "GET", address, headers=_HEADERS, wait_seconds=min(_MOST_WAIT_SECONDS, self._seconds), watch=watch
        ) as answer:
            headers = {name.lower(): value.decode("latin-1") for name, value in answer.headers}
            if answer.status in _REDIRECTS and b"location" in headers:
                return headers[b"location"]
            if answer.status != HTTPStatus.OK:
                raise SourceUnavailable(
                    f"input_video can't be fetched: its server answered with status {answer.status}"
                )
            if headers.get(b"content-encoding", "identity").strip().lower() not in ("", "identity"):
                raise SourceUnavailable("input_video can't be fetched: its server sends it compressed, unasked")
            if int(headers.get(b"content-length", "0")) > self._max_bytes:
                raise self._too_large()
            size = 0
            for piece in answer.iter_stream():
                size += len(piece)
                if size > self._max_bytes:
                    raise self._too_large()
                file.write(piece)
            return size

    def _too_large(self) -> SourceTooLarge:
        return SourceTooLarge(f"input_video is larger than the {self._max_bytes} bytes that this service takes")


def _unavailable(error: Exception) -> SourceUnavailable:
    """Say why a server doesn't give the file."""
    why = next(words for kind, words in _WHY if isinstance(error, kind))
    return SourceUnavailable(f"input_video can't be fetched: {why}")


def _unwritten(error: OSError) -> JobError:
    """Say that it is our disk."""
    full = error.errno in _FULL
    _log.error("source not written", extra={"error": errno.errorcode.get(error.errno or 0, "?"), "disk_full": full})
    return InternalError("our disk is full; try again later, no credits were taken" if full else None)
