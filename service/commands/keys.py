"""`film-service keys`, `credits` and `webhooks`: who may order, with what credits, and how they know our calls."""

import argparse
import re
import sys
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from service.accounts import Key, Usage, mint_key, plain
from service.bootstrap import read_secret
from service.commands.common import add_data, add_json, opened, print_rows
from service.errors import NotFound
from service.ports import KeyStore
from service.webhooks import signing_secret

__all__ = ["add_parser"]

_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_NAME = re.compile(r"[A-Za-z0-9._@-]{1,64}", re.ASCII)
_MOST_CREDITS = Decimal(10**9)
_MOST_DAYS = timedelta(days=36_500)
_MOST_SKEW = timedelta(days=1)  # of the clock of whoever made a hold
_ALL = 10**9  # holds


def add_parser(subparsers: Any) -> None:
    """Add the three commands to an argument parser's subcommands."""
    keys = _group(subparsers, "keys", "make, list and revoke keys")
    create = _action(keys, "create", _create, "make a key, and its account where there is none of that name")
    create.add_argument("name", type=_name, metavar="NAME", help="the account")
    create.add_argument("--credits", type=_credits, default=Decimal(0), metavar="N", help="credits to grant with it")
    create.add_argument(
        "--expires", type=_span, metavar="SPAN", help="when it ends to be good: 12h, 30d; default never"
    )
    mint = _action(keys, "mint", _mint, "make a key for FILM_TEAM_KEYS; it is stored nowhere")
    mint.add_argument("name", type=_name, metavar="NAME", help="whose it is")
    listing = _action(keys, "list", _list, "show keys")
    listing.add_argument("name", type=_name, nargs="?", metavar="NAME", help="the account; default all")
    add_json(listing)
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
    with opened(arguments) as shop:
        text, key = shop.access.create_key(arguments.name, credits=arguments.credits, valid_for=arguments.expires)
    print(text, flush=True)  # alone on standard output, for scripts
    print(f"film-service: {key.key_id} of {key.account_id}; the key is shown this once", file=sys.stderr)
    return 0


def _mint(arguments: argparse.Namespace) -> int:
    print(f"{arguments.name}:{mint_key()}", flush=True)
    return 0


def _list(arguments: argparse.Namespace) -> int:
    with opened(arguments) as shop:
        keys, now = _keys_of(shop.keys, arguments.name), shop.clock()
    rows = [
        {
            "key_id": key.key_id,
            "account": key.account_id,
            "key": key.hint,
            "state": "good" if key.is_good(now) else "revoked" if key.revoked_at else "expired",
            "created_at": key.created_at.isoformat(timespec="seconds"),
            "expires_at": key.expires_at and key.expires_at.isoformat(timespec="seconds"),
        }
        for key in keys
    ]
    print_rows(rows, as_json=arguments.json)
    return 0


def _revoke(arguments: argparse.Namespace) -> int:
    with opened(arguments) as shop:
        if not shop.keys.revoke(arguments.key_id, shop.clock()):
            raise NotFound(f"there is no key {arguments.key_id}; `film-service keys list` shows those there are")
    return 0


def _grant(arguments: argparse.Namespace) -> int:
    with opened(arguments) as shop:
        _keys_of(shop.keys, arguments.name)
        print(plain(shop.ledger.grant(arguments.name, arguments.credits, shop.clock())))
    return 0


def _show(arguments: argparse.Namespace) -> int:
    with opened(arguments) as shop:
        keys = _keys_of(shop.keys, arguments.name)
        usage = {used.key_id: used for used in shop.ledger.usage(arguments.name)}
        balances = {name: shop.ledger.balance(name) for name in {key.account_id for key in keys}}
        held: dict[str, Decimal] = {}
        for hold in shop.ledger.open_holds(shop.clock() + _MOST_SKEW, _ALL):
            held[hold.account_id] = held.get(hold.account_id, Decimal(0)) + hold.credits
    rows = []
    for key in keys:
        used = usage.get(key.key_id) or Usage(key_id=key.key_id, jobs=0, frames=0, credits=Decimal(0))
        rows.append(
            {
                "account": key.account_id,
                "balance": plain(balances[key.account_id]),
                "held": plain(held.get(key.account_id, Decimal(0))),
                "key_id": key.key_id,
                "jobs": used.jobs,
                "frames": used.frames,
                "credits": plain(used.credits),
            }
        )
    print_rows(rows, as_json=arguments.json)
    return 0


def _secret(arguments: argparse.Namespace) -> int:
    with opened(arguments) as shop:
        _keys_of(shop.keys, arguments.name)
        print(signing_secret(read_secret(shop.settings), arguments.name))
    return 0


def _keys_of(keys: KeyStore, name: str | None) -> Sequence[Key]:
    found = keys.keys(name)
    if not found and name is not None:
        raise NotFound(f"there is no account {name}; `film-service keys create {name}` makes it")
    return found


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise argparse.ArgumentTypeError("must be letters, digits and . _ @ - only, 64 at most")
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
