"""What workers do with a job."""

from datetime import timedelta
from decimal import Decimal

import pytest

from service.errors import CreditsExceeded, SourceUnavailable
from service.jobs import Claim, Job, State
from tests.service.house import LEASE, QUEUE, House
from tests.service.samples import all_at_once


def _failure(house: House, job: Job) -> tuple[str, str]:
    outcome = house.found(job).outcome
    assert outcome is not None
    assert outcome.failure is not None
    return outcome.failure.code, outcome.failure.message


def test_the_longest_waiting_job_is_taken_first(house: House) -> None:
    caller = house.caller()
    submitted = []
    for _ in range(3):
        submitted.append(house.submit(caller).job_id)
        house.clock.forward(1)
    assert [house.take().job_id for _ in range(3)] == submitted
    assert house.runs.take_next("worker") is None


def test_a_taken_job_says_who_has_it(house: House) -> None:
    job = house.submit(house.caller())
    house.clock.forward(3)
    taken = house.take("host/7")
    assert taken == house.found(job)
    assert taken.claim == Claim(attempt=1, worker="host/7", claimed_at=house.clock())
    assert house.runs.take(job.job_id, "other") is None
    assert house.runs.take("nothing", "other") is None


def test_many_workers_take_each_job_once(house: House) -> None:
    caller = house.caller()
    submitted = {house.submit(caller).job_id for _ in range(5)}
    taken = all_at_once(lambda n: house.runs.take_next(f"worker {n}"), range(5))
    assert {job.job_id for job in taken if isinstance(job, Job)} == submitted


def test_a_job_whose_worker_beats_stays_its_own(house: House) -> None:
    house.submit(house.caller())
    mine = house.take()
    for _ in range(5):
        house.clock.forward(LEASE)
        assert house.runs.take_next("other") is None
        assert house.beat(mine)


def test_a_job_whose_worker_is_silent_is_taken_over(house: House) -> None:
    house.submit(house.caller())
    mine = house.take("first")
    house.clock.forward(LEASE + 1)
    other = house.take("second")
    assert other.claim is not None
    assert (other.claim.attempt, other.claim.lost) == (2, 1)
    assert not house.beat(mine)
    assert house.beat(other)


def test_a_job_is_begun_again_twice_and_then_fails_with_its_credits_back(house: House) -> None:
    caller = house.caller(credits="5")
    job = house.submit(caller)
    for attempt in (1, 2, 3):
        taken = house.take()
        assert taken.claim is not None
        assert (taken.claim.attempt, taken.claim.lost) == (attempt, attempt - 1)
        house.runs.price(taken, Decimal(3))
        house.clock.forward(LEASE + 1)
    assert house.runs.take_next("worker") is None
    assert _failure(house, job)[0] == "worker_lost"
    assert "no credits were taken" in _failure(house, job)[1]
    assert house.orders.balance(caller) == 5


def test_a_job_lost_too_often_is_given_up_without_a_worker_asking(house: House) -> None:
    job = house.submit(house.caller())
    for _ in range(3):
        house.take()
        assert house.runs.give_up_lost() == 0
        house.clock.forward(LEASE + 1)
    assert house.runs.give_up_lost() == 1
    assert _failure(house, job)[0] == "worker_lost"


def test_handing_back_is_no_loss_and_frees_the_job_at_once(house: House) -> None:
    house.submit(house.caller())
    for attempt in range(1, 8):
        taken = house.take()
        assert taken.claim is not None
        assert (taken.claim.attempt, taken.claim.lost) == (attempt, 0)
        house.beat(taken, frames_done=50)
        house.runs.hand_back(taken)
    assert house.found(taken).state is State.PROCESSING
    assert house.complete(house.take())


def test_losses_are_remembered_over_a_handing_back(house: House) -> None:
    job = house.submit(house.caller())
    house.take()
    house.clock.forward(LEASE + 1)
    house.runs.hand_back(house.take())
    again = house.take()
    assert again.claim is not None
    assert again.claim.lost == 1
    house.clock.forward(LEASE + 1)
    house.take()
    house.clock.forward(LEASE + 1)
    assert house.runs.take(job.job_id, "worker") is None
    assert _failure(house, job)[0] == "worker_lost"


