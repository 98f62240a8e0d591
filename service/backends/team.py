"""For a team of its own: keys from a setting, and no credits. No database is needed.

The setting is `NAME:KEY` pairs parted by commas or white space; `film-service keys mint` makes keys.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from service.accounts import Account, Hold, Key, Usage, digest_of, hint_of, looks_like_key
from service.errors import BadRequest

__all__ = ["FreeLedger", "TeamKeys"]

_SINCE: Final = datetime(1970, 1, 1, tzinfo=UTC)  # a setting doesn't say when it was made
_REFUSAL: Final = "keys and credits of a team are in its settings; give a database to keep accounts in"


class TeamKeys:
    """`KeyStore` of a setting's keys; they are revoked by taking them out of it."""

    def __init__(self, keys: str, secret: bytes) -> None:
        """Take the setting and the server's secret.

        Raises:
            ValueError: If it isn't NAME:KEY pairs with good keys; the message names the account, never a key.
        """
        self._keys: dict[str, Key] = {}
        for number, pair in enumerate(re.split(r"[\s,]+", keys.strip()), start=1):
            name, _, text = pair.rpartition(":")
            if not name or not looks_like_key(text):
                raise ValueError(
                    f"pair {number} ({name or 'without a name'}) isn't NAME:KEY with a key that was minted"
                )
            digest = digest_of(text, secret)
            self._keys[digest] = Key(
                key_id=f"key_{digest[:12]}", account_id=name, digest=digest, hint=hint_of(text), created_at=_SINCE
            )

    def add(self, account: Account, key: Key) -> None:
        """Refuse.

        Raises:
            BadRequest: Always: the setting is where keys are added.
        """
        raise BadRequest(_REFUSAL)

    def find(self, digest: str) -> Key | None:
        """Give the key of that digest, or None."""
        return self._keys.get(digest)

    def keys(self, account_id: str | None = None) -> Sequence[Key]:
        """Give all keys, or one account's."""
        return [key for key in self._keys.values() if account_id in (None, key.account_id)]

    def revoke(self, key_id: str, at: datetime) -> bool:
        """Refuse.

        Raises:
            BadRequest: Always: a key is revoked by taking it out of the setting.
        """
        raise BadRequest(_REFUSAL)


class FreeLedger:
    """`Ledger` of a house that takes nothing: every balance is 0, and enough."""

    def grant(self, account_id: str, credits: Decimal, at: datetime) -> Decimal:
        """Refuse.

        Raises:
            BadRequest: Always: there are no credits.
        """
        raise BadRequest(_REFUSAL)

    def balance(self, account_id: str) -> Decimal:
        """Give 0."""
        return Decimal(0)

    def hold(self, hold: Hold, *, most_open: int) -> None:
        """Hold nothing."""

    def change(self, job_id: str, credits: Decimal) -> None:
        """Change nothing."""

    def close(self, job_id: str, *, spent: Decimal, frames: int = 0, completed: bool = False) -> bool:
        """Say that nothing was open."""
        return False

    def open_holds(self, before: datetime, limit: int) -> Sequence[Hold]:
        """Give none."""
        return ()

    def usage(self, account_id: str | None = None) -> Sequence[Usage]:
        """Give none: nobody counts."""
        return ()
