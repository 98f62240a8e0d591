"""Keys, and how credits are written."""

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.accounts import Key, digest_of, hint_of, looks_like_key, mint_key, plain
from tests.service.fakes import Clock
from tests.service.samples import key_of


def test_a_new_key_looks_like_one_and_is_never_made_twice() -> None:
    keys = {mint_key() for _ in range(100)}
    assert len(keys) == 100
    assert all(looks_like_key(key) and key.startswith("film_") and len(key) == 77 for key in keys)


@given(st.data())
def test_a_key_with_one_wrong_character_does_not_look_like_one(data: st.DataObject) -> None:
    key = mint_key()
    at = data.draw(st.integers(0, len(key) - 1))
    wrong = data.draw(st.characters().filter(lambda character: character != key[at]))
    assert not looks_like_key(key[:at] + wrong + key[at + 1 :])


@given(st.text())
def test_no_text_is_taken_for_a_key(text: str) -> None:
    assert not looks_like_key(text)


@pytest.mark.parametrize("change", [str.upper, lambda key: key + "0", lambda key: key[:-1], lambda key: f" {key}"])
def test_a_key_is_taken_as_it_is_or_not_at_all(change: type) -> None:
    assert not looks_like_key(change(mint_key()))


def test_a_digest_depends_on_key_and_secret_and_shows_neither() -> None:
    key = mint_key()
    digest = digest_of(key, b"secret")
    assert digest == digest_of(key, b"secret")
    assert len({digest, digest_of(key, b"other"), digest_of(mint_key(), b"secret")}) == 3
    assert key[5:] not in digest


def test_a_hint_shows_four_digits() -> None:
    key = mint_key()
    assert hint_of(key) == key[:9] + "…"


def test_a_key_is_good_until_it_expires_or_is_revoked(clock: Clock) -> None:
    def made(**changed: object) -> Key:
        return key_of("acme", "key_1", clock(), **changed)[1]

    soon = clock() + timedelta(seconds=1)
    assert made().is_good(clock() + timedelta(days=10_000))
    assert made(expires_at=soon).is_good(clock())
    assert not made(expires_at=soon).is_good(soon)
    assert not made(revoked_at=clock()).is_good(clock())


@pytest.mark.parametrize(
    ("credits", "written"),
    [("0", "0"), ("0.000000", "0"), ("100", "100"), ("1E+3", "1000"), ("1E-6", "0.000001"), ("-2.50", "-2.5")],
)
def test_credits_are_written_plainly(credits: str, written: str) -> None:
    assert plain(Decimal(credits)) == written
