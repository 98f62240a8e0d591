"""Accounts, their keys, and what a key looks like.

A key is `film_` + 64 hexadecimal digits (256 random bits) + 8 digits of checksum. The prefix lets
scanners of leaked secrets recognise it, the checksum refuses a mistyped one without asking the
database. Only a keyed hash of it is stored (HMAC-SHA-256): 256 random bits can't be guessed, so
a slow password hash would add nothing, and a stolen database is useless without the server's secret.
"""

import hashlib
import hmac
import secrets
import zlib
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

__all__ = [
    "PREFIX",
    "Account",
    "Caller",
    "Hold",
    "Key",
    "Usage",
    "digest_of",
    "hint_of",
    "looks_like_key",
    "mint_key",
    "new_key_id",
    "plain",
]

PREFIX: Final = "film_"
_RANDOM_BYTES = 32
_CHECKSUM_DIGITS = 8
_LENGTH = len(PREFIX) + 2 * _RANDOM_BYTES + _CHECKSUM_DIGITS
_SHOWN = 4  # digits that may be shown, so that a person tells keys apart


@dataclass(frozen=True, kw_only=True)
class Account:
    """Who pays.

    Attributes:
        account_id: The name it was made with.
        created_at: UTC.
    """

    account_id: str
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class Key:
    """One key of an account, as it is stored.

    Attributes:
        key_id: Public; names the key in lists and logs.
        account_id: Whose it is.
        digest: Of the key itself, `digest_of`.
        hint: Its first digits.
        created_at: UTC.
        expires_at: UTC; None for never.
        revoked_at: UTC; None where it is good.
    """

    key_id: str
    account_id: str
    digest: str
    hint: str
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def is_good(self, now: datetime) -> bool:
        """Say whether it still opens anything."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who makes a request: an account, by one of its keys."""

    account_id: str
    key_id: str


@dataclass(frozen=True, kw_only=True)
class Hold:
    """Credits set aside for a job.

    Attributes:
        job_id: Whose; there is one hold a job at most.
        account_id: Whose credits.
        key_id: Whose usage it counts as.
        credits: How many; not spendable while held.
        created_at: UTC.
    """

    job_id: str
    account_id: str
    key_id: str
    credits: Decimal
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What was done with one key: jobs that COMPLETED, frames that they came to, credits that they took."""

    key_id: str
    jobs: int
    frames: int
    credits: Decimal


def mint_key() -> str:
    """Make a new key."""
    body = PREFIX + secrets.token_hex(_RANDOM_BYTES)
    return body + _checksum(body)


def new_key_id() -> str:
    """Make a key's public id."""
    return f"key_{secrets.token_hex(6)}"


def looks_like_key(text: str) -> bool:
    """Say whether `text` has a key's form and checksum."""
    body, checksum = text[:-_CHECKSUM_DIGITS], text[-_CHECKSUM_DIGITS:]
    return (
        len(text) == _LENGTH
        and text.isascii()
        and body.startswith(PREFIX)
        and hmac.compare_digest(checksum, _checksum(body))
    )


def digest_of(key: str, secret: bytes) -> str:
    """Give the hash under which a key is stored: HMAC-SHA-256 under the server's secret, hexadecimal."""
    return hmac.new(secret, b"api-key:" + key.encode(), hashlib.sha256).hexdigest()


def hint_of(key: str) -> str:
    """Give what may be shown of a key: its prefix and first digits."""
    return key[: len(PREFIX) + _SHOWN] + "…"


def plain(credits: Decimal) -> str:
    """Write credits as a person does: no exponent, no zeros at the end."""
    text = f"{credits:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _checksum(body: str) -> str:
    return f"{zlib.crc32(body.encode()):0{_CHECKSUM_DIGITS}x}"
