"""What follows from a job's parts."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.jobs import Beat, Claim, Delivery, Job, Outcome, State, new_job_id, price_of
from tests.service.fakes import Clock
from tests.service.samples import claim, completed, failed, order

LEASE = timedelta(seconds=30)
TIMES = st.datetimes(timezones=st.just(UTC))


def _job(at: datetime, **parts: object) -> Job:
    return replace(Job(order=order("job", at)), **parts)  # type: ignore[arg-type]  # parts by name


def test_a_job_is_queued_then_processing_then_over(clock: Clock) -> None:
    job = _job(clock())
    assert job.state is State.QUEUED
    job = job.with_claim(claim(1, clock()))
    assert job.state is State.PROCESSING
    assert replace(job, outcome=completed(clock())).state is State.COMPLETED
    assert replace(job, outcome=failed(clock())).state is State.FAILED


def test_progress_is_whole_only_when_the_job_completed(clock: Clock) -> None:
    job = _job(clock())
    assert job.progress == 0
    assert replace(job, beat=Beat(attempt=1, at=clock())).progress == 0
    assert replace(job, beat=Beat(attempt=1, at=clock(), frames_done=25, frames_total=100)).progress == 0.25
    over = replace(job, beat=Beat(attempt=1, at=clock(), frames_done=101, frames_total=100))
    assert 0.9 < over.progress < 1
    assert replace(over, outcome=completed(clock())).progress == 1


def test_a_job_is_free_when_nobody_alive_has_it(clock: Clock) -> None:
    start = clock()
    job = _job(start)
    assert job.is_free(start, LEASE)
    job = job.with_claim(claim(1, start))
    assert not job.is_free(start + LEASE, LEASE)
    assert job.is_free(start + LEASE + timedelta(microseconds=1), LEASE)
    job = replace(job, beat=Beat(attempt=1, at=start + LEASE))
    assert not job.is_free(start + 2 * LEASE, LEASE)
    assert replace(job, beat=Beat(attempt=1, at=start, handed_back=True)).is_free(start, LEASE)
    assert not replace(job, outcome=failed(start)).is_free(start + 9 * LEASE, LEASE)


def test_a_lost_worker_counts_and_one_that_hands_back_does_not(clock: Clock) -> None:
    job = _job(clock())
    first = job.next_claim("a", clock())
    assert (first.attempt, first.lost) == (1, 0)
    job = job.with_claim(first)
    assert job.next_claim("b", clock()).lost == 1
    job = replace(job, beat=Beat(attempt=1, at=clock(), handed_back=True))
    second = job.next_claim("b", clock())
    assert (second.attempt, second.lost, second.worker) == (2, 0, "b")
    assert job.with_claim(second).beat is None


def test_the_time_left_follows_from_the_pace(clock: Clock) -> None:
    start = clock()
    beat = Beat(attempt=1, at=start + timedelta(seconds=10), frames_done=20, frames_total=100, began_at=start)
    job = replace(_job(start).with_claim(claim(1, start)), beat=beat)
    assert job.eta_seconds(beat.at) == 40
    assert job.eta_seconds(beat.at + timedelta(seconds=15)) == 25
    assert job.eta_seconds(beat.at + timedelta(seconds=99)) == 0
    assert job.frames_per_second == 2
    for other in (replace(beat, began_at=None), replace(beat, frames_done=0), None):
        assert replace(job, beat=other).eta_seconds(beat.at) is None
    assert replace(job, outcome=failed(start)).eta_seconds(beat.at) is None


def test_waiting_ends_with_the_claim_or_the_end(clock: Clock) -> None:
    start = clock()
    later = start + timedelta(seconds=7)
    job = _job(start)
    assert job.queue_seconds(later) == 7
    assert job.with_claim(claim(1, start + timedelta(seconds=3))).queue_seconds(later) == 3
    assert replace(job, outcome=failed(start + timedelta(seconds=5))).queue_seconds(later) == 5
    assert job.queue_seconds(start - timedelta(seconds=1)) == 0


def test_an_outcome_is_a_result_or_a_failure(clock: Clock) -> None:
    with pytest.raises(AssertionError):
        Outcome(ended_at=clock())
    with pytest.raises(AssertionError):
        replace(completed(clock()), failure=failed(clock()).failure)


@given(at=TIMES, other=TIMES, number=st.integers(1, 9), text=st.text(), flag=st.booleans())
def test_parts_survive_json(at: datetime, other: datetime, number: int, text: str, *, flag: bool) -> None:
    parts = (
        order(text, at, model=text, webhook_url=text if flag else None, base64=flag),
        Claim(attempt=number, worker=text, claimed_at=at, lost=number),
        Beat(attempt=number, at=at, frames_done=number, began_at=other if flag else None, handed_back=flag),
        completed(at, cost="0.000001"),
        failed(at, text),
        Delivery(attempt=number, at=at, status=number if flag else None, done=flag),
    )
    for part in parts:
        again = type(part).from_json(json.loads(json.dumps(part.to_json())))
        assert again == part


def test_ids_are_long_and_never_the_same() -> None:
    ids = {new_job_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert {len(job_id) for job_id in ids} == {32}


@given(width=st.integers(1, 8192), height=st.integers(1, 8192), made=st.integers(0, 10**6))
def test_a_price_is_exact_up_to_a_millionth_and_never_too_low(width: int, height: int, made: int) -> None:
    per = Decimal("0.0123")
    price = price_of(width=width, height=height, made=made, per_megapixel=per)
    exact = Decimal(width) * height * made * per / 1_000_000
    assert 0 <= price - exact < Decimal("0.000001")
    assert price.as_tuple().exponent == -6


def test_a_price_by_hand() -> None:
    # 1920 · 1080 = 2.0736 megapixels, 47 frames, a hundredth of a credit each.
    price = price_of(width=1920, height=1080, made=47, per_megapixel=Decimal("0.01"))
    assert price == Decimal("0.974592")
