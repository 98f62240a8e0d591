"""One file over HTTP, resumed where the last try ended.

The standard library's client does: no cookies, no authentication, and redirects and proxies it
knows. What it lacks, resuming, is here (RFC 9110, sections 13.1.5 and 14).
"""

import http.client
import re
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from film.errors import FetchFailed, NoSpace
from film.weights.files import disk_errors

__all__ = ["Progress", "Redirects", "Transfer"]

Progress = Callable[[int, int | None], None]  # bytes at hand, bytes in all where known

_CHUNK_BYTES = 256 * 1024
_ATTEMPTS = 8  # for one file, and only as long as each changes what is at hand
_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", re.ASCII)


class _Interrupted(Exception):
    """The transfer ended early, but another attempt may finish it."""


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """What to bring, and how patiently.

    Attributes:
        url: http or https.
        target: Where the file grows. What a former try left here is continued, if the server
            still has the same file. Beside it lies the ETag, without which two parts
            can't be known to be of one file.
        limit_bytes: A larger file is refused.
        timeout_seconds: How long the server may stay silent.
        on_progress: Told the bytes at hand, and in all where that is known.
    """

    url: str
    target: Path
    limit_bytes: int
    timeout_seconds: float
    on_progress: Progress

    def run(self) -> None:
        """Bring the file; a lost connection is taken up again at once, as long as each brings bytes.

        Raises:
            FetchFailed: If the server can't be reached, answers with an error, ends early, or
                has a file beyond the limit. What came so far stays, except in the last case.
            NoSpace: If the disk is full, or too small for the rest.
            TargetUnwritable: If the target can't be written.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            before = self._size_bytes()
            try:
                self._attempt()
            except _Interrupted as error:
                if attempt == _ATTEMPTS or self._size_bytes() == before:
                    raise FetchFailed(f"{self.url} {error}") from error
            else:
                return

    def _attempt(self) -> None:
        response = self._ask()
        if response is None:
            return
        with response:
            have, total = self._position(response)
            self._check_room(have, total)
            with disk_errors(self.target):
                file = self.target.open("ab")
            with file:
                for chunk in _chunks(response):
                    have += len(chunk)
                    self._check_room(have, total)
                    with disk_errors(self.target):
                        file.write(chunk)
                        file.flush()
                    self.on_progress(have, total)
        if total is not None and have < total:
            raise _Interrupted(f"ended after {have} of {total} bytes")

    def _ask(self) -> Any | None:
        """Send the request; None says that all of the file is at hand already."""
        have, etag = self._size_bytes(), self._etag()
        headers = {"User-Agent": "film-interpolation", "Accept-Encoding": "identity"}
        if have and etag:
            headers |= {"Range": f"bytes={have}-", "If-Range": etag}
        try:
            request = urllib.request.Request(self.url, headers=headers)  # noqa: S310 - `Source` takes http and https only
            return urllib.request.build_opener(Redirects).open(request, timeout=self.timeout_seconds)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or "Range" not in headers:
                raise FetchFailed(f"{self.url} answered {error.code} {_one_line(error.reason)}") from error
            end = _CONTENT_RANGE.fullmatch(error.headers.get("Content-Range", ""))
            if not end or end[2] != str(have):
                self._discard()
                raise _Interrupted("has another file than before") from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise FetchFailed(f"{self.url} can't be reached: {_reason(error)}") from error
        self.on_progress(have, have)
        return None

    def _position(self, response: Any) -> tuple[int, int | None]:
        """Say at which byte the answer begins, and how many the file has; begin anew where it doesn't go on."""
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise FetchFailed(f"{self.url} answered in an encoding that wasn't asked for")
        etag = response.headers.get("ETag")
        if response.status == HTTPStatus.OK:
            self._begin(etag)
            return 0, response.length
        if response.status != HTTPStatus.PARTIAL_CONTENT:
            raise FetchFailed(f"{self.url} answered {response.status} {_one_line(response.reason)}")
        have = self._size_bytes()
        part = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if not part or part[1] != str(have) or etag not in (None, self._etag()):
            self._discard()
            raise _Interrupted("sent another part than was asked for")
        return have, None if part[2] == "*" else int(part[2])

    def _check_room(self, have: int, total: int | None) -> None:
        expected = have if total is None else total
        if expected > self.limit_bytes:
            self._discard()
            raise FetchFailed(f"{self.url} has more than the {self.limit_bytes} bytes allowed")
        missing = expected - have
        if missing > shutil.disk_usage(self.target.parent).free:
            raise NoSpace(f"{self.target.parent} has no room for {missing} more bytes; free some space and try again")

    def _etag_path(self) -> Path:
        return self.target.with_name(self.target.name + ".etag")

    def _size_bytes(self) -> int:
        return self.target.stat().st_size if self.target.exists() else 0

    def _etag(self) -> str | None:
        return self._etag_path().read_text(encoding="latin-1") if self._etag_path().exists() else None

    def _begin(self, etag: str | None) -> None:
        with disk_errors(self.target):
            self.target.parent.mkdir(parents=True, exist_ok=True)
            self._etag_path().unlink(missing_ok=True)
            self.target.open("wb").close()
            if etag is not None and not etag.startswith("W/"):  # a weak one promises no equal bytes
                self._etag_path().write_text(etag, encoding="latin-1")

    def _discard(self) -> None:
        with disk_errors(self.target):
            self._etag_path().unlink(missing_ok=True)
            self.target.unlink(missing_ok=True)


class Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but never from https to anything less, nor out of HTTP."""

    def redirect_request(  # noqa: PLR0913, PLR0917 - the standard library's signature
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> Any:
        """Make the next request.

        Raises:
            FetchFailed: If it would leave https, or HTTP altogether.
        """
        scheme = urlsplit(newurl).scheme
        if scheme != "https" and (scheme != "http" or urlsplit(req.full_url).scheme == "https"):
            raise FetchFailed(f"{req.full_url} redirects to {scheme or 'nothing'}, which isn't followed")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _chunks(response: Any) -> Iterator[bytes]:
    """Give the body as it comes.

    Raises:
        _Interrupted: If the connection is lost, falls silent, or its framing breaks.
    """
    while True:
        try:
            chunk = response.read1(_CHUNK_BYTES)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _Interrupted(f"was cut off: {_reason(error)}") from error
        if not chunk:
            return
        yield chunk


def _reason(error: BaseException) -> str:
    """Say in a few words what went wrong on the way."""
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, TimeoutError):
        return "no answer in time"
    if isinstance(cause, OSError) and cause.strerror:
        return _one_line(cause.strerror)
    return _one_line(cause) or type(cause).__name__


def _one_line(words: object) -> str:
    return " ".join(str(words).split())[:200]
