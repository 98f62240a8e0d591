"""No order of events loses a credit or ends a job twice."""

import shutil
import tempfile
from contextlib import ExitStack
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)

from service.accounts import Caller
from service.backends.sql import Database, SqlIndex, SqlJobs, SqlKeys, SqlLedger
from service.errors import AlreadyEnded, CreditsExceeded, InsufficientCredits, InternalError, RequestNotFound
from service.jobs import Job, Outcome, State
from tests.service.fakes import Clock
from tests.service.house import KEEP, LEASE, QUEUE, House, in_memory
from tests.service.samples import all_at_once, completed, failed

GRANTED = Decimal("2.5")
_PRICES = (Decimal("0.05"), Decimal("0.1"), Decimal("0.700001"), Decimal(1))
_RANK = {State.QUEUED: 0, State.PROCESSING: 1, State.COMPLETED: 2, State.FAILED: 2}


class Life(RuleBasedStateMachine):
    """Callers, workers (alive, dead and thought dead), the sweep and time, in any order."""

    jobs: Bundle[str] = Bundle("jobs")
    attempts: Bundle[Job] = Bundle("attempts")

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        folder = Path(tempfile.mkdtemp(prefix="film-life-"))
        self.stack.callback(shutil.rmtree, folder)
        self.clock = Clock()
        self.house = self.open(folder)
        self.state: dict[str, State] = {}
        self.outcomes: dict[str, Outcome] = {}
        self.priced: set[str] = set()

    def open(self, folder: Path) -> House:
        return in_memory(folder, self.clock)

    @initialize()
    def move_in(self) -> None:
        self.caller = self.house.caller(credits=str(GRANTED))

    def price(self, job_id: str) -> Decimal:
        return _PRICES[list(self.state).index(job_id) % len(_PRICES)]

    def ended(self, job: Job, *, won: bool) -> None:
        if won:
            assert job.job_id not in self.outcomes, "it had ended before"
            outcome = self.house.found(job).outcome
            assert outcome is not None
            self.outcomes[job.job_id] = outcome
        else:
            gone = self.house.jobs.get(job.job_id)
            assert gone is None or gone.outcome is not None, "an open job can be ended"

    @rule(target=jobs)
    def submit(self) -> MultipleResults[str]:
        self.clock.forward(0.000001)  # ids are random; which job waited longest must not depend on them
        try:
            job = self.house.submit(self.caller)
        except InsufficientCredits:
            assert self.house.orders.balance(self.caller) < self.house.minimum_hold
            return multiple()
        self.state[job.job_id] = State.QUEUED
        return multiple(job.job_id)

    @rule(target=attempts)
    def take(self) -> MultipleResults[Job]:
        if not self.house.index.free(self.clock(), self.house.runs.rules.lease, 1):
            self.submit()
        job = self.house.runs.take_next("worker")
        return multiple() if job is None else multiple(job)

    @rule(job=attempts, frames=st.integers(0, 100))
    def beat(self, job: Job, frames: int) -> None:
        now = self.house.jobs.get(job.job_id)
        mine = now is not None and now.outcome is None and now.claim == job.claim
        assert self.house.beat(job, frames) == mine

    @rule(job=attempts)
    def make_price(self, job: Job) -> None:
        self.settle_price(job)

    def settle_price(self, job: Job) -> bool:
        cost = self.price(job.job_id)
        try:
            self.house.runs.price(job, cost)
        except CreditsExceeded as error:
            assert self.house.orders.balance(self.caller) < cost
            self.ended(job, won=self.house.runs.fail(job, error))
            return False
        self.priced.add(job.job_id)
        return True

    @rule(job=consumes(attempts))
    def hand_back(self, job: Job) -> None:
        self.house.runs.hand_back(job)

    @rule(job=attempts)
    def complete(self, job: Job) -> None:
        if not self.settle_price(job):
            return
        result = self.house.put_result(job)
        won = self.house.runs.complete(job, result, cost=self.price(job.job_id), began_at=self.clock())
        self.ended(job, won=won)

    @rule(job=attempts)
    def fail(self, job: Job) -> None:
        self.ended(job, won=self.house.runs.fail(job, InternalError()))

    @rule(job_id=jobs)
    def cancel(self, job_id: str) -> None:
        try:
            job = self.house.orders.cancel(self.caller, job_id)
        except AlreadyEnded:
            job = self.house.orders.find(self.caller, job_id)
            assert job.outcome is not None
        except RequestNotFound:
            assert job_id in self.outcomes
        else:
            self.ended(job, won=True)

    @rule(job=attempts, well=st.booleans())
    def end_and_die(self, job: Job, *, well: bool) -> None:
        """Write the end, and die before the credits follow."""
        paid = completed(self.clock(), cost=str(self.price(job.job_id)))
        outcome = paid if well and job.job_id in self.priced else failed(self.clock())
        self.ended(job, won=self.house.jobs.end(job.job_id, outcome))

    @rule(seconds=st.sampled_from([1, 1, LEASE + 1, LEASE + 1, 2 * LEASE + 2, KEEP + 1, QUEUE + 1]))
    def wait(self, seconds: int) -> None:
        self.clock.forward(seconds)

    @rule()
    def sweep(self) -> None:
        self.house.upkeep.sweep()

    @invariant()
    def every_credit_is_somewhere(self) -> None:
        if hasattr(self, "caller"):
            assert self.house.total() == GRANTED
            assert self.house.orders.balance(self.caller) >= 0

    @invariant()
    def no_job_goes_back_or_ends_again(self) -> None:
        for job_id, before in self.state.items():
            job = self.house.jobs.get(job_id)
            if job is None:
                assert self.clock() > self.outcomes[job_id].ended_at + timedelta(seconds=KEEP)
                continue
            assert _RANK[job.state] >= _RANK[before]
            self.state[job_id] = job.state
            if job.outcome is not None:  # where the sweep ended it, this is the first that we hear of it
                assert self.outcomes.setdefault(job_id, job.outcome) == job.outcome

    def teardown(self) -> None:
        with self.stack:
            if not hasattr(self, "caller"):
                return
            for _ in range(2):
                self.clock.forward(2 * QUEUE)
                self.take_all()
                self.sweep()
                self.no_job_goes_back_or_ends_again()
            self.clock.forward(KEEP + 1)
            self.sweep()
            spent = sum((outcome.cost for outcome in self.outcomes.values()), Decimal(0))
            assert self.outcomes.keys() == self.state.keys()
            assert self.house.orders.balance(self.caller) == GRANTED - spent
            assert self.house.files() == []
            assert [self.house.jobs.get(job_id) for job_id in self.state] == [None] * len(self.state)

    def take_all(self) -> None:
        """Begin whatever can be begun, and fail it."""
        while (job := self.house.runs.take_next("last")) is not None:
            assert self.house.runs.fail(job, InternalError())


