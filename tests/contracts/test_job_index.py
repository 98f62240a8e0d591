"""What every JobIndex does."""

from datetime import datetime, timedelta

from service.jobs import Beat, Claim, Delivery, State
from service.ports import JobIndex, JobStore
from tests.service.fakes import Clock
from tests.service.samples import claim, completed, failed, order

LEASE = timedelta(seconds=30)


def _free(index: JobIndex, now: datetime, limit: int = 10) -> list[str]:
    return [job.job_id for job in index.free(now, LEASE, limit)]


def test_the_longest_waiting_job_is_free_first(jobs: JobStore, index: JobIndex, clock: Clock) -> None:
    start = clock()
    for job_id, seconds in (("b", 2), ("a", 3), ("c", 1)):
        jobs.create(order(job_id, start + timedelta(seconds=seconds)))
    assert _free(index, start) == ["c", "b", "a"]
    assert _free(index, start, limit=2) == ["c", "b"]
    assert [job.order.job_id for job in index.free(start, LEASE, 1)] == ["c"]


def test_a_job_whose_worker_lives_is_not_free(jobs: JobStore, index: JobIndex, clock: Clock) -> None:
    jobs.create(order("job", clock()))
    jobs.claim("job", claim(1, clock()))
    assert _free(index, clock.forward(30)) == []
    assert _free(index, clock.forward(0.001)) == ["job"]
    jobs.beat("job", Beat(attempt=1, at=clock()))
    assert _free(index, clock.forward(30)) == []
    assert _free(index, clock.forward(0.001)) == ["job"]
    found = index.free(clock(), LEASE, 1)[0]
    assert found == jobs.get("job")
    assert found.is_free(clock(), LEASE)


def test_a_beat_from_a_clock_behind_does_not_free_a_job(jobs: JobStore, index: JobIndex, clock: Clock) -> None:
    jobs.create(order("job", clock()))
    jobs.claim("job", claim(1, clock.forward(100)))
    jobs.beat("job", Beat(attempt=1, at=clock() - timedelta(seconds=50)))
    assert _free(index, clock()) == []
    assert _free(index, clock.forward(30.001)) == ["job"]


def test_a_job_handed_back_is_free_at_once_until_it_is_claimed(jobs: JobStore, index: JobIndex, clock: Clock) -> None:
    jobs.create(order("job", clock()))
    jobs.claim("job", claim(1, clock()))
    jobs.beat("job", Beat(attempt=1, at=clock(), handed_back=True))
    assert _free(index, clock()) == ["job"]
    jobs.claim("job", claim(2, clock()))
    assert _free(index, clock()) == []


def test_a_job_that_has_ended_is_not_free(jobs: JobStore, index: JobIndex, clock: Clock) -> None:
    for job_id in ("waiting", "lost", "back"):
        jobs.create(order(job_id, clock()))
    jobs.claim("lost", claim(1, clock()))
    jobs.claim("back", claim(1, clock()))
    jobs.beat("back", Beat(attempt=1, at=clock(), handed_back=True))
    for job_id in ("waiting", "lost", "back"):
        jobs.end(job_id, failed(clock()))
    assert _free(index, clock.forward(1000)) == []


def test_ended_jobs_are_found_earliest_first(jobs: JobStore, index: JobIndex, clock: Clock) -> None:
    start = clock()
    for job_id, seconds in (("a", 3), ("b", 1), ("c", 2), ("d", 9)):
        jobs.create(order(job_id, start))
        jobs.end(job_id, completed(start + timedelta(seconds=seconds)))
    jobs.create(order("open", start))
    before = start + timedelta(seconds=3.5)
    assert [job.job_id for job in index.ended(before, 10)] == ["b", "c", "a"]
    assert [job.job_id for job in index.ended(before, 2)] == ["b", "c"]
    assert [job.job_id for job in index.ended(start + timedelta(seconds=1), 10)] == []
    assert index.ended(before, 1)[0] == jobs.get("b")


def test_undelivered_jobs_have_ended_with_somebody_to_tell(jobs: JobStore, index: JobIndex, clock: Clock) -> None:
    start = clock()
    hook = "https://example.com/hook"
    for job_id, seconds in (("new", 3), ("tried", 1), ("refused", 2), ("told", 1), ("given up", 1)):
        jobs.create(order(job_id, start, webhook_url=hook))
        jobs.end(job_id, failed(start + timedelta(seconds=seconds)))
    jobs.create(order("open", start, webhook_url=hook))
    jobs.create(order("silent", start))
    jobs.end("silent", failed(start))
    jobs.deliver("tried", Delivery(attempt=1, at=start))
    jobs.deliver("refused", Delivery(attempt=1, at=start))
    jobs.deliver("refused", Delivery(attempt=1, at=start, status=503))
    jobs.deliver("told", Delivery(attempt=1, at=start))
    jobs.deliver("told", Delivery(attempt=1, at=start, status=204, done=True))
    jobs.deliver("given up", Delivery(attempt=1, at=start, done=True))
    now = clock.forward(60)
    assert [job.job_id for job in index.undelivered(now, 10)] == ["tried", "refused", "new"]
    assert [job.job_id for job in index.undelivered(now, 1)] == ["tried"]
    assert index.undelivered(now, 2)[1] == jobs.get("refused")


def test_those_ahead_are_the_queued_ones_submitted_before(jobs: JobStore, index: JobIndex, clock: Clock) -> None:
    for job_id in ("first", "taken", "ended", "mine"):
        jobs.create(order(job_id, clock.forward(1)))
    jobs.create(order("later", clock.forward(1)))
    jobs.claim("taken", claim(1, clock()))
    jobs.end("ended", failed(clock()))
    mine = jobs.get("mine")
    assert mine is not None
    assert index.ahead(mine) in {1, None}
    jobs.claim("first", claim(1, clock()))
    assert index.ahead(mine) in {0, None}


def test_the_census_of_nothing_has_every_state(index: JobIndex, clock: Clock) -> None:
    census = index.census(clock(), LEASE)
    assert census.by_state == dict.fromkeys(State, 0)
    assert census.oldest_queued_at is None
    assert census.frames_per_second == 0


def test_the_census_counts_every_job_and_adds_up_the_pace(jobs: JobStore, index: JobIndex, clock: Clock) -> None:
    start = clock()
    for job_id in ("q1", "q2", "p1", "p2", "p3", "dead", "back", "done", "failed"):
        jobs.create(order(job_id, clock.forward(1)))
    for job_id in ("p1", "p2", "p3", "back", "done"):
        jobs.claim(job_id, claim(1, clock()))
    jobs.claim("dead", Claim(attempt=1, worker="w", claimed_at=start))
    began = clock()
    jobs.beat("dead", Beat(attempt=1, at=began, frames_done=1000, frames_total=1000, began_at=start))
    now = clock.forward(40)
    jobs.beat("p1", Beat(attempt=1, at=now, frames_done=80, frames_total=100, began_at=began))
    jobs.beat("p2", Beat(attempt=1, at=now, frames_done=20, frames_total=100, began_at=began))
    jobs.beat("p3", Beat(attempt=1, at=now))
    jobs.beat("back", Beat(attempt=1, at=now, handed_back=True))
    jobs.end("done", completed(now))
    jobs.end("failed", failed(now))
    census = index.census(now, LEASE)
    assert census.by_state == {State.QUEUED: 2, State.PROCESSING: 5, State.COMPLETED: 1, State.FAILED: 1}
    assert census.oldest_queued_at == start + timedelta(seconds=1)
    assert census.frames_per_second == 2.5
