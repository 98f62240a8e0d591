"""Tell a caller's webhook: one POST, signed as the Standard Webhooks specification (1.0) says.

Every account has a secret of its own, which follows from the server's, so that none is stored. What
the receiver answers is a status; its body isn't looked at and its redirects aren't followed.
"""

import base64
import contextlib
import hashlib
import hmac
import json
import ssl
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

import httpcore
import httpx
from standardwebhooks import Webhook

from service.addresses import resolve
from service.network import AddressRefused, Connector, Network, Resolver, begin

__all__ = ["Undelivered", "Webhooks", "message_id", "signing_secret"]

_MOST_ANSWER_BYTES: Final = 4096  # read out of politeness: a receiver may stumble over a reset


class Undelivered(Exception):
    """There was no answer; the message says why, in a word for the log."""


def signing_secret(secret: bytes, account_id: str) -> str:
    """Give the secret that an account's webhooks are signed with, as its owner has to enter it."""
    derived = hmac.new(secret, f"webhook:{account_id}".encode(), hashlib.sha256).digest()
    return f"whsec_{base64.b64encode(derived).decode()}"


def message_id(job_id: str) -> str:
    """Give the id by which a receiver knows that it was told of a job before."""
    return f"msg_{job_id}"


class Webhooks:
    """Posts to receivers."""

    def __init__(  # noqa: PLR0913 (plain values)
        self,
        *,
        secret: bytes,
        seconds: float,
        allow_http: bool,
        allow_private: bool,
        resolver: Resolver = resolve,
        connector: Connector = begin,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Take the server's secret and the limits.

        Args:
            secret: What the accounts' secrets are made from.
            seconds: Longest that one POST may take, from the look-up of the host's name on.
            allow_http: Whether http:// is allowed.
            allow_private: Whether addresses that aren't public are.
            resolver: Gives the addresses of a host.
            connector: Begins to connect to an address.
            tls: How certificates are checked.
        """
        self._secret = secret
        self._seconds = seconds
        self._schemes = ("https", "http") if allow_http else ("https",)
        self._network = Network(allow_private=allow_private, resolver=resolver, connector=connector, tls=tls)

    def post(self, url: str, body: Mapping[str, Any], *, job_id: str, account_id: str, at: datetime) -> int:
        """Post what became of a job and give the status of the answer.

        Args:
            url: The receiver.
            body: What JSON can hold.
            job_id: The message's id follows from it.
            account_id: Whose secret signs.
            at: When, UTC. Receivers refuse what is minutes old.

        Raises:
            Undelivered: If there was no answer in time, or the address is none that we post to.
        """
        text = json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        message = message_id(job_id)
        headers = {
            "User-Agent": "film-interpolation",
            "Accept-Encoding": "identity",
            "Content-Type": "application/json",
            "webhook-id": message,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": Webhook(signing_secret(self._secret, account_id)).sign(message, at, text),
        }
        try:
            return self._send(self._address(url), headers, text.encode())
        except AddressRefused as error:
            raise Undelivered("address refused") from error
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
            raise Undelivered(type(error).__name__) from error

    def _address(self, url: str) -> httpx.URL:
        try:
            address = httpx.URL(url)
        except (httpx.InvalidURL, ValueError) as error:
            raise Undelivered("no proper URL") from error
        if address.scheme not in self._schemes or not address.host:
            raise Undelivered("scheme refused")
        return address

    def _send(self, address: httpx.URL, headers: Mapping[str, str], content: bytes) -> int:
        with self._network.exchange(
            "POST",
            address,
            headers=headers,
            content=content,
            wait_seconds=self._seconds,
            watch=_until(time.monotonic() + self._seconds),
        ) as answer:
            # The status counts, whatever becomes of the rest.
            with contextlib.suppress(
                Undelivered, httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError
            ):
                read = 0
                for piece in answer.iter_stream():
                    read += len(piece)
                    if read > _MOST_ANSWER_BYTES:
                        break
            return answer.status


def _until(deadline: float) -> Callable[[], None]:
    """Make what ends an exchange at a moment of the monotonic clock, in seconds."""

    def watch() -> None:
        if time.monotonic() >= deadline:
            raise Undelivered("too slow")

    return watch
