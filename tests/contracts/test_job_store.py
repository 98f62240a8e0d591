"""What every JobStore does. It is demanded of stores that can do no more than create-if-absent."""

from datetime import timedelta

import pytest

from service.jobs import Beat, Claim, Delivery, State
from service.ports import JobStore
from tests.service.fakes import Clock
from tests.service.samples import all_at_once, claim, completed, failed, order


def test_an_order_comes_back_as_it_was(jobs: JobStore, clock: Clock) -> None:
    now = clock.forward(0.123456)
    placed = order(
        "job",
        now,
        input_video="artifact:sources/job/source",
        preserve_audio=False,
        base64=True,
        keep_duration=True,
        scene_detection=False,
        model="publié",
        webhook_url="https://example.com/\u2713?a=1",
    )
    jobs.create(placed)

    job = jobs.get("job")

    assert job is not None
    assert job.order == placed
    assert job.order.created_at.utcoffset() == timedelta(0)
    assert (job.claim, job.beat, job.outcome, job.delivery) == (None, None, None, None)
    assert job.state is State.QUEUED


def test_an_order_is_written_once(jobs: JobStore, clock: Clock) -> None:
    jobs.create(order("job", clock()))
    jobs.create(order("job", clock(), output_fps=99))
    job = jobs.get("job")
    assert job is not None
    assert job.order == order("job", clock())


@pytest.mark.parametrize("job_id", ["other", "", "JOB", "job ", "jo%", "\0", "jöb", "\ud800", "x" * 10_000, "'; --"])
def test_an_id_that_no_job_has_gives_none(jobs: JobStore, clock: Clock, job_id: str) -> None:
    jobs.create(order("job", clock()))
    assert jobs.get(job_id) is None


def test_a_job_that_does_not_exist_takes_no_part(jobs: JobStore, clock: Clock) -> None:
    assert not jobs.claim("job", claim(1, clock()))
    assert not jobs.beat("job", Beat(attempt=1, at=clock()))
    assert not jobs.end("job", failed(clock()))
    assert jobs.get("job") is None


def test_a_claim_comes_back_as_it_was(jobs: JobStore, clock: Clock) -> None:
    jobs.create(order("job", clock()))
    written = Claim(attempt=1, worker="host/42", claimed_at=clock.forward(1.5), lost=0)
    assert jobs.claim("job", written)
    job = jobs.get("job")
    assert job is not None
    assert job.claim == written
    assert job.state is State.PROCESSING


def test_a_claim_is_written_once(jobs: JobStore, clock: Clock) -> None:
    jobs.create(order("job", clock()))
    assert jobs.claim("job", claim(1, clock(), "first"))
    assert not jobs.claim("job", claim(1, clock(), "second"))
    job = jobs.get("job")
    assert job is not None
    assert job.claim == claim(1, clock(), "first")


def test_the_latest_claim_counts_and_hides_the_beat_of_the_one_before(jobs: JobStore, clock: Clock) -> None:
    jobs.create(order("job", clock()))
    jobs.claim("job", claim(1, clock()))
    jobs.beat("job", Beat(attempt=1, at=clock(), frames_done=5, frames_total=9))
    later = Claim(attempt=2, worker="other", claimed_at=clock.forward(60), lost=1)
    assert jobs.claim("job", later)
    assert not jobs.claim("job", claim(1, clock()))
    job = jobs.get("job")
    assert job is not None
    assert job.claim == later
    assert job.beat is None


def test_of_several_who_claim_at_once_one_has_the_job(jobs: JobStore, clock: Clock) -> None:
    jobs.create(order("job", clock()))
    won = all_at_once(lambda n: jobs.claim("job", claim(1, clock(), f"worker {n}")), range(8))
    assert sorted(won, key=str) == [False] * 7 + [True]
    job = jobs.get("job")
    assert job is not None
    assert job.claim is not None
    assert job.claim.worker == f"worker {won.index(True)}"


def test_a_job_that_has_ended_is_not_claimed(jobs: JobStore, clock: Clock) -> None:
    jobs.create(order("job", clock()))
    jobs.end("job", failed(clock()))
    assert not jobs.claim("job", claim(1, clock()))


def test_a_beat_comes_back_as_it_was_and_the_last_one_counts(jobs: JobStore, clock: Clock) -> None:
    jobs.create(order("job", clock()))
    jobs.claim("job", claim(1, clock()))
    assert jobs.beat("job", Beat(attempt=1, at=clock.forward(1)))
    last = Beat(attempt=1, at=clock.forward(1), frames_done=3, frames_total=9, began_at=clock(), handed_back=True)
    assert jobs.beat("job", last)
    job = jobs.get("job")
    assert job is not None
    assert job.beat == last


