"""Links to files that work without a key: signed, and good for a while.

`/files/NAME?expires=UNIX&signature=HEX`, the signature an HMAC-SHA-256 over both under the server's
secret. Whoever has the link has the file; nobody can make one.
"""

import hashlib
import hmac
from collections.abc import Callable
from datetime import datetime
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from service.errors import FileNotFound

__all__ = ["FILES", "Links"]

FILES = "/files/"
_PLACES = ("uploads/", "results/")  # below which links may lead


class Links:
    """Makes links and checks them."""

    def __init__(self, secret: bytes, clock: Callable[[], datetime]) -> None:
        """Take the server's secret."""
        self._secret = secret
        self._clock = clock

    def path(self, name: str, expires_at: datetime) -> str:
        """Give the path and query of a link to the artifact `name`."""
        expires = str(int(expires_at.timestamp()))
        query = urlencode({"expires": expires, "signature": self._signature(name, expires)})
        return f"{FILES}{quote(name)}?{query}"

    def check(self, name: str, expires: str, signature: str) -> None:
        """Let a link pass.

        Raises:
            FileNotFound: If it has expired or its signature is wrong: which one isn't said.
        """
        if not self._is_good(name, expires, signature) or int(expires) <= self._clock().timestamp():
            raise FileNotFound
        if not name.startswith(_PLACES):
            raise FileNotFound

    def artifact_of(self, url: str) -> str | None:
        """Give the name of the artifact that a link of ours leads to, or None where `url` is no link of ours.

        The host isn't looked at: whatever proxy it goes by, only we can have signed it.

        Raises:
            FileNotFound: If it was one and has expired.
        """
        parts = urlsplit(url)
        query = parse_qs(parts.query)
        if FILES not in parts.path or not {"expires", "signature"} <= query.keys():
            return None
        name = unquote(parts.path.partition(FILES)[2])
        expires, signature = query["expires"][0], query["signature"][0]
        if not self._is_good(name, expires, signature):
            return None
        self.check(name, expires, signature)
        return name

    def _is_good(self, name: str, expires: str, signature: str) -> bool:
        # Anything may stand in a link that isn't ours, half a surrogate pair as well.
        return hmac.compare_digest(self._signature(name, expires).encode(), signature.encode(errors="replace"))

    def _signature(self, name: str, expires: str) -> str:
        text = f"link:{name}:{expires}".encode(errors="surrogatepass")
        return hmac.new(self._secret, text, hashlib.sha256).hexdigest()
