"""What callers send along with a request: `data:` URLs, and links to their uploads.

They become artifacts at once, so that no order holds megabytes. What is at an http(s) address is
fetched later, by the worker (`service.fetch`); here only the address's form is looked at.
"""

import base64
import binascii
import re
import secrets
import tempfile
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from service.errors import BadRequest, BadSource, BadWebhook, FileNotFound
from service.links import Links
from service.ports import ArtifactStore, Stored

__all__ = ["ARTIFACT", "Intake"]

ARTIFACT: Final = "artifact:"
"""What an order's `input_video` begins with where the source lies with us."""

_DATA = re.compile(r"data:(?P<kind>[\w.+-]+/[\w.+-]+)?(?:;[\w.+-]+=[^;,]*)*;base64,", re.ASCII)
_ENDINGS = {
    "video/mp4": "mp4",
    "video/quicktime": "mov",
    "video/webm": "webm",
    "video/x-matroska": "mkv",
    "video/x-msvideo": "avi",
    "video/mpeg": "mpg",
    "image/gif": "gif",
}
_MOST_URL_CHARACTERS = 4096


class Intake:
    """Takes in what callers send."""

    def __init__(
        self,
        artifacts: ArtifactStore,
        links: Links,
        *,
        upload_seconds: float,
        allow_http: bool,
        clock: Callable[[], datetime],
    ) -> None:
        """Take where files go, and what may be named instead."""
        self._artifacts = artifacts
        self._links = links
        self._kept = timedelta(seconds=upload_seconds)
        self._schemes = ("https", "http") if allow_http else ("https",)
        self._clock = clock

    def upload(self, data_url: str) -> str:
        """Keep the file that a `data:` URL holds, and give the path and query of a link to it.

        Raises:
            BadRequest: If it isn't such a URL, or its text isn't base64, or nothing is in it.
        """
        match = _DATA.match(data_url)
        if match is None:
            raise BadRequest("data_urls must hold URLs of the form data:video/mp4;base64,...")
        ending = _ENDINGS.get((match["kind"] or "").lower(), "bin")
        stored = self._keep(data_url, match.end(), f"uploads/{secrets.token_hex(16)}/source.{ending}")
        return self._links.path(stored.name, self._clock() + self._kept)

    def source(self, job_id: str, input_video: str) -> str:
        """Give what an order holds for `input_video`: the same address, or the name of an artifact.

        Raises:
            BadSource: If it is nothing that we take.
        """
        if input_video[:5].lower() == "data:":
            match = _DATA.match(input_video)
            if match is None or not (match["kind"] or "").lower().startswith("video/"):
                raise BadSource("input_video as data must have the form data:video/mp4;base64,...")
            return ARTIFACT + self._keep(input_video, match.end(), f"sources/{job_id}/source").name
        self._check_address(input_video, BadSource, "input_video")
        try:
            name = self._links.artifact_of(input_video)
            if name is not None:
                self._artifacts.path(name)
        except FileNotFound as error:
            raise BadSource("input_video is a link of this service that has expired; upload the video again") from error
        return input_video if name is None else ARTIFACT + name

    def check_webhook(self, webhook_url: str) -> None:
        """Refuse what can't be called.

        Raises:
            BadWebhook: If it isn't an http(s) address.
        """
        self._check_address(webhook_url, BadWebhook, "webhook_url")

    def _check_address(self, url: str, error: type[BadRequest], name: str) -> None:
        allowed = " or ".join(f"{scheme}://" for scheme in self._schemes)
        try:
            parts = urlsplit(url)
            good = parts.scheme.lower() in self._schemes and parts.hostname and parts.port != 0
        except ValueError:
            good = False
        if not good:
            raise error(
                f"{name} must be a URL that begins with {allowed}"
                + (", a data:video/...;base64,... URL, or the URL of an upload" if error is BadSource else "")
            )
        if len(url) > _MOST_URL_CHARACTERS:
            raise error(f"{name} has more than {_MOST_URL_CHARACTERS} characters")
        if parts.username is not None or parts.password is not None:
            raise error(f"{name} must not hold a user name or password")
        if re.search(r"[\x00-\x20\x7f]", url):
            raise error(f"{name} must not hold spaces or control characters; percent-encode them")

    def _keep(self, data_url: str, start: int, name: str) -> Stored:
        """Decode what follows `start`, a slice at a time, and store it."""
        with tempfile.TemporaryDirectory(prefix="film-intake-") as folder:
            file = Path(folder, "source")
            with file.open("wb") as out:
                step = 4 << 20  # a multiple of 4 characters, which are 3 bytes
                try:
                    for at in range(start, len(data_url), step):
                        out.write(base64.b64decode(data_url[at : at + step], validate=True))
                except (binascii.Error, ValueError) as error:
                    raise BadRequest("the data: URL doesn't hold valid base64") from error
                empty = out.tell() == 0
            if empty:
                raise BadRequest("the data: URL holds nothing")
            return self._artifacts.put(name, file)
