"""What every KeyStore does."""

from datetime import timedelta

import pytest

from service.ports import KeyStore
from tests.service.fakes import Clock
from tests.service.samples import all_at_once, key_of


def test_a_key_comes_back_as_it_was(keys: KeyStore, clock: Clock) -> None:
    now = clock.forward(0.000001)
    account, key = key_of("acmé", "key_1", now, expires_at=now + timedelta(days=1), revoked_at=now)
    keys.add(account, key)
    found = keys.find(key.digest)
    assert found == key
    assert found.created_at.utcoffset() == timedelta(0)


@pytest.mark.parametrize("digest", ["", "digest of key_2", "DIGEST OF KEY_1"])
def test_a_digest_that_no_key_has_gives_none(keys: KeyStore, clock: Clock, digest: str) -> None:
    keys.add(*key_of("acme", "key_1", clock()))
    assert keys.find(digest) is None


def test_keys_come_in_the_order_in_which_they_were_made(keys: KeyStore, clock: Clock) -> None:
    made = [key_of("acme", "key_9", clock()), key_of("other", "key_5", clock()), key_of("acme", "key_7", clock())]
    assert keys.keys() == []
    for account, key in made:
        keys.add(account, key)
    listed = keys.keys()
    assert [key.key_id for key in listed] == ["key_9", "key_5", "key_7"]
    assert keys.keys("acme") == [made[0][1], made[2][1]]
    assert keys.keys("nobody") == []


def test_a_revoked_key_is_found_and_its_first_revocation_stands(keys: KeyStore, clock: Clock) -> None:
    keys.add(*key_of("acme", "key_1", clock()))
    keys.add(*key_of("acme", "key_2", clock()))
    first = clock.forward(5)
    assert keys.revoke("key_1", first)
    assert keys.revoke("key_1", clock.forward(5))
    assert not keys.revoke("key_3", first)
    listed = keys.keys()
    assert [key.revoked_at for key in listed] == [first, None]


def test_keys_of_one_new_account_may_be_made_all_at_once(keys: KeyStore, clock: Clock) -> None:
    done = all_at_once(lambda n: keys.add(*key_of("acme", f"key_{n}", clock())), range(6))
    assert done == [None] * 6
    assert {key.key_id for key in keys.keys("acme")} == {f"key_{n}" for n in range(6)}
