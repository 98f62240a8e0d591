"""Jobs in a Dict, beyond the contract: what it costs to ask, what others write meanwhile, what is left over."""

import threading
from datetime import timedelta
from typing import Any

import modal

from service.backends.modal import DictJobs
from service.backends.modal.progress import forget_dead
from service.jobs import Beat, State
from tests.service.fakes import Clock
from tests.service.samples import claim, failed, order

LEASE = timedelta(seconds=30)


class Distant:
    """A Dict that is far away: it answers when so many questions are on their way at once."""

    def __init__(self, entries: modal.Dict, at_once: int) -> None:
        self._entries = entries
        self._asked = threading.Barrier(at_once)

    def get(self, key: str) -> Any:
        self._asked.wait(timeout=30)
        return self._entries.get(key)


def test_a_poll_costs_one_round_trip(entries: modal.Dict) -> None:
    clock = Clock()
    jobs = DictJobs(entries)
    jobs.create(order("job", clock()))
    jobs.claim("job", claim(1, clock()))
    jobs.beat("job", Beat(attempt=1, at=clock()))
    distant = Distant(entries, at_once=6)  # order, outcome, claim, beat, and the next claim and delivery if any
    assert DictJobs(distant).get("job") == jobs.get("job")  # type: ignore[arg-type]  # it is only asked


def test_reading_everything_while_others_write_sees_whole_jobs_and_harms_none(entries: modal.Dict) -> None:
    clock = Clock()
    jobs = DictJobs(entries)
    written: list[str] = []
    over = threading.Event()

    def write() -> None:
        while not over.is_set():
            job_id = f"job-{len(written)}"
            jobs.create(order(job_id, clock()))
            jobs.claim(job_id, claim(1, clock()))
            jobs.end(job_id, failed(clock()))
            written.append(job_id)

    writer = threading.Thread(target=write)
    writer.start()
    reader = DictJobs(entries)
    try:
        for _ in range(10):
            before = set(written)
            census = reader.census(clock(), LEASE)
            assert census.by_state[State.FAILED] >= len(before)
            assert before <= {job.job_id for job in reader.ended(clock.now + LEASE, 10**6)}
    finally:
        over.set()
        writer.join()
    assert len(written) > 1
    assert {job.job_id for job in reader.ended(clock.now + LEASE, 10**6)} == set(written)


def test_what_comes_after_a_removal_is_removed_with_the_next_look(entries: modal.Dict) -> None:
    clock = Clock()
    jobs = DictJobs(entries)
    jobs.create(order("job", clock()))
    jobs.remove("job")
    entries["job/beat/2"] = Beat(attempt=2, at=clock()).to_json()
    assert sum(jobs.census(clock(), LEASE).by_state.values()) == 0
    assert list(entries.keys()) == []


def test_progress_of_attempts_that_are_over_is_forgotten(entries: modal.Dict) -> None:
    entries.update({"job/1/0": 5, "job/1/1": 7, "job/2/0": 3})
    assert forget_dead(entries, lambda job_id, attempt: (job_id, attempt) == ("job", 2)) == 2
    assert list(entries.keys()) == ["job/2/0"]
