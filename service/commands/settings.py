"""`film-service settings`: every variable that can be set, as a table in Markdown."""

import argparse
from decimal import Decimal
from typing import Any

from pydantic_core import PydanticUndefined

from service.settings import Settings

__all__ = ["add_parser", "render"]


def add_parser(subparsers: Any) -> None:
    """Add the `settings` command to an argument parser's subcommands."""
    parser = subparsers.add_parser("settings", help="list every setting, as a table in Markdown")
    parser.set_defaults(run=_run)


def render() -> str:
    """Give the table: variable, default, meaning."""
    lines = ["| variable | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        assert field.default is not PydanticUndefined, "every setting has a default"
        lines.append(f"| `FILM_{name.upper()}` | {_shown(field.default)} | {field.description} |")
    return "\n".join(lines)


def _run(arguments: argparse.Namespace) -> int:
    del arguments
    print(render())
    return 0


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value:f}`" if isinstance(value, Decimal) else f"`{value}`"
