"""The settings: every one is documented, read from its variable, and in the table; and what a log line looks like."""

import json
import logging
import sys

import pytest

from service.commands.settings import render
from service.logs import JsonLines
from service.settings import Settings


def test_every_setting_is_in_the_table_with_its_default() -> None:
    table = render().splitlines()
    assert table[0] == "| variable | default | meaning |"
    assert len(table) == 2 + len(Settings.model_fields)
    assert all(field.description for field in Settings.model_fields.values())
    assert any(line.startswith("| `FILM_PRICE_PER_MEGAPIXEL` | `0.01` | ") for line in table)
    assert any(line.startswith("| `FILM_ALLOW_HTTP` | `true` | ") for line in table)


def test_a_setting_is_read_from_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FILM_STOP_SECONDS", "7")
    monkeypatch.setenv("FILM_MODEL", "")
    settings = Settings.read()
    assert (settings.stop_seconds, settings.model) == (7, None)


def _logged(message: str, **extra: object) -> dict[str, object]:
    try:
        raise ValueError("https://user:pass@example.com/x?token=1 broke")  # noqa: TRY301 (for its traceback)
    except ValueError:
        record = logging.getLogger("x").makeRecord("x", 20, "f", 1, message, (), sys.exc_info(), extra=extra)
    line = JsonLines().format(record)
    assert "\n" not in line
    found: dict[str, object] = json.loads(line)
    return found


def test_a_log_line_is_json_with_what_happened_and_what_it_was_given() -> None:
    line = _logged("queued", job="abc", attempt=2)
    assert {"event": "queued", "level": "INFO", "logger": "x", "job": "abc", "attempt": 2}.items() <= line.items()
    assert str(line["time"]).endswith("+00:00")


def test_no_key_address_or_payload_gets_into_the_log() -> None:
    key = "film_" + "0123456789abcdef" * 4 + "00000000"
    line = _logged(f"called with {key}", body="data:video/mp4;base64,AAAA", secret="whsec_abc+/=")  # noqa: S106 (none)
    text = json.dumps(line)
    for secret in (key, "example.com", "token", "AAAA", "whsec_abc"):
        assert secret not in text
    assert line["event"] == "called with [key]"
