"""Keys of a team's setting, and its ledger: the parts of the contracts that they can keep, and what they refuse."""

from decimal import Decimal

import pytest

from service.accounts import digest_of, mint_key
from service.backends.team import FreeLedger, TeamKeys
from service.errors import BadRequest
from tests.service.fakes import Clock
from tests.service.samples import hold, key_of

SECRET = b"a secret of thirty-two bytes, yes"
FIRST, SECOND, THIRD = mint_key(), mint_key(), mint_key()


@pytest.mark.parametrize("between", [",", ", ", " ", "\n", " ,\n"])
def test_keys_are_found_by_their_digest(between: str) -> None:
    keys = TeamKeys(f" ann:{FIRST}{between}bob:{SECOND}\n", SECRET)
    found = keys.find(digest_of(FIRST, SECRET))
    assert found is not None
    assert (found.account_id, found.expires_at, found.revoked_at) == ("ann", None, None)
    assert found.is_good(Clock()())
    assert keys.find(digest_of(THIRD, SECRET)) is None
    assert keys.find(digest_of(FIRST, b"another secret of thirty-two byte")) is None


def test_keys_are_listed_by_account_in_the_order_of_the_setting() -> None:
    keys = TeamKeys(f"ann:{FIRST},bob:{SECOND},ann:{THIRD}", SECRET)
    assert [key.account_id for key in keys.keys(None)] == ["ann", "bob", "ann"]
    assert [key.digest for key in keys.keys("ann")] == [digest_of(text, SECRET) for text in (FIRST, THIRD)]
    assert keys.keys("nobody") == []
    assert len({key.key_id for key in keys.keys(None)}) == 3


@pytest.mark.parametrize(
    "setting",
    ["", "ann", f":{FIRST}", "ann:", f"ann:{FIRST[:-1]}", f"ann:{FIRST},bob"],
    ids=["nothing", "no key", "no name", "empty key", "short key", "second without key"],
)
def test_a_setting_that_is_no_list_of_keys_is_refused_without_repeating_one(setting: str) -> None:
    with pytest.raises(ValueError, match=r"pair \d .*NAME:KEY") as refused:
        TeamKeys(setting, SECRET)
    assert FIRST[:12] not in str(refused.value)


def test_keys_are_changed_in_the_setting_only() -> None:
    clock = Clock()
    keys = TeamKeys(f"ann:{FIRST}", SECRET)
    with pytest.raises(BadRequest):
        keys.add(*key_of("bob", "key_2", clock()))
    with pytest.raises(BadRequest):
        keys.revoke(keys.keys()[0].key_id, clock())


def test_nothing_costs_anything() -> None:
    clock = Clock()
    ledger = FreeLedger()
    assert ledger.balance("ann") == 0
    ledger.hold(hold("job", clock(), "1000000"), most_open=1)
    ledger.hold(hold("other", clock()), most_open=1)
    ledger.change("job", Decimal(10**9))
    assert not ledger.close("job", spent=Decimal(5), frames=1, completed=True)
    assert list(ledger.open_holds(clock.forward(1), 10)) == []
    assert list(ledger.usage()) == []
    with pytest.raises(BadRequest):
        ledger.grant("ann", Decimal(1), clock())
