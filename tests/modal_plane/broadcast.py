"""Waiting for something to happen, by as many as like."""

import asyncio
import contextlib

__all__ = ["Broadcast"]


class Broadcast:
    """Wakes everybody who waits at the moment."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def fire(self) -> None:
        event, self._event = self._event, asyncio.Event()
        event.set()

    async def wait(self, seconds: float | None = None) -> None:
        """Wait for the next `fire`, or until the seconds are over."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._event.wait(), seconds)
