"""What the web process does beside answering, where no platform does it: upkeep and webhooks."""

import logging
import threading
from collections.abc import Callable

__all__ = ["Chore"]

_log = logging.getLogger(__name__)


class Chore:
    """Something done again and again in a thread of its own, until it is stopped."""

    def __init__(self, name: str, do: Callable[[], object], *, seconds: float) -> None:
        """Take what to do, and the pause between two rounds."""
        self._name = name
        self._do = do
        self._seconds = seconds
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"chore-{name}", daemon=True)

    def start(self) -> None:
        """Begin with a first round."""
        self._thread.start()

    def stop(self) -> None:
        """Begin no further round."""
        self._stopped.set()

    def join(self, patience_seconds: float) -> None:
        """Wait for the round that runs, no longer than so many seconds."""
        self._thread.join(patience_seconds)

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._do()
            except Exception:  # noqa: BLE001 (whatever it was, the next round may do better; nobody else would do it)
                _log.exception("a chore failed", extra={"chore": self._name})
            self._stopped.wait(self._seconds)
