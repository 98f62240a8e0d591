"""`film-service keys`, `credits` and `webhooks`: who may order, with what credits, and how they know our calls."""

import argparse
import re
import sys
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from service.accounts import Key
from service.bootstrap import read_secret
from service.commands.common import add_data, add_json, print_rows, read_settings, shop_of
from service.errors import NotFound
from service.ports import KeyStore
from service.webhooks import signing_secret

__all__ = ["add_parser"]

_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,99}", re.ASCII)
_MOST_CREDITS = Decimal(10**9)
_MOST_DAYS = timedelta(days=36_500)


def add_parser(subparsers: Any) -> None:
    """Add the three commands to an argument parser's subcommands."""
    keys = _group(subparsers, "keys", "make, list and revoke keys")
    create = _action(keys, "create", _create, "make a key, and its account where there is none of that name")
    create.add_argument("name", type=_name, metavar="NAME", help="the account")
    create.add_argument("--credits", type=_credits, default=Decimal(0), metavar="N", help="credits to grant with it")
    create.add_argument(
        "--expires", type=_span, metavar="SPAN", help="when it ends to be good: 12h, 30d; default never"
    )
    add_json(_action(keys, "list", _list, "show all keys"))
    revoke = _action(keys, "revoke", _revoke, "make a key good for nothing")
    revoke.add_argument("key_id", metavar="KEY_ID", help="as `keys list` shows it")

    credits = _group(subparsers, "credits", "grant credits, and show them")
    grant = _action(credits, "grant", _grant, "add credits; a negative number takes some")
    grant.add_argument("name", type=_name, metavar="NAME", help="the account")
    grant.add_argument("credits", type=_any_credits, metavar="N")
    show = _action(credits, "show", _show, "show balances, and what was done with each key")
    show.add_argument("name", type=_name, nargs="?", metavar="NAME", help="the account; default all")
    add_json(show)

    webhooks = _group(subparsers, "webhooks", "what receivers of webhooks need")
    secret = _action(webhooks, "secret", _secret, "print the secret that an account's webhooks are signed with")
    secret.add_argument("name", type=_name, metavar="NAME", help="the account")


def _group(subparsers: Any, name: str, help: str) -> Any:  # noqa: A002 (argparse's word)
    parser = subparsers.add_parser(name, help=help)
    return parser.add_subparsers(title="actions", metavar="ACTION", required=True)


def _action(group: Any, name: str, run: Any, help: str) -> argparse.ArgumentParser:  # noqa: A002 (the same)
    parser: argparse.ArgumentParser = group.add_parser(name, help=help)
    parser.set_defaults(run=run)
    add_data(parser)
    return parser


def _create(arguments: argparse.Namespace) -> int:
    shop = shop_of(read_settings(arguments))
    text, key = shop.access.create_key(arguments.name, credits=arguments.credits, valid_for=arguments.expires)
    print(text, flush=True)  # alone on standard output, for scripts
    print(f"film-service: {key.key_id} of {key.account_id}; the key is shown this once", file=sys.stderr)
    return 0


def _list(arguments: argparse.Namespace) -> int:
    shop = shop_of(read_settings(arguments))
    now = shop.clock()
    rows = [
        {
            "key_id": key.key_id,
            "account": key.account_id,
            "key": key.hint,
            "state": "good" if key.is_good(now) else "revoked" if key.revoked_at else "expired",
            "created_at": key.created_at.isoformat(timespec="seconds"),
            "expires_at": key.expires_at and key.expires_at.isoformat(timespec="seconds"),
        }
        for key in shop.keys.keys()  # noqa: SIM118 (a store, no dictionary)
    ]
    print_rows(rows, as_json=arguments.json)
    return 0


def _revoke(arguments: argparse.Namespace) -> int:
    shop = shop_of(read_settings(arguments))
    if not shop.keys.revoke(arguments.key_id, shop.clock()):
        raise NotFound(f"there is no key {arguments.key_id}; `film-service keys list` shows those there are")
    return 0


def _grant(arguments: argparse.Namespace) -> int:
    shop = shop_of(read_settings(arguments))
    _keys_of(shop.keys, arguments.name)
    print(_plain(shop.ledger.grant(arguments.name, arguments.credits, shop.clock())))
    return 0


def _show(arguments: argparse.Namespace) -> int:
    shop = shop_of(read_settings(arguments))
    keys = shop.keys.keys() if arguments.name is None else _keys_of(shop.keys, arguments.name)
    usage = {used.key_id: used for used in shop.ledger.usage(arguments.name)}
    rows = []
    for key in keys:
        used = usage.get(key.key_id)
        rows.append(
            {
                "account": key.account_id,
                "balance": _plain(shop.ledger.balance(key.account_id)),
                "key_id": key.key_id,
                "jobs": used.jobs if used else 0,
                "frames": used.frames if used else 0,
                "credits": _plain(used.credits if used else Decimal(0)),
            }
        )
    print_rows(rows, as_json=arguments.json)
    return 0


def _secret(arguments: argparse.Namespace) -> int:
    settings = read_settings(arguments)
    _keys_of(shop_of(settings).keys, arguments.name)
    print(signing_secret(read_secret(settings), arguments.name))
    return 0


def _keys_of(keys: KeyStore, name: str) -> Sequence[Key]:
    found = keys.keys(name)
    if not found:
        raise NotFound(f"there is no account {name}; `film-service keys create {name}` makes it")
    return found


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise argparse.ArgumentTypeError("must be letters, digits and . _ @ - only, 100 at most")
    return text


def _any_credits(text: str) -> Decimal:
    try:
        credits = Decimal(text)
    except InvalidOperation:
        credits = Decimal("nan")
    if not credits.is_finite() or abs(credits) > _MOST_CREDITS or credits != round(credits, 6):
        raise argparse.ArgumentTypeError("must be a number of credits with at most 6 decimals")
    return credits


def _credits(text: str) -> Decimal:
    credits = _any_credits(text)
    if credits < 0:
        raise argparse.ArgumentTypeError("must not be negative")
    return credits


def _span(text: str) -> timedelta:
    found = re.fullmatch(r"(\d{1,6})([mhdw])", text, re.ASCII)
    span = int(found[1]) * _UNITS[found[2]] if found else timedelta(0)
    if not timedelta(0) < span <= _MOST_DAYS:
        raise argparse.ArgumentTypeError("must be a span such as 12h, 30d or 8w")
    return span


def _plain(credits: Decimal) -> str:
    """Write credits without an exponent or idle zeros."""
    return f"{credits.normalize():f}"
