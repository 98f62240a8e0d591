"""Answers that are files: streamed from disk, in ranges, or as base64 text inside JSON."""

import base64
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from fastapi.responses import FileResponse, StreamingResponse
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from service.errors import FileNotFound
from service.web.bodies import content_type_of, file_name_of
from service.web.errors import error_response

__all__ = ["Base64Response", "ClipResponse", "satisfiable"]

_RANGE = re.compile(r"(?P<first>[0-9]{0,18})-(?P<last>[0-9]{0,18})", re.ASCII)
_MOST_RANGES: Final = 16
_STEP: Final = 3 << 16  # bytes; a multiple of 3, so that pieces of base64 join without padding between them


class ClipResponse(FileResponse):
    """A stored file, whole or in ranges (RFC 9110, section 14).

    Ranges that no grammar knows are ignored, as the RFC has it; those beyond the end are refused with 416.
    """

    def __init__(self, file: Path, artifact: str, headers: Mapping[str, str] | None = None) -> None:
        """Take the file and its name in the store.

        Raises:
            FileNotFound: If it is gone.
        """
        try:
            stat = file.stat()
        except OSError as error:
            raise FileNotFound from error
        self._size = stat.st_size
        super().__init__(
            file,
            headers={"X-Content-Type-Options": "nosniff", "Cache-Control": "private, max-age=3600", **(headers or {})},
            media_type=content_type_of(artifact),
            filename=file_name_of(artifact),
            stat_result=stat,
            content_disposition_type="inline",
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        sent = Headers(scope=scope)
        wanted = sent.get("range")
        condition = sent.get("if-range")
        stale = condition is not None and condition not in {self.headers["etag"], self.headers["last-modified"]}
        ranges = None if wanted is None or stale or scope["method"] != "GET" else satisfiable(wanted, self._size)
        if ranges is not None and not ranges:
            refusal = error_response(
                416,
                f"the file has {self._size} bytes",
                "range_not_satisfiable",
                headers={"Content-Range": f"bytes */{self._size}", **_cors_of(self.headers)},
            )
            await refusal(scope, receive, send)
            return
        kept = [(name, value) for name, value in scope["headers"] if name.lower() not in {b"range", b"if-range"}]
        if ranges:
            kept.append((b"range", ("bytes=" + ",".join(f"{first}-{last}" for first, last in ranges)).encode()))
        await super().__call__({**scope, "headers": kept}, receive, send)


def satisfiable(header: str, size: int) -> list[tuple[int, int]] | None:
    """Give the ranges of a `Range` header that lie in a file, first and last byte; None where it is to be ignored."""
    unit, _, listed = header.partition("=")
    parts = [part.strip() for part in listed.split(",") if part.strip()]
    if unit.strip().lower() != "bytes" or not 0 < len(parts) <= _MOST_RANGES:
        return None
    found = []
    for part in parts:
        match = _RANGE.fullmatch(part)
        if match is None or part == "-":
            return None
        if not match["first"]:
            first, last = max(0, size - int(match["last"])), size - 1
        else:
            first, last = int(match["first"]), min(size - 1, int(match["last"] or size))
            if match["last"] and int(match["last"]) < first:
                return None
        if first <= last:
            found.append((first, last))
    return found


def _cors_of(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.startswith("access-control-")}


class Base64Response(StreamingResponse):
    """JSON in which a file's base64 text stands wherever a mark stood; no more than a piece of it is in memory."""

    def __init__(self, template: str, mark: str, file: Path, headers: Mapping[str, str] | None = None) -> None:
        """Take the JSON, the mark in it, and the file.

        Raises:
            FileNotFound: If the file is gone.
        """
        try:
            size = file.stat().st_size
        except OSError as error:
            raise FileNotFound from error
        between = [part.encode() for part in template.split(mark)]
        length = sum(map(len, between)) + (len(between) - 1) * (-(-size // 3) * 4)
        headers = {"Cache-Control": "no-store", **(headers or {}), "Content-Length": str(length)}
        super().__init__(_filled(between, file), headers=headers, media_type="application/json")


def _filled(between: list[bytes], file: Path) -> Iterator[bytes]:
    for number, part in enumerate(between):
        if number:
            with file.open("rb") as source:
                while piece := source.read(_STEP):
                    yield base64.b64encode(piece)
        yield part