def test_a_beat_is_told_that_somebody_else_has_the_job(jobs: JobStore, clock: Clock) -> None:
    jobs.create(order("job", clock()))
    jobs.claim("job", claim(1, clock()))
    jobs.claim("job", claim(2, clock()))
    assert not jobs.beat("job", Beat(attempt=1, at=clock(), frames_done=9))
    job = jobs.get("job")
    assert job is not None
    assert job.beat is None
    assert jobs.beat("job", Beat(attempt=2, at=clock()))


def test_a_beat_is_told_that_the_job_has_ended(jobs: JobStore, clock: Clock) -> None:
    jobs.create(order("job", clock()))
    jobs.claim("job", claim(1, clock()))
    jobs.end("job", failed(clock()))
    assert not jobs.beat("job", Beat(attempt=1, at=clock()))


@pytest.mark.parametrize("write", [completed, failed])
def test_an_outcome_comes_back_as_it_was(jobs: JobStore, clock: Clock, write: type) -> None:
    jobs.create(order("job", clock()))
    outcome = write(clock.forward(2.000001))
    assert jobs.end("job", outcome)
    job = jobs.get("job")
    assert job is not None
    assert job.outcome == outcome


def test_the_first_outcome_stands(jobs: JobStore, clock: Clock) -> None:
    jobs.create(order("job", clock()))
    jobs.claim("job", claim(1, clock()))
    assert jobs.end("job", completed(clock()))
    assert not jobs.end("job", failed(clock()))
    job = jobs.get("job")
    assert job is not None
    assert job.outcome == completed(clock())


def test_of_several_ends_at_once_one_stands(jobs: JobStore, clock: Clock) -> None:
    jobs.create(order("job", clock()))
    won = all_at_once(lambda n: jobs.end("job", failed(clock(), f"code_{n}")), range(8))
    assert sorted(won, key=str) == [False] * 7 + [True]
    job = jobs.get("job")
    assert job is not None
    assert job.outcome == failed(clock(), f"code_{won.index(True)}")


def test_a_delivery_is_begun_once_and_answered_over_its_beginning(jobs: JobStore, clock: Clock) -> None:
    jobs.create(order("job", clock()))
    jobs.end("job", failed(clock()))
    begun = Delivery(attempt=1, at=clock())
    assert jobs.deliver("job", begun)
    assert not jobs.deliver("job", begun)
    answered = Delivery(attempt=1, at=clock(), status=500)
    assert jobs.deliver("job", answered)
    assert not jobs.deliver("job", begun)
    job = jobs.get("job")
    assert job is not None
    assert job.delivery == answered


def test_the_latest_delivery_counts(jobs: JobStore, clock: Clock) -> None:
    jobs.create(order("job", clock()))
    jobs.end("job", failed(clock()))
    jobs.deliver("job", Delivery(attempt=1, at=clock(), status=None, done=False))
    assert jobs.deliver("job", Delivery(attempt=2, at=clock.forward(5)))
    assert not jobs.deliver("job", Delivery(attempt=1, at=clock()))
    assert jobs.deliver("job", Delivery(attempt=2, at=clock(), done=True))
    job = jobs.get("job")
    assert job is not None
    assert job.delivery == Delivery(attempt=2, at=clock(), done=True)


def test_of_several_who_begin_a_delivery_one_sends_it(jobs: JobStore, clock: Clock) -> None:
    jobs.create(order("job", clock()))
    jobs.end("job", failed(clock()))
    won = all_at_once(lambda n: jobs.deliver("job", Delivery(attempt=1, at=clock() + timedelta(seconds=n))), range(8))
    assert sorted(won, key=str) == [False] * 7 + [True]


def test_a_removed_job_is_gone_with_all_its_parts(jobs: JobStore, clock: Clock) -> None:
    jobs.create(order("job", clock()))
    jobs.create(order("other", clock()))
    jobs.claim("job", claim(1, clock()))
    jobs.claim("job", claim(2, clock()))
    jobs.beat("job", Beat(attempt=2, at=clock()))
    jobs.end("job", failed(clock()))
    jobs.deliver("job", Delivery(attempt=1, at=clock()))
    jobs.remove("job")
    jobs.remove("job")
    assert jobs.get("job") is None
    assert jobs.get("other") is not None
    jobs.create(order("job", clock()))
    job = jobs.get("job")
    assert job is not None
    assert (job.claim, job.beat, job.outcome, job.delivery) == (None, None, None, None)
