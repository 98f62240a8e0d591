"""What happened, a line of JSON each, on standard error.

Keys, addresses and payloads don't belong there. Should one slip into a message or a traceback
all the same, it is blotted out here.
"""

import json
import logging
import re
import sys
import threading
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final

__all__ = ["JsonLines", "configure"]

_log = logging.getLogger(__name__)

_USUAL: Final = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "color_message"}
_SECRETS: Final = (
    (re.compile(r"\bfilm_[0-9a-f]{8,}"), "[key]"),
    (re.compile(r"\bwhsec_[\w+/=]+"), "[secret]"),
    (re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s'\"<>]+", re.IGNORECASE), "[address]"),
    (re.compile(r"\bdata:[\w.+/-]*[;,][^\s'\"]+", re.IGNORECASE), "[data]"),
)
# Below warnings they say how they work, not what happened; some of it addresses and statements.
_CHATTY: Final = ("absl", "asyncio", "h5py", "httpcore", "httpx", "sqlalchemy", "tensorflow", "uvicorn")


class JsonLines(logging.Formatter):
    """Writes a record as one line: time, level, event, whatever it was given besides, and a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Give the line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "event": record.getMessage(),
            "logger": record.name,
        }
        line |= {name: value for name, value in record.__dict__.items() if name not in _USUAL}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps({name: _blotted(value) for name, value in line.items()}, ensure_ascii=False)


def configure(level: str) -> None:
    """Log everything from `level` on to standard error, warnings and what ends a thread or the process among it."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelNamesMapping()[level]))
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_uncaught
    threading.excepthook = lambda ended: _log_uncaught(
        ended.exc_type, ended.exc_value or ended.exc_type(), ended.exc_traceback
    )


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    _log.critical("uncaught", exc_info=(kind, error, trace))


def _blotted(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    text = str(value)
    for secret, stand_in in _SECRETS:
        text = secret.sub(stand_in, text)
    return text
