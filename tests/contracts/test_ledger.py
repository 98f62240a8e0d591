"""What every Ledger does: no credit is ever lost or made."""

from datetime import timedelta
from decimal import Decimal

import pytest

from service.accounts import Usage
from service.errors import CreditsExceeded, InsufficientCredits, NotFound, TooManyJobs
from service.ports import KeyStore, Ledger
from tests.service.fakes import Clock
from tests.service.samples import all_at_once, hold, key_of

MOST = 100


@pytest.fixture(autouse=True)
def _accounts(keys: KeyStore, clock: Clock) -> None:
    keys.add(*key_of("acme", "key_1", clock()))
    keys.add(*key_of("acme", "key_2", clock()))
    keys.add(*key_of("other", "key_3", clock()))


def test_a_new_account_has_nothing(ledger: Ledger) -> None:
    assert ledger.balance("acme") == 0
    assert ledger.open_holds(Clock()() + timedelta(days=1), 10) == []
    assert ledger.usage() == []


def test_grants_add_up_exactly(ledger: Ledger, clock: Clock) -> None:
    for _ in range(10):
        ledger.grant("acme", Decimal("0.1"), clock())
    assert ledger.grant("acme", Decimal("0.000001"), clock()) == Decimal("1.000001")
    assert ledger.grant("acme", Decimal(10) ** 9, clock()) == Decimal("1000000001.000001")
    assert ledger.balance("acme") == Decimal("1000000001.000001")
    assert ledger.balance("other") == 0


def test_credits_can_be_taken_back_but_no_more_than_are_spendable(ledger: Ledger, clock: Clock) -> None:
    ledger.grant("acme", Decimal(3), clock())
    ledger.hold(hold("job", clock(), "1"), most_open=MOST)
    with pytest.raises(InsufficientCredits):
        ledger.grant("acme", Decimal("-2.000001"), clock())
    assert ledger.balance("acme") == 2
    assert ledger.grant("acme", Decimal(-2), clock()) == 0


def test_an_account_that_does_not_exist_has_no_balance(ledger: Ledger, clock: Clock) -> None:
    with pytest.raises(NotFound):
        ledger.balance("nobody")
    with pytest.raises(NotFound):
        ledger.grant("nobody", Decimal(1), clock())


def test_what_is_held_is_not_spendable_and_comes_back(ledger: Ledger, clock: Clock) -> None:
    ledger.grant("acme", Decimal(5), clock())
    ledger.hold(hold("job", clock(), "1.5"), most_open=MOST)
    assert ledger.balance("acme") == Decimal("3.5")
    assert ledger.close("job", spent=Decimal(0))
    assert ledger.balance("acme") == 5


def test_a_hold_needs_its_credits(ledger: Ledger, clock: Clock) -> None:
    ledger.grant("acme", Decimal(1), clock())
    ledger.hold(hold("first", clock(), "0.6"), most_open=MOST)
    with pytest.raises(InsufficientCredits):
        ledger.hold(hold("second", clock(), "0.400001"), most_open=MOST)
    ledger.hold(hold("third", clock(), "0.4"), most_open=MOST)
    assert ledger.balance("acme") == 0
    assert {open_.job_id for open_ in ledger.open_holds(clock.forward(1), 10)} == {"first", "third"}


def test_a_hold_of_nothing_is_a_hold(ledger: Ledger, clock: Clock) -> None:
    ledger.hold(hold("job", clock(), "0"), most_open=1)
    assert ledger.close("job", spent=Decimal(0))


def test_a_key_holds_for_so_many_jobs_and_no_more(ledger: Ledger, clock: Clock) -> None:
    ledger.grant("acme", Decimal(9), clock())
    ledger.hold(hold("a", clock()), most_open=2)
    ledger.hold(hold("b", clock()), most_open=2)
    with pytest.raises(TooManyJobs) as caught:
        ledger.hold(hold("c", clock()), most_open=2)
    assert clock() < caught.value.retry_at <= clock() + timedelta(minutes=1)
    ledger.hold(hold("d", clock(), key_id="key_2"), most_open=2)
    ledger.close("a", spent=Decimal(1))
    ledger.hold(hold("c", clock()), most_open=2)
    assert ledger.balance("acme") == 5


def test_a_hold_becomes_the_exact_price(ledger: Ledger, clock: Clock) -> None:
    ledger.grant("acme", Decimal(5), clock())
    ledger.hold(hold("job", clock(), "1"), most_open=MOST)
    ledger.change("job", Decimal("4.999999"))
    assert ledger.balance("acme") == Decimal("0.000001")
    ledger.change("job", Decimal("0.5"))
    assert ledger.balance("acme") == Decimal("4.5")
    ledger.change("job", Decimal(5))
    assert ledger.balance("acme") == 0
    assert [open_.credits for open_ in ledger.open_holds(clock.forward(1), 10)] == [5]


@pytest.mark.parametrize(
    ("granted", "needs", "message"),
    [
        ("5", "5.000001", "insufficient credits: needs 5.000001, has 5"),
        ("5.10", "1E+3", "insufficient credits: needs 1000, has 5.1"),
        ("1", "20.500000", "insufficient credits: needs 20.5, has 1"),
    ],
)
def test_a_price_beyond_the_account_is_refused_in_the_contracts_words(
    ledger: Ledger, clock: Clock, granted: str, needs: str, message: str
) -> None:
    ledger.grant("acme", Decimal(granted), clock())
    ledger.hold(hold("job", clock(), "1"), most_open=MOST)
    with pytest.raises(CreditsExceeded) as caught:
        ledger.change("job", Decimal(needs))
    assert str(caught.value) == message
    assert ledger.balance("acme") == Decimal(granted) - 1
    assert ledger.close("job", spent=Decimal(0))


