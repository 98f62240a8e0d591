"""From settings to a shop: the secret, what an import costs, what is wrong said in a line."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr

from service.accounts import mint_key
from service.bootstrap import open_shop, read_secret
from service.errors import BackendAway
from service.settings import Settings
from tests.service.samples import OPTIONS
from tests.service.server import free_port


def test_the_secret_is_made_once_however_many_want_it_first(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    with ThreadPoolExecutor(8) as pool:
        secrets = set(pool.map(lambda _: read_secret(settings), range(32)))
    assert len(secrets) == 1
    assert len(secrets.pop()) == 64
    assert [(path.name, path.stat().st_mode & 0o777) for path in tmp_path.iterdir()] == [("secret", 0o600)]


def test_a_key_is_good_in_whatever_process_opens_the_folder(tmp_path: Path) -> None:
    text, key = open_shop(Settings(data_dir=tmp_path / "data")).access.create_key("acme")
    again = open_shop(Settings(data_dir=tmp_path / "data"))
    assert again.access.authenticate(text).key_id == key.key_id


def test_a_folder_that_cannot_be_made_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BackendAway, match="can't be used"):
        open_shop(Settings(data_dir=tmp_path / "file" / "data"))


def test_a_wired_shop_knows_neither_film_nor_numbers() -> None:
    code = "import sys, service.bootstrap, service.web.app; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert not loaded & {"film", "numpy", "tensorflow", "keras", "modal"}


def test_a_secret_of_the_operators_is_read_without_its_line_end_and_never_too_short(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s" * 32 + "\n")
    assert read_secret(Settings(data_dir=tmp_path)) == b"s" * 32
    (tmp_path / "secret").write_text("short\n")
    with pytest.raises(BackendAway, match="fewer than 32") as raised:
        open_shop(Settings(data_dir=tmp_path))
    assert "short" not in str(raised.value).replace(str(tmp_path), "")


def test_a_database_that_cannot_be_reached_is_said_in_a_line_without_the_password(tmp_path: Path) -> None:
    url = f"postgresql://user:hunter2@127.0.0.1:{free_port()}/film"
    with pytest.raises(BackendAway, match=r"the database can't be used: .*refused") as raised:
        open_shop(Settings(data_dir=tmp_path, database_url=SecretStr(url)))
    assert "hunter2" not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_teams_keys_need_no_account_and_take_no_credits(tmp_path: Path) -> None:
    key = mint_key()
    shop = open_shop(Settings(data_dir=tmp_path, team_keys=SecretStr(f"acme:{key}")))
    caller = shop.access.authenticate(key)
    assert caller.account_id == "acme"
    shop.orders.submit(caller, OPTIONS)
    assert shop.orders.balance(caller) == 0
    shop.close()
