"""What callers can do."""

import base64
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from service.errors import (
    AlreadyEnded,
    BackendAway,
    BadWebhook,
    InsufficientCredits,
    RequestNotFound,
    TooManyJobs,
)
from service.jobs import Order, Outcome, State
from tests.service.fakes import Clock, MemoryDispatcher, MemoryJobs
from tests.service.house import KEEP, House, in_memory
from tests.service.samples import OPTIONS

DATA = "data:video/mp4;base64," + base64.b64encode(b"video").decode()


def test_a_submitted_job_is_queued_held_for_and_dispatched(house: House) -> None:
    caller = house.caller(credits="1")
    job = house.submit(caller)
    assert house.orders.find(caller, job.job_id) == job
    assert job.state is State.QUEUED
    assert (job.order.account_id, job.order.key_id) == (caller.account_id, caller.key_id)
    assert job.order.options == OPTIONS
    assert house.orders.balance(caller) == Decimal("0.9")
    assert house.dispatcher.dispatched == [job.job_id]


def test_a_source_sent_along_is_kept_for_the_job(house: House) -> None:
    job = house.submit(house.caller(), DATA)
    assert job.order.options.input_video == f"artifact:sources/{job.job_id}/source"
    assert house.artifacts.path(f"sources/{job.job_id}/source").read_bytes() == b"video"


def test_a_bad_source_costs_nothing_and_leaves_nothing(house: House) -> None:
    caller = house.caller(credits="1")
    for source in ("nonsense", "data:video/mp4;base64,A"):
        with pytest.raises(Exception, match=r"input_video|base64"):
            house.submit(caller, source)
    assert house.orders.balance(caller) == 1
    assert house.files() == []
    assert house.runs.take_next("worker") is None


def test_a_bad_webhook_costs_nothing(house: House) -> None:
    caller = house.caller(credits="1")
    with pytest.raises(BadWebhook):
        house.submit(caller, webhook_url="nonsense")
    assert house.orders.balance(caller) == 1


def test_too_few_credits_are_found_before_anything_is_kept(house: House) -> None:
    caller = house.caller(credits="0.05")
    with pytest.raises(InsufficientCredits):
        house.submit(caller, DATA)
    assert house.files() == []
    assert house.dispatcher.dispatched == []


def test_a_key_may_have_so_many_jobs_open_until_one_ends(tmp_path: Path, clock: Clock) -> None:
    house = replace(in_memory(tmp_path, clock), jobs_per_key=2)
    caller, sibling = house.caller(), house.caller()
    first, _ = house.submit(caller), house.submit(caller)
    with pytest.raises(TooManyJobs) as caught:
        house.submit(caller)
    assert caught.value.retry_at > clock()
    house.submit(sibling)
    house.orders.cancel(caller, first.job_id)
    house.submit(caller)


class _Away(MemoryJobs):
    """Writes a job, but the word of it is lost on the way back."""

    def create(self, order: Order) -> None:
        super().create(order)
        raise BackendAway


def test_a_job_whose_writing_may_have_failed_is_undone(tmp_path: Path, clock: Clock) -> None:
    jobs = _Away()
    house = replace(in_memory(tmp_path, clock), jobs=jobs)
    caller = house.caller(credits="1")
    with pytest.raises(BackendAway):
        house.submit(caller, DATA)
    assert jobs.all() == []
    assert house.files() == []
    assert house.orders.balance(caller) == 1


class _Silent(MemoryDispatcher):
    def dispatch(self, job_id: str) -> None:
        super().dispatch(job_id)
        raise BackendAway

    def cancel(self, job_id: str) -> None:
        super().cancel(job_id)
        raise BackendAway


def test_an_order_stands_although_it_cannot_be_dispatched(tmp_path: Path, clock: Clock) -> None:
    house = replace(in_memory(tmp_path, clock), dispatcher=_Silent())
    caller = house.caller()
    job = house.submit(caller)
    assert house.orders.find(caller, job.job_id) == job
    assert house.orders.cancel(caller, job.job_id).state is State.FAILED


