"""Every end is told, again and again where need be, across restarts and by several couriers at once."""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook

from service.courier import Courier
from service.jobs import Delivery, Job
from service.webhooks import Webhooks, signing_secret
from tests.service.fakes import Clock, MemoryIndex, MemoryJobs
from tests.service.hostile import Internet, Say, Stranger, answer
from tests.service.samples import completed, failed, order

SECRET = b"a secret of the server's, 32 long"
SECONDS = 0.5  # that a receiver may take
LOST = SECONDS + 5 + 0.1  # after which an attempt without an answer has failed
KEPT = timedelta(hours=1)  # that a job is there to be told of


def _body_of(job: Job) -> Mapping[str, Any]:
    return {"status": job.state, "request_id": job.job_id}


class Post:
    """A post office: jobs, a receiver, and couriers as one likes."""

    def __init__(self, clock: Clock, stranger: Stranger) -> None:
        self.clock = clock
        self.jobs = MemoryJobs()
        self.stranger = stranger
        self.internet = Internet({"hooks.example": [["93.184.216.34"]], "inside.example": [["10.0.0.7"]]})

    def courier(self, *, attempts: int = 8, body_of: Callable[[Job], Mapping[str, Any]] = _body_of) -> Courier:
        webhooks = Webhooks(
            secret=SECRET,
            seconds=SECONDS,
            allow_http=True,
            allow_private=False,
            resolver=self.internet.resolve,
            connector=self.internet.connect,
        )
        return Courier(
            jobs=self.jobs,
            index=MemoryIndex(self.jobs),
            webhooks=webhooks,
            body_of=body_of,
            attempts=attempts,
            seconds=SECONDS,
            clock=self.clock,
        )

    def ended(self, job_id: str, *says: bytes | Say, host: str = "hooks.example", well: bool = True) -> str:
        """Add a job that has just ended, whose receiver answers so."""
        self.stranger.says[f"/{job_id}"] = list(says)
        url = self.stranger.url(host, f"/{job_id}")
        self.jobs.create(order(job_id, self.clock(), webhook_url=url))
        self.jobs.end(job_id, (completed if well else failed)(self.clock()))
        return job_id

    def told(self, job_id: str) -> int:
        return sum(asked.path == f"/{job_id}" for asked in self.stranger.asked)

    def delivery(self, job_id: str) -> Delivery:
        job = self.jobs.get(job_id)
        assert job is not None
        assert job.delivery is not None
        return job.delivery


@pytest.fixture
def post(clock: Clock) -> Iterator[Post]:
    with Stranger() as stranger:
        yield Post(clock, stranger)


def test_every_end_is_told_once(post: Post) -> None:
    good, bad = post.ended("good", answer(204)), post.ended("bad", answer(200), well=False)
    assert post.courier().deliver_due() == 2
    assert post.courier().deliver_due() == 0
    assert post.told(good) == post.told(bad) == 1
    assert post.delivery(good).done
    assert post.delivery(good).status == 204
    bodies = {asked.path: asked.body for asked in post.stranger.asked}
    assert bodies == {
        "/good": b'{"status":"COMPLETED","request_id":"good"}',
        "/bad": b'{"status":"FAILED","request_id":"bad"}',
    }


def test_it_is_signed_with_the_account_s_secret_under_one_id(post: Post) -> None:
    now = datetime.now(UTC)
    post.clock.forward((now - post.clock()).total_seconds())  # the package looks at the real clock
    post.ended("job", answer(500), answer(200))
    post.courier().deliver_due()
    post.clock.forward(10)
    post.courier().deliver_due()
    first, second = post.stranger.asked
    verifier = Webhook(signing_secret(SECRET, "acme"))
    assert verifier.verify(first.body, dict(first.headers)) == verifier.verify(second.body, dict(second.headers))
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == "msg_job"
    assert first.headers["webhook-timestamp"] != second.headers["webhook-timestamp"]


def test_jobs_without_a_webhook_or_an_end_are_left_alone(post: Post) -> None:
    post.jobs.create(order("silent", post.clock()))
    post.jobs.end("silent", completed(post.clock()))
    post.jobs.create(order("running", post.clock(), webhook_url=post.stranger.url("hooks.example")))
    assert post.courier().deliver_due() == 0


def test_a_failure_is_tried_again_after_a_while_by_any_courier(post: Post) -> None:
    job = post.ended("job", answer(500), answer(503), answer(302, Location="/"), answer(200))
    for told, seconds in enumerate((5.6, 33.1, 132.1), start=1):
        assert post.courier().deliver_due() == 1  # each time another one: as after a restart
        assert post.courier().deliver_due() == 0
        assert post.told(job) == told
        assert not post.delivery(job).done
        post.clock.forward(seconds)
    assert post.courier().deliver_due() == 1
    assert post.delivery(job).attempt == 4
    assert post.delivery(job).done