def test_a_job_that_nobody_begins_in_time_is_given_up(house: House) -> None:
    caller = house.caller(credits="1")
    job = house.submit(caller)
    house.clock.forward(QUEUE)
    assert house.runs.give_up_lost() == 0
    house.clock.forward(1)
    assert house.runs.give_up_lost() == 1
    assert _failure(house, job)[0] == "expired"
    assert house.orders.balance(caller) == 1


def test_a_job_that_was_begun_does_not_wait_any_more(house: House) -> None:
    house.submit(house.caller())
    house.runs.hand_back(house.take())
    house.clock.forward(2 * QUEUE)
    assert house.runs.give_up_lost() == 0
    house.take()


def test_success_takes_the_exact_price(house: House) -> None:
    caller = house.caller(credits="5")
    house.submit(caller)
    mine = house.take()
    began_at = house.clock.forward(10)
    house.runs.price(mine, Decimal("1.234567"))
    assert house.orders.balance(caller) == Decimal("3.765433")
    result = house.put_result(mine)
    house.clock.forward(20)
    assert house.runs.complete(mine, result, cost=Decimal("1.234567"), began_at=began_at)
    assert house.orders.balance(caller) == Decimal("3.765433")
    outcome = house.found(mine).outcome
    assert outcome is not None
    assert (outcome.result, outcome.cost, outcome.inference_seconds) == (result, Decimal("1.234567"), 20)
    assert outcome.ended_at == house.clock()
    assert [(usage.jobs, usage.frames) for usage in house.ledger.usage()] == [(1, result.frames)]


def test_a_price_beyond_the_account_fails_the_job_and_gives_its_hold_back(house: House) -> None:
    caller = house.caller(credits="5")
    job = house.submit(caller)
    mine = house.take()
    with pytest.raises(CreditsExceeded) as caught:
        house.runs.price(mine, Decimal("7.50"))
    assert house.runs.fail(mine, caught.value)
    assert _failure(house, job) == ("insufficient_credits", "insufficient credits: needs 7.5, has 5")
    assert house.orders.balance(caller) == 5


def test_a_failure_takes_nothing_and_names_its_cause(house: House) -> None:
    caller = house.caller(credits="5")
    job = house.submit(caller)
    mine = house.take()
    house.runs.price(mine, Decimal(3))
    assert house.runs.fail(mine, SourceUnavailable("input_video answered 404"))
    assert _failure(house, job) == ("source_unavailable", "input_video answered 404")
    assert house.orders.balance(caller) == 5
    assert house.ledger.usage() == []


def test_a_job_ends_once_and_the_result_that_came_late_is_removed(house: House) -> None:
    caller = house.caller(credits="5")
    house.submit(caller)
    zombie = house.take("first")
    house.clock.forward(LEASE + 1)
    heir = house.take("second")
    assert house.complete(heir, "2")
    assert not house.complete(zombie, "2")
    assert not house.runs.fail(zombie, SourceUnavailable())
    outcome = house.found(heir).outcome
    assert outcome is not None
    assert outcome.result is not None
    assert house.files() == [outcome.result.artifact]
    assert house.orders.balance(caller) == 3


def test_a_worker_thought_dead_may_still_be_the_first_to_end(house: House) -> None:
    caller = house.caller(credits="5")
    house.submit(caller)
    zombie = house.take("first")
    house.clock.forward(LEASE + 1)
    heir = house.take("second")
    assert house.complete(zombie, "2")
    assert not house.beat(heir)
    assert not house.complete(heir, "2")
    assert house.files() == [f"results/{heir.job_id}/1/clip.mp4"]
    assert house.orders.balance(caller) == 3


def test_an_end_from_a_clock_behind_takes_no_time(house: House) -> None:
    house.submit(house.caller())
    mine = house.take()
    house.runs.price(mine, Decimal(1))
    later = house.clock() + timedelta(seconds=5)
    assert house.runs.complete(mine, house.put_result(mine), cost=Decimal(1), began_at=later)
    outcome = house.found(mine).outcome
    assert outcome is not None
    assert outcome.inference_seconds == 0


def test_settling_again_changes_nothing(house: House) -> None:
    caller = house.caller(credits="5")
    job = house.submit(caller)
    house.complete(house.take(), "2")
    for _ in range(3):
        house.runs.settle(house.found(job))
    assert house.orders.balance(caller) == 3
    assert [usage.jobs for usage in house.ledger.usage()] == [1]