def test_a_closed_hold_stays_as_it_is(ledger: Ledger, clock: Clock) -> None:
    ledger.grant("acme", Decimal(5), clock())
    ledger.hold(hold("job", clock(), "2"), most_open=MOST)
    assert ledger.close("job", spent=Decimal("1.5"), frames=10, completed=True)
    assert not ledger.close("job", spent=Decimal("1.5"), frames=10, completed=True)
    assert not ledger.close("never", spent=Decimal(0))
    ledger.change("job", Decimal(3))
    assert ledger.balance("acme") == Decimal("3.5")
    assert ledger.usage() == [Usage(key_id="key_1", jobs=1, frames=10, credits=Decimal("1.5"))]


def test_no_more_is_spent_than_was_held(ledger: Ledger, clock: Clock) -> None:
    ledger.grant("acme", Decimal(5), clock())
    ledger.hold(hold("job", clock(), "2"), most_open=MOST)
    assert ledger.close("job", spent=Decimal(3), frames=10, completed=True)
    assert ledger.balance("acme") == 3
    assert [usage.credits for usage in ledger.usage()] == [2]


def test_open_holds_come_earliest_first(ledger: Ledger, clock: Clock) -> None:
    start = clock()
    ledger.grant("acme", Decimal(9), start)
    held = [hold(name, start + timedelta(seconds=seconds)) for name, seconds in (("a", 3), ("b", 1), ("c", 2))]
    for one in held:
        ledger.hold(one, most_open=MOST)
    before = start + timedelta(seconds=3)
    assert ledger.open_holds(before, 10) == [held[1], held[2]]
    assert ledger.open_holds(before, 1) == [held[1]]
    assert ledger.open_holds(start, 10) == []


def test_usage_counts_what_completed_by_key(ledger: Ledger, clock: Clock) -> None:
    ledger.grant("acme", Decimal(9), clock())
    ledger.grant("other", Decimal(9), clock())
    for job_id, key_id, account_id in (("a", "key_1", "acme"), ("b", "key_1", "acme"), ("c", "key_3", "other")):
        ledger.hold(hold(job_id, clock(), key_id=key_id, account_id=account_id), most_open=MOST)
        ledger.close(job_id, spent=Decimal("0.25"), frames=100, completed=True)
    ledger.hold(hold("failed", clock(), key_id="key_2"), most_open=MOST)
    ledger.close("failed", spent=Decimal(0))
    acme = Usage(key_id="key_1", jobs=2, frames=200, credits=Decimal("0.5"))
    other = Usage(key_id="key_3", jobs=1, frames=100, credits=Decimal("0.25"))
    assert sorted(ledger.usage(), key=lambda usage: usage.key_id) == [acme, other]
    assert ledger.usage("acme") == [acme]
    assert ledger.usage("nobody") == []


def test_of_many_holds_at_once_as_many_succeed_as_are_affordable(ledger: Ledger, clock: Clock) -> None:
    ledger.grant("acme", Decimal("1.05"), clock())
    came = all_at_once(lambda n: ledger.hold(hold(f"job {n}", clock(), "0.3"), most_open=MOST), range(12))
    assert came.count(None) == 3
    assert {type(one) for one in came if one is not None} == {InsufficientCredits}
    assert ledger.balance("acme") == Decimal("0.15")


def test_of_many_holds_at_once_no_more_succeed_than_may_be_open(ledger: Ledger, clock: Clock) -> None:
    ledger.grant("acme", Decimal(100), clock())
    came = all_at_once(lambda n: ledger.hold(hold(f"job {n}", clock()), most_open=5), range(12))
    assert came.count(None) == 5
    assert {type(one) for one in came if one is not None} == {TooManyJobs}
    assert ledger.balance("acme") == 95


def test_of_many_closes_at_once_one_counts(ledger: Ledger, clock: Clock) -> None:
    ledger.grant("acme", Decimal(3), clock())
    ledger.hold(hold("job", clock(), "2"), most_open=MOST)
    came = all_at_once(lambda _: ledger.close("job", spent=Decimal(2), frames=7, completed=True), range(8))
    assert came.count(True) == 1
    assert came.count(False) == 7
    assert ledger.balance("acme") == 1
    assert ledger.usage() == [Usage(key_id="key_1", jobs=1, frames=7, credits=Decimal(2))]


def test_changes_and_closes_of_many_jobs_at_once_do_not_wait_for_each_other(ledger: Ledger, clock: Clock) -> None:
    ledger.grant("acme", Decimal(10), clock())

    def live(number: int) -> None:
        job_id = f"job {number}"
        ledger.hold(hold(job_id, clock(), "0.5"), most_open=MOST)
        ledger.change(job_id, Decimal("0.75"))
        ledger.close(job_id, spent=Decimal("0.25"), frames=1, completed=True)

    assert all_at_once(live, range(10)) == [None] * 10
    assert ledger.balance("acme") == Decimal("7.5")
    assert ledger.usage() == [Usage(key_id="key_1", jobs=10, frames=10, credits=Decimal("2.5"))]
