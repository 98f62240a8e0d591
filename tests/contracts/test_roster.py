"""What every Roster does."""

from datetime import timedelta

from service.ports import Roster
from tests.service.fakes import Clock
from tests.service.samples import all_at_once


def test_workers_are_counted_while_they_sign(roster: Roster, clock: Clock) -> None:
    start = clock()
    assert roster.alive(start) in {0, None}
    roster.sign("a", start)
    roster.sign("b", clock.forward(10))
    assert roster.alive(start) in {2, None}
    assert roster.alive(clock()) in {1, None}
    roster.sign("a", clock.forward(10))
    assert roster.alive(start + timedelta(seconds=5)) in {2, None}


def test_a_worker_that_leaves_is_not_counted(roster: Roster, clock: Clock) -> None:
    roster.sign("a", clock())
    roster.leave("a")
    roster.leave("nobody")
    assert roster.alive(clock()) in {0, None}


def test_workers_may_sign_all_at_once(roster: Roster, clock: Clock) -> None:
    for n in range(4):
        roster.sign(f"dead {n}", clock() - timedelta(days=3))
    assert all_at_once(lambda n: roster.sign(f"worker {n % 4}", clock()), range(8)) == [None] * 8
    assert roster.alive(clock()) in {4, None}