def test_a_foreign_id_is_as_unknown_as_a_missing_one(house: House) -> None:
    caller, stranger = house.caller(), house.caller("stranger")
    job = house.submit(caller)
    for job_id in (job.job_id, "0" * 32):
        for look in (house.orders.find, house.orders.cancel):
            with pytest.raises(RequestNotFound, match=f"^Request {job_id} not found$"):
                look(stranger, job_id)
    assert house.orders.find(house.caller(), job.job_id) == job  # another key of the same account


def test_an_ended_job_can_be_looked_at_for_an_hour_and_no_longer(house: House) -> None:
    caller = house.caller()
    job = house.submit(caller)
    house.complete(house.take())
    house.clock.forward(KEEP - 1)
    assert house.orders.find(caller, job.job_id).state is State.COMPLETED
    house.clock.forward(1)
    with pytest.raises(RequestNotFound):
        house.orders.find(caller, job.job_id)
    assert house.jobs.get(job.job_id) is not None  # not swept yet


def test_an_open_job_does_not_expire(house: House) -> None:
    caller = house.caller()
    job = house.submit(caller)
    house.clock.forward(10 * KEEP)
    assert house.orders.find(caller, job.job_id) == job


def test_a_queued_job_can_be_cancelled_and_its_credits_come_back(house: House) -> None:
    caller = house.caller(credits="1")
    job = house.submit(caller, DATA)
    cancelled = house.orders.cancel(caller, job.job_id)
    assert cancelled.state is State.FAILED
    assert cancelled.outcome is not None
    assert cancelled.outcome.failure is not None
    assert (cancelled.outcome.failure.code, cancelled.outcome.failure.message) == ("cancelled", "cancelled")
    assert house.orders.find(caller, job.job_id) == cancelled
    assert house.orders.balance(caller) == 1
    assert house.files() == []
    assert house.dispatcher.cancelled == [job.job_id]
    assert house.runs.take_next("worker") is None


def test_a_running_job_can_be_cancelled_and_its_worker_is_told(house: House) -> None:
    caller = house.caller(credits="5")
    house.submit(caller)
    mine = house.take()
    house.runs.price(mine, Decimal(4))
    house.orders.cancel(caller, mine.job_id)
    assert not house.beat(mine)
    assert not house.complete(mine)
    assert house.orders.balance(caller) == 5
    assert house.files() == []


def test_what_has_ended_cannot_be_cancelled(house: House) -> None:
    caller = house.caller(credits="5")
    job = house.submit(caller)
    house.complete(house.take())
    with pytest.raises(AlreadyEnded):
        house.orders.cancel(caller, job.job_id)
    assert house.orders.find(caller, job.job_id).state is State.COMPLETED
    assert house.orders.balance(caller) == 4


def test_who_is_told_of_an_end_finds_its_credits_settled(tmp_path: Path, clock: Clock) -> None:
    house = replace(in_memory(tmp_path, clock), jobs_per_key=1)
    caller = house.caller(credits="5")
    job = house.submit(caller)
    mine = house.take()
    house.runs.price(mine, Decimal(3))
    # As a worker leaves it that has written the end and not settled yet.
    house.jobs.end(job.job_id, Outcome(ended_at=clock(), result=house.put_result(mine), cost=Decimal(2)))
    assert house.orders.balance(caller) == 2
    assert house.orders.find(caller, job.job_id).state is State.COMPLETED
    assert house.orders.balance(caller) == 3
    house.submit(caller)


def test_queued_jobs_are_told_how_many_wait_before_them(house: House) -> None:
    caller = house.caller()
    jobs = []
    for _ in range(3):
        jobs.append(house.submit(caller))
        house.clock.forward(1)
    assert [house.orders.ahead(job) for job in jobs] == [0, 1, 2]
    house.take()
    assert [house.orders.ahead(house.found(job)) for job in jobs] == [None, 0, 1]
