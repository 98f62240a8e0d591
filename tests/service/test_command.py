"""The `film-service` command as operators run it: what it prints where, and its exit codes."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from service.__main__ import main
from service.accounts import looks_like_key
from service.bootstrap import open_shop
from service.settings import Settings
from tests.service.samples import OPTIONS


@dataclass
class Ended:
    """How a command ended that ran in this process, which is faster than in one of its own."""

    code: int
    stdout: str
    stderr: str


Run = Callable[..., Ended]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Give a function that runs the command on a data folder of its own."""

    def command(*arguments: str) -> Ended:
        capsys.readouterr()
        try:
            code = main([*arguments, "--data", str(tmp_path / "data")])
        except SystemExit as ending:  # argparse's
            code = int(ending.code or 0)
        return Ended(code, *capsys.readouterr())

    return command


def test_a_new_key_stands_alone_on_standard_output(run: Run) -> None:
    done = run("keys", "create", "acme", "--credits", "5", "--expires", "30d")
    assert done.code == 0
    assert looks_like_key(done.stdout.removesuffix("\n"))
    assert done.stdout.strip() not in done.stderr
    (key,) = json.loads(run("keys", "list", "--json").stdout)
    assert (key["account"], key["state"]) == ("acme", "good")
    assert key["expires_at"] is not None
    (shown,) = json.loads(run("credits", "show", "acme", "--json").stdout)
    assert (shown["balance"], shown["jobs"], shown["frames"], shown["credits"]) == ("5", 0, 0, "0")


def test_keys_are_revoked_and_credits_granted(run: Run) -> None:
    run("keys", "create", "acme")
    assert run("credits", "grant", "acme", "2.5").stdout == "2.5\n"
    assert run("credits", "grant", "acme", "1").stdout == "3.5\n"
    (key,) = json.loads(run("keys", "list", "--json").stdout)
    assert run("keys", "revoke", key["key_id"]).code == 0
    assert json.loads(run("keys", "list", "--json").stdout)[0]["state"] == "revoked"
    assert run("webhooks", "secret", "acme").stdout.startswith("whsec_")
    assert run("keys", "list").stdout.startswith("key_id\taccount\t")


def test_keys_are_listed_of_all_accounts_or_one(run: Run) -> None:
    run("keys", "create", "acme")
    run("keys", "create", "acme")
    run("keys", "create", "o.k@example-1")
    accounts = [key["account"] for key in json.loads(run("keys", "list", "--json").stdout)]
    assert accounts == ["acme", "acme", "o.k@example-1"]
    assert len(json.loads(run("keys", "list", "acme", "--json").stdout)) == 2


def test_what_open_jobs_hold_is_shown(run: Run, tmp_path: Path) -> None:
    key = run("keys", "create", "acme", "--credits", "5").stdout.strip()
    shop = open_shop(Settings(data_dir=tmp_path / "data"))
    shop.orders.submit(shop.access.authenticate(key), OPTIONS)
    shop.close()
    (shown,) = json.loads(run("credits", "show", "--json").stdout)
    assert (shown["account"], shown["balance"], shown["held"]) == ("acme", "4.9", "0.1")


def test_a_key_for_a_teams_setting_is_minted_and_kept_nowhere(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = run("keys", "mint", "acme").stdout.strip()
    assert looks_like_key(pair.removeprefix("acme:"))
    assert json.loads(run("keys", "list", "--json").stdout) == []
    monkeypatch.setenv("FILM_TEAM_KEYS", pair)
    (key,) = json.loads(run("keys", "list", "--json").stdout)
    assert key["account"] == "acme"
    monkeypatch.setenv("FILM_TEAM_KEYS", pair[:-1])
    wrong = run("keys", "list")
    assert (wrong.code, wrong.stderr.count("\n")) == (2, 1)
    assert wrong.stderr.startswith("film-service: FILM_TEAM_KEYS: ")
    assert pair.removeprefix("acme:")[:-1] not in wrong.stderr


def test_a_worker_without_a_network_says_so_in_a_line(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:  # a worker ends with whoever holds the other side of its standard input
        done = subprocess.run(
            [sys.executable, "-m", "service", "worker", "--child", "--data", str(tmp_path / "data")],
            env={**os.environ, "FILM_MODEL": "nonsense"},
            stdin=theirs.fileno(),
            capture_output=True,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith("film-service: the network (nonsense) can't be loaded: ")


@pytest.mark.parametrize(
    "arguments",
    [
        ("keys", "revoke", "key_none"),
        ("credits", "grant", "nobody", "1"),
        ("credits", "show", "nobody"),
        ("webhooks", "secret", "nobody"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_1(run: Run, arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert (done.code, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith("film-service: there is no ")


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("keys", "create", "a b"),
        ("keys", "create", "a" * 65),
        ("keys", "create", "acme", "--credits", "-1"),
        ("keys", "create", "acme", "--credits", "nan"),
        ("keys", "create", "acme", "--credits", "0.0000001"),
        ("keys", "create", "acme", "--expires", "soon"),
        ("keys", "create", "acme", "--expires", "0d"),
        ("serve", "--port", "65536"),
        ("serve", "--workers", "-1"),
    ],
)
def test_a_wrong_command_line_is_2(run: Run, arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert (done.code, done.stdout) == (2, "")


@pytest.mark.parametrize(
    ("name", "value"), [("FILM_LEASE_SECONDS", "0"), ("FILM_SECRET", "short"), ("FILM_DATABASE_URL", "mysql://x")]
)
def test_a_wrong_setting_is_2_and_a_line_that_names_it(
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    value: str,
) -> None:
    monkeypatch.setenv(name, value)
    done = run("keys", "list")
    assert (done.code, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith(f"film-service: {name}: ")
    assert value == "0" or value not in done.stderr


def test_a_port_that_is_taken_is_1(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = run("serve", "--port", str(taken.getsockname()[1]))
    assert done.code == 1
    assert "can't be listened at" in done.stderr
