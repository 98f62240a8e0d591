"""What has to be done now and then."""

import base64
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from service.errors import BackendAway, RequestNotFound
from service.jobs import Outcome, State
from service.links import FILES
from tests.service.fakes import Clock, MemoryIndex, MemoryJobs
from tests.service.house import KEEP, LEASE, UPLOADS, House, in_memory
from tests.service.samples import completed, failed, hold

DATA = "data:video/mp4;base64," + base64.b64encode(b"video").decode()
GRACE = 61  # seconds; a little more than what is left to those who are not dead but slow


def test_a_sweep_of_an_empty_house_does_nothing(house: House) -> None:
    house.upkeep.sweep()
    assert house.dispatcher.dispatched == []


def test_a_sweep_leaves_what_is_in_order(house: House) -> None:
    caller = house.caller(credits="5")
    queued = house.submit(caller, DATA)
    done = house.submit(caller)
    running = house.submit(caller, DATA)
    house.runs.take(running.job_id, "worker")
    taken = house.runs.take(done.job_id, "worker")
    assert taken is not None
    house.complete(taken)
    house.intake.upload(DATA)
    before = house.files()
    house.clock.forward(LEASE)
    house.upkeep.sweep()
    assert house.files() == before
    assert len(before) == 4
    assert [house.found(job).state for job in (queued, done, running)] == ["QUEUED", "COMPLETED", "PROCESSING"]
    assert house.orders.balance(caller) == Decimal("3.8")


def test_a_hold_whose_job_was_never_made_goes_back(house: House) -> None:
    caller = house.caller(credits="5")
    house.ledger.hold(hold("never made", house.clock(), "2", key_id=caller.key_id), most_open=9)
    house.upkeep.sweep()
    assert house.orders.balance(caller) == 3  # its submit may still be under way
    house.clock.forward(GRACE)
    assert house.upkeep.settle() == 1
    assert house.orders.balance(caller) == 5
    assert house.upkeep.settle() == 0


@pytest.mark.parametrize(("outcome", "left"), [(completed, "3.75"), (failed, "5")])
def test_a_job_that_ended_and_was_not_settled_is_settled(
    house: House, outcome: Callable[[datetime], Outcome], left: str
) -> None:
    caller = house.caller(credits="5")
    job = house.submit(caller, DATA)
    mine = house.take()
    house.runs.price(mine, Decimal("1.25"))
    house.jobs.end(job.job_id, outcome(house.clock()))  # and here its worker died
    house.clock.forward(GRACE)
    house.upkeep.sweep()
    assert house.orders.balance(caller) == Decimal(left)
    assert house.files() == []


def test_an_open_jobs_hold_stays_however_old(house: House) -> None:
    caller = house.caller(credits="5")
    house.submit(caller)
    mine = house.take()
    for _ in range(5):
        house.clock.forward(LEASE)
        house.beat(mine)
        house.upkeep.sweep()
    assert house.orders.balance(caller) == Decimal("4.9")
    assert house.complete(mine)


def test_an_expired_job_is_not_found_at_once_and_swept_later(house: House) -> None:
    caller = house.caller()
    job = house.submit(caller, DATA)
    house.complete(house.take())
    house.clock.forward(KEEP)
    with pytest.raises(RequestNotFound):
        house.orders.find(caller, job.job_id)
    house.clock.forward(1)
    house.upkeep.sweep()
    assert house.jobs.get(job.job_id) is None
    assert house.files() == []
    with pytest.raises(RequestNotFound):
        house.orders.find(caller, job.job_id)


def test_an_expired_job_that_was_never_settled_is_paid_before_it_goes(house: House) -> None:
    caller = house.caller(credits="5")
    job = house.submit(caller)
    mine = house.take()
    house.runs.price(mine, Decimal("1.25"))
    house.jobs.end(job.job_id, completed(house.clock()))
    house.clock.forward(KEEP + 1)
    assert house.upkeep.expire() == 1
    assert house.orders.balance(caller) == Decimal("3.75")
    assert house.total() == 5


def test_a_job_that_lost_its_worker_is_dispatched_again(house: House) -> None:
    job = house.submit(house.caller())
    house.take()
    assert house.upkeep.recover() == 0
    house.clock.forward(LEASE + 1)
    assert house.upkeep.recover() == 1
    assert house.dispatcher.dispatched == [job.job_id] * 2


def test_a_job_handed_back_is_dispatched_again(house: House) -> None:
    job = house.submit(house.caller())
    house.runs.hand_back(house.take())
    assert house.upkeep.recover() == 1
    assert house.dispatcher.dispatched == [job.job_id] * 2


def test_a_job_whose_dispatch_was_lost_is_dispatched_again(house: House) -> None:
    job = house.submit(house.caller())
    assert house.upkeep.recover() == 0
    house.clock.forward(GRACE)
    assert house.upkeep.recover() == 1
    assert house.dispatcher.dispatched == [job.job_id] * 2


def test_a_job_whose_workers_were_lost_too_often_is_ended_rather_than_dispatched(house: House) -> None:
    caller = house.caller(credits="5")
    job = house.submit(caller)
    for _ in range(3):
        house.take()
        house.clock.forward(LEASE + 1)
    house.upkeep.sweep()
    assert house.found(job).state is State.FAILED
    assert house.dispatcher.dispatched == [job.job_id]
    assert house.orders.balance(caller) == 5


def test_uploads_go_when_their_time_is_over(house: House) -> None:
    link = house.intake.upload(DATA)
    house.clock.forward(UPLOADS)
    house.upkeep.sweep()
    assert len(house.files()) == 1
    house.clock.forward(1)
    house.upkeep.sweep()
    assert house.files() == []
    assert link.startswith(FILES)


def test_files_of_no_job_go_once_nobody_can_be_writing_them(house: House, tmp_path: Path) -> None:
    job = house.submit(house.caller())
    mine = house.take()
    for name in (f"results/{job.job_id}/0/clip.mp4", "results/gone/1/clip.mp4", "sources/gone/source"):
        (tmp_path / "made").write_bytes(b"video")
        house.artifacts.put(name, tmp_path / "made")
    house.complete(mine)
    house.upkeep.sweep()
    assert len(house.files()) == 4
    house.clock.forward(GRACE)
    assert house.upkeep.tidy() == 3
    assert house.files() == [f"results/{job.job_id}/1/clip.mp4"]


class _AwayOnce(MemoryJobs):
    """Can't be reached when it is to remove something, once."""

    away = True

    def remove(self, job_id: str) -> None:
        if self.away:
            self.away = False
            raise BackendAway
        super().remove(job_id)


def test_a_sweep_that_breaks_off_is_finished_by_the_next(tmp_path: Path, clock: Clock) -> None:
    jobs = _AwayOnce()
    house = replace(in_memory(tmp_path, clock), jobs=jobs, index=MemoryIndex(jobs))
    house.submit(house.caller())
    house.complete(house.take())
    clock.forward(KEEP + 1)
    with pytest.raises(BackendAway):
        house.upkeep.sweep()
    house.upkeep.sweep()
    assert jobs.all() == []
    assert house.files() == []
    assert house.total() == 10
