"""Who is let in."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from service.accounts import mint_key
from service.errors import KeyInvalid, KeyMissing, RateLimited
from tests.service.house import House


def test_a_new_key_opens_its_account_and_brings_its_credits(house: House) -> None:
    text, key = house.access.create_key("acme", credits=Decimal("2.5"))
    caller = house.access.authenticate(text)
    assert (caller.account_id, caller.key_id) == ("acme", key.key_id)
    assert house.orders.balance(caller) == Decimal("2.5")


def test_a_second_key_opens_the_same_account(house: House) -> None:
    house.access.create_key("acme", credits=Decimal(1))
    text, key = house.access.create_key("acme", credits=Decimal(2))
    caller = house.access.authenticate(text)
    assert caller.key_id == key.key_id
    assert house.orders.balance(caller) == 3


def test_the_key_itself_is_stored_nowhere(house: House) -> None:
    text, key = house.access.create_key("acme")
    assert text[9:] not in repr(key)
    assert text[9:] not in repr(house.keys.keys())


@pytest.mark.parametrize("key", [None, ""])
def test_no_key_is_said_to_be_missing_in_the_contracts_words(house: House, key: str | None) -> None:
    with pytest.raises(KeyMissing, match=r"^Missing Authorization or x-api-key in header$"):
        house.access.authenticate(key)


def test_a_mistyped_key_is_refused_without_asking_the_store(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    text, _ = house.access.create_key("acme")
    asked: list[str] = []
    monkeypatch.setattr(house.keys, "find", asked.append)
    typo = text[:20] + ("0" if text[20] != "0" else "1") + text[21:]
    with pytest.raises(KeyInvalid):
        house.access.authenticate(typo)
    assert asked == []


def test_an_unknown_key_is_refused_in_the_contracts_words(house: House) -> None:
    with pytest.raises(KeyInvalid, match=r"^Unauthorized\. API key is invalid or may have expired\.$"):
        house.access.authenticate(mint_key())


def test_an_expired_key_is_refused(house: House) -> None:
    text, _ = house.access.create_key("acme", valid_for=timedelta(seconds=60))
    house.clock.forward(59)
    house.access.authenticate(text)
    house.clock.forward(1)
    with pytest.raises(KeyInvalid):
        house.access.authenticate(text)


def test_a_revoked_key_is_refused_and_its_siblings_are_not(house: House) -> None:
    text, key = house.access.create_key("acme")
    other, _ = house.access.create_key("acme")
    house.keys.revoke(key.key_id, house.clock())
    with pytest.raises(KeyInvalid):
        house.access.authenticate(text)
    house.access.authenticate(other)


def test_a_key_that_calls_too_often_is_told_when_to_come_back(house: House) -> None:
    caller, other = house.caller(), house.caller()
    for _ in range(5):
        house.access.count(caller)
    with pytest.raises(RateLimited) as caught:
        house.access.count(caller)
    assert timedelta(0) < caught.value.retry_at - datetime.now(UTC) <= timedelta(seconds=61)
    house.access.count(other)
