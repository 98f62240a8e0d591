"""What the subcommands share: the settings, the shop, and how lists are printed."""

import argparse
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from service.bootstrap import open_shop
from service.settings import Settings
from service.shop import Shop

__all__ = ["SettingsError", "add_data", "add_json", "opened", "print_rows", "read_settings", "shop_of"]


class SettingsError(Exception):
    """A setting is wrong; the message names its variable."""


def add_data(parser: argparse.ArgumentParser) -> None:
    """Add `--data`."""
    parser.add_argument("--data", type=Path, metavar="DIR", help="the data folder; default FILM_DATA_DIR, or ./data")


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add `--json`."""
    parser.add_argument("--json", action="store_true", help="as JSON")


def read_settings(arguments: argparse.Namespace) -> Settings:
    """Read the environment, and the folder from the command line.

    Raises:
        SettingsError: If a value is out of its range.
    """
    try:
        return Settings.read() if arguments.data is None else Settings(data_dir=arguments.data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = "_".join(str(part) for part in first["loc"][:1]).upper().removeprefix("FILM_")
        raise SettingsError(f"FILM_{name}: {first['msg']}") from error


def shop_of(settings: Settings, **options: Any) -> Shop:
    """Open the shop.

    Raises:
        SettingsError: If the settings have no proper database or keys.
        BackendAway: If folder or database can't be used.
    """
    try:
        return open_shop(settings, **options)
    except ValueError as error:
        raise SettingsError(str(error)) from error  # it names its variable, and no value


@contextmanager
def opened(arguments: argparse.Namespace) -> Iterator[Shop]:
    """Open the shop that a command line is about, and close it afterwards; raises as `read_settings` and `shop_of`."""
    shop = shop_of(read_settings(arguments))
    try:
        yield shop
    finally:
        shop.close()


def print_rows(rows: Sequence[dict[str, Any]], *, as_json: bool) -> None:
    """Print a list: as JSON, or a line each, its values parted by tabs under their names."""
    if as_json:
        print(json.dumps(list(rows), indent=2))
        return
    if rows:
        print("\t".join(rows[0]))
    for row in rows:
        print("\t".join("-" if value is None else str(value) for value in row.values()))
