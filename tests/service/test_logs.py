"""What a process that logs writes on standard error: lines of JSON and nothing else, however it ends."""

import json
import subprocess
import sys

PROGRAM = """
import logging, threading, warnings
from service.logs import configure
configure({level!r})
logging.getLogger("service.x").debug("a detail")
logging.getLogger("httpx").info("GET https://example.com/clip.mp4?token=1")
logging.getLogger("sqlalchemy.engine").info("SELECT 1")
warnings.warn("old")
thread = threading.Thread(target=lambda: 1 / 0)
thread.start()
thread.join()
raise ValueError("https://example.com/?token=1")
"""


def _events(level: str) -> list[dict[str, str]]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(level=level)], check=False, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "token" not in done.stderr
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_warnings_and_what_ends_a_thread_or_the_process_are_lines_of_json() -> None:
    events = _events("INFO")
    assert [event["event"] for event in events[1:]] == ["uncaught", "uncaught"]
    assert "UserWarning: old" in events[0]["event"]
    assert "ZeroDivisionError" in events[1]["traceback"]
    assert "ValueError: [address]" in events[2]["traceback"]


def test_libraries_say_nothing_below_warnings_whatever_the_level() -> None:
    assert [event["event"] for event in _events("DEBUG") if event["level"] in {"DEBUG", "INFO"}] == ["a detail"]
    assert len(_events("ERROR")) == 2
