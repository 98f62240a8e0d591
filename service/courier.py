"""Sees to it that webhooks are told of every end, across restarts."""

from typing import Protocol

__all__ = ["Courier"]


class Courier(Protocol):
    """Placeholder shape while the real one is written."""

    def deliver_due(self) -> int:
        """Deliver what is due; give how many were tried."""
        ...
