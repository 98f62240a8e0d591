"""Things that tests of the shop are about, with what doesn't matter filled in; and many doing one thing at once."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from threading import Barrier
from typing import Any, TypeVar

from service.accounts import Account, Hold, Key
from service.jobs import Claim, Failure, Options, Order, Outcome, Result

__all__ = ["OPTIONS", "RESULT", "all_at_once", "claim", "completed", "failed", "hold", "key_of", "order"]

T = TypeVar("T")
U = TypeVar("U")

OPTIONS = Options(input_video="https://example.com/clip.mp4", frame_multiplier=2, output_fps=48)
RESULT = Result(
    artifact="results/job/1/clip.mp4",
    size_bytes=1234,
    width=640,
    height=360,
    fps=48.0,
    frames=96,
    made=47,
    duration_seconds=2.0,
)


def order(job_id: str, at: datetime, **changed: Any) -> Order:
    options = replace(OPTIONS, **changed)
    return Order(job_id=job_id, account_id="acme", key_id="key_1", created_at=at, options=options)


def claim(attempt: int, at: datetime, worker: str = "worker") -> Claim:
    return Claim(attempt=attempt, worker=worker, claimed_at=at)


def completed(at: datetime, cost: str = "1.25") -> Outcome:
    return Outcome(ended_at=at, result=RESULT, cost=Decimal(cost), inference_seconds=3.5)


def failed(at: datetime, code: str = "cancelled") -> Outcome:
    return Outcome(ended_at=at, failure=Failure(code=code, message="it didn't work"))


def key_of(account_id: str, key_id: str, at: datetime, **changed: Any) -> tuple[Account, Key]:
    key = Key(key_id=key_id, account_id=account_id, digest=f"digest of {key_id}", hint="film_ab…", created_at=at)
    return Account(account_id=account_id, created_at=at), replace(key, **changed)


def hold(job_id: str, at: datetime, credits: str = "1", **changed: Any) -> Hold:
    plain = Hold(job_id=job_id, account_id="acme", key_id="key_1", credits=Decimal(credits), created_at=at)
    return replace(plain, **changed)


def all_at_once(do: Callable[[T], U], things: Iterable[T]) -> list[U | Exception]:
    """Do it with each thing in a thread of its own, all beginning together; give what came of each."""
    items = list(things)
    start = Barrier(len(items))

    def run(item: T) -> U | Exception:
        start.wait(timeout=60)
        try:
            return do(item)
        except Exception as error:  # noqa: BLE001 (what is raised is what the test looks at)
            return error

    with ThreadPoolExecutor(len(items)) as pool:
        return list(pool.map(run, items))
