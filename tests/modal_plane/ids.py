"""Names of objects as Modal writes them: a prefix for the kind, then a token."""

import hashlib
import secrets

__all__ = ["fresh_id", "stable_id"]


def fresh_id(prefix: str) -> str:
    return f"{prefix}-{secrets.token_hex(11)}"


def stable_id(prefix: str, *parts: object) -> str:
    """Give the same id for the same parts, whenever it is asked for."""
    return f"{prefix}-{hashlib.sha256(repr(parts).encode()).hexdigest()[:22]}"
