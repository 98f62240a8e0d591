"""Who is let in: from a header's text to a caller, and how often."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from service.accounts import Account, Caller, Key, digest_of, hint_of, looks_like_key, mint_key, new_key_id
from service.errors import KeyInvalid, KeyMissing, RateLimited
from service.ports import KeyStore, Ledger

__all__ = ["Access"]


class Access:
    """Keys: made, checked, revoked, and kept from calling too often.

    How often a key calls is counted in this process alone: several web processes allow as many times more.
    """

    def __init__(
        self,
        keys: KeyStore,
        ledger: Ledger,
        *,
        secret: bytes,
        requests_per_minute: int,
        clock: Callable[[], datetime],
    ) -> None:
        """Take what keys are stored in, and the server's secret, which they are hashed with."""
        self._keys = keys
        self._ledger = ledger
        self._secret = secret
        self._clock = clock
        self._rate = RateLimitItemPerMinute(requests_per_minute)
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def authenticate(self, key: str | None) -> Caller:
        """Say whose key it is.

        Raises:
            KeyMissing: If there is none.
            KeyInvalid: If it isn't one, or is revoked or expired.
        """
        if not key:
            raise KeyMissing
        if not looks_like_key(key):
            raise KeyInvalid
        found = self._keys.find(digest_of(key, self._secret))
        if found is None or not found.is_good(self._clock()):
            raise KeyInvalid
        return Caller(account_id=found.account_id, key_id=found.key_id)

    def count(self, caller: Caller) -> None:
        """Count one call of a key.

        Raises:
            RateLimited: If it calls too often.
        """
        if not self._limiter.hit(self._rate, caller.key_id):
            reset = self._limiter.get_window_stats(self._rate, caller.key_id).reset_time
            raise RateLimited(retry_at=datetime.fromtimestamp(reset, UTC))

    def create_key(
        self, account_id: str, *, credits: Decimal = Decimal(0), valid_for: timedelta | None = None
    ) -> tuple[str, Key]:
        """Make a key, and its account where there is none of that name, and grant it credits.

        Returns:
            The key itself, which is stored nowhere, and what is stored of it.
        """
        now = self._clock()
        text = mint_key()
        key = Key(
            key_id=new_key_id(),
            account_id=account_id,
            digest=digest_of(text, self._secret),
            hint=hint_of(text),
            created_at=now,
            expires_at=None if valid_for is None else now + valid_for,
        )
        self._keys.add(Account(account_id=account_id, created_at=now), key)
        if credits:
            self._ledger.grant(account_id, credits, now)
        return text, key