class LifeInSqlite(Life):
    """The same, in a file."""

    def open(self, folder: Path) -> House:
        database = Database.in_file(folder / "film.db")
        self.stack.callback(database.close)
        return in_sql(database, folder, self.clock)


def in_sql(database: Database, folder: Path, clock: Clock) -> House:
    return House(
        jobs=SqlJobs(database),
        index=SqlIndex(database),
        keys=SqlKeys(database),
        ledger=SqlLedger(database),
        folder=folder,
        clock=clock,
    )


_SLOW = (HealthCheck.too_slow, HealthCheck.filter_too_much)
TestLife = Life.TestCase
TestLife.settings = settings(max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=_SLOW)
TestLifeInSqlite = LifeInSqlite.TestCase
TestLifeInSqlite.settings = settings(max_examples=8, stateful_step_count=30, deadline=None, suppress_health_check=_SLOW)


def test_of_fifty_submits_at_once_as_many_succeed_as_are_affordable(
    postgres_url: str, tmp_path: Path, clock: Clock
) -> None:
    database = Database.at(postgres_url)
    try:
        house = in_sql(database, tmp_path, clock)
        caller = house.caller(credits="1.75")
        came = all_at_once(lambda _: house.submit(caller), range(50))
        jobs = [job for job in came if isinstance(job, Job)]
        assert len(jobs) == 17
        assert {type(error) for error in came if not isinstance(error, Job)} == {InsufficientCredits}
        assert house.orders.balance(caller) == Decimal("0.05")
        assert house.total() == Decimal("1.75")
        assert {job.job_id for job in house.index.free(clock(), timedelta(seconds=LEASE), 99)} == {
            job.job_id for job in jobs
        }
    finally:
        database.close()


@pytest.mark.parametrize("in_file", [True, False], ids=["sqlite", "postgresql"])
def test_workers_callers_and_sweeps_at_once_end_each_job_once(
    request: pytest.FixtureRequest, tmp_path: Path, clock: Clock, *, in_file: bool
) -> None:
    database = (
        Database.in_file(tmp_path / "film.db") if in_file else Database.at(request.getfixturevalue("postgres_url"))
    )
    try:
        house = in_sql(database, tmp_path, clock)
        caller = house.caller(credits="100")
        jobs = [house.submit(caller) for _ in range(12)]

        def act(number: int) -> list[str]:
            if number < 4:
                return _work(house, f"worker {number}")
            if number < 8:
                return _cancel(house, caller, jobs[number].job_id)
            house.upkeep.sweep()
            return []

        came = all_at_once(act, range(9))
        assert [error for error in came if isinstance(error, Exception)] == []
        ends = [job_id for ended in came if isinstance(ended, list) for job_id in ended]
        assert sorted(ends) == sorted(job.job_id for job in jobs)
        done = sum(house.found(job).state is State.COMPLETED for job in jobs)
        assert done >= 8
        assert house.orders.balance(caller) == 100 - done
        assert house.total() == 100
        assert [usage.jobs for usage in house.ledger.usage()] == [done]
    finally:
        database.close()


def _work(house: House, worker: str) -> list[str]:
    """Complete jobs while there are any; give those that this ended."""
    ended = []
    while (job := house.runs.take_next(worker)) is not None:
        if house.complete(job, "1"):
            ended.append(job.job_id)
    return ended


def _cancel(house: House, caller: Caller, job_id: str) -> list[str]:
    try:
        house.orders.cancel(caller, job_id)
    except AlreadyEnded:
        return []
    return [job_id]