def test_it_is_not_tried_again_too_soon(post: Post) -> None:
    post.ended("job", answer(500))
    post.courier().deliver_due()
    post.clock.forward(4.9)
    assert post.courier().deliver_due() == 0


def test_gone_means_never_again(post: Post) -> None:
    job = post.ended("job", answer(410))
    assert post.courier().deliver_due() == 1
    assert post.delivery(job).done
    post.clock.forward(3600)
    assert post.courier().deliver_due() == 0


def test_all_attempts_are_made_while_the_job_is_there_and_then_no_more(post: Post) -> None:
    job = post.ended("job", answer(500))
    ended = post.clock()
    while post.clock() - ended < KEPT:
        post.courier(attempts=8).deliver_due()
        post.clock.forward(15)
    assert post.told(job) == 8
    assert post.delivery(job).done
    assert post.delivery(job).status == 500


def test_an_attempt_whose_courier_died_counts_as_failed(post: Post) -> None:
    job = post.ended("job", answer(200))
    post.jobs.deliver(job, Delivery(attempt=1, at=post.clock()))
    assert post.courier().deliver_due() == 0  # it may be on its way
    post.clock.forward(LOST)
    assert post.courier().deliver_due() == 1
    assert post.delivery(job).attempt == 2
    assert post.delivery(job).done


def test_a_courier_that_died_over_the_last_attempt_leaves_nothing_to_do(post: Post) -> None:
    job = post.ended("job", answer(200))
    post.jobs.deliver(job, Delivery(attempt=2, at=post.clock()))
    post.clock.forward(60)
    assert post.courier(attempts=2).deliver_due() == 0
    assert post.told(job) == 0
    assert post.delivery(job).done


def test_two_couriers_do_not_both_make_an_attempt(post: Post) -> None:
    jobs = [post.ended(f"job{number}", answer(200)) for number in range(12)]
    start = threading.Barrier(3)
    tried: list[int] = []

    def deliver() -> None:
        courier = post.courier()
        start.wait()
        tried.append(courier.deliver_due())

    threads = [threading.Thread(target=deliver) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(tried) == 12
    assert [post.told(job) for job in jobs] == [1] * 12


def test_a_private_address_is_never_posted_to(post: Post) -> None:
    job = post.ended("job", answer(200), host="inside.example")
    assert post.courier(attempts=2).deliver_due() == 1
    assert post.delivery(job).status is None
    post.clock.forward(60)
    assert post.courier(attempts=2).deliver_due() == 1
    assert post.delivery(job).done
    assert post.internet.dialled == []


def test_one_bad_receiver_does_not_keep_the_others_waiting(post: Post, caplog: pytest.LogCaptureFixture) -> None:
    def silent(_: object) -> None:
        post.stranger.over.wait(10)

    def body_of(job: Job) -> Mapping[str, Any]:
        if job.job_id == "ours":
            raise KeyError("hush")
        return _body_of(job)

    post.ended("slow", silent)
    post.ended("cut", b"")
    post.ended("ours", answer(200))
    good = post.ended("good", answer(200))
    with caplog.at_level(logging.INFO, "service"):
        assert post.courier(body_of=body_of).deliver_due() == 4
    assert post.delivery(good).done
    assert post.told("ours") == 0
    post.clock.forward(LOST)
    assert post.courier().deliver_due() == 3


def test_no_address_and_no_body_is_logged(post: Post, caplog: pytest.LogCaptureFixture) -> None:
    post.ended("job", answer(500), answer(410))
    post.ended("cut", b"")
    with caplog.at_level(logging.INFO, "service"):
        post.courier().deliver_due()
        post.clock.forward(10)
        post.courier().deliver_due()
    said = [record.getMessage() for record in caplog.records]
    assert {"webhook failed", "webhook refused", "webhook unanswered"} <= set(said)
    assert all(record.__dict__["job"] in ("job", "cut") for record in caplog.records)
    assert "example" not in caplog.text + str([record.__dict__ for record in caplog.records])


def test_new_ones_and_other_accounts_come_before_a_heap_of_old_ones(post: Post) -> None:
    for number in range(40):
        post.ended(f"old{number}", answer(500))
    courier = post.courier()
    assert courier.deliver_due() == 32
    assert courier.deliver_due() == 8
    post.clock.forward(10)
    new = post.ended("new", answer(200))
    assert courier.deliver_due() == 32
    assert post.delivery(new).done
