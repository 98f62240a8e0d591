"""The shop without web and workers, on whatever ports a test gives it."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from service.access import Access
from service.accounts import Caller
from service.backends.disk import DiskArtifacts
from service.intake import Intake
from service.jobs import Beat, Job, Result
from service.links import Links
from service.orders import Orders, Terms
from service.ports import JobIndex, JobStore, KeyStore, Ledger
from service.runs import Rules, Runs
from service.upkeep import Upkeep
from tests.service.fakes import Clock, MemoryDispatcher, MemoryIndex, MemoryJobs, MemoryKeys, MemoryLedger
from tests.service.samples import OPTIONS, RESULT

__all__ = ["KEEP", "LEASE", "QUEUE", "SECRET", "UPLOADS", "House", "in_memory"]

SECRET: Final = b"a secret of thirty-two bytes, yes"
LEASE: Final = 30  # seconds
KEEP: Final = 3600  # seconds
QUEUE: Final = 7200  # seconds
UPLOADS: Final = 86400  # seconds


@dataclass(kw_only=True)
class House:
    """Everything that is between the ports and the web or a worker."""

    jobs: JobStore
    index: JobIndex
    keys: KeyStore
    ledger: Ledger
    folder: Path
    clock: Clock
    jobs_per_key: int = 100
    minimum_hold: Decimal = Decimal("0.1")
    requests_per_minute: int = 5
    dispatcher: MemoryDispatcher = field(default_factory=MemoryDispatcher)

    def __post_init__(self) -> None:
        clock = self.clock
        self.artifacts = DiskArtifacts(self.folder / "files", clock)
        self.links = Links(SECRET, clock)
        self.intake = Intake(self.artifacts, self.links, upload_seconds=UPLOADS, allow_http=False, clock=clock)
        self.access = Access(
            self.keys, self.ledger, secret=SECRET, requests_per_minute=self.requests_per_minute, clock=clock
        )
        self.runs = Runs(
            jobs=self.jobs,
            index=self.index,
            ledger=self.ledger,
            artifacts=self.artifacts,
            rules=Rules(lease=timedelta(seconds=LEASE), retries=2, queue=timedelta(seconds=QUEUE)),
            clock=clock,
        )
        self.orders = Orders(
            jobs=self.jobs,
            index=self.index,
            ledger=self.ledger,
            artifacts=self.artifacts,
            dispatcher=self.dispatcher,
            intake=self.intake,
            runs=self.runs,
            terms=Terms(minimum_hold=self.minimum_hold, jobs_per_key=self.jobs_per_key, keep=timedelta(seconds=KEEP)),
            clock=clock,
        )
        self.upkeep = Upkeep(
            jobs=self.jobs,
            index=self.index,
            ledger=self.ledger,
            artifacts=self.artifacts,
            dispatcher=self.dispatcher,
            runs=self.runs,
            keep=timedelta(seconds=KEEP),
            keep_uploads=timedelta(seconds=UPLOADS),
            clock=clock,
        )

    def caller(self, account_id: str = "acme", credits: str = "10") -> Caller:
        """Make a key with so many credits, and give whose it is."""
        text, _ = self.access.create_key(account_id, credits=Decimal(credits))
        return self.access.authenticate(text)

    def submit(self, caller: Caller, input_video: str = OPTIONS.input_video, **changed: Any) -> Job:
        """Order something."""
        return self.orders.submit(caller, replace(OPTIONS, input_video=input_video, **changed))

    def take(self, worker: str = "worker") -> Job:
        """Claim the next job, which there must be."""
        job = self.runs.take_next(worker)
        assert job is not None
        return job

    def beat(self, job: Job, frames_done: int = 0) -> bool:
        """Give a sign of life."""
        assert job.claim is not None
        beat = Beat(attempt=job.claim.attempt, at=self.clock(), frames_done=frames_done, frames_total=100)
        return self.runs.beat(job, beat)

    def put_result(self, job: Job) -> Result:
        """Store what a worker made."""
        assert job.claim is not None
        name = f"results/{job.job_id}/{job.claim.attempt}/clip.mp4"
        with self.artifacts.workspace(job.job_id, job.claim.attempt) as folder:
            (folder / "clip.mp4").write_bytes(b"video")
            stored = self.artifacts.put(name, folder / "clip.mp4")
        return replace(RESULT, artifact=stored.name, size_bytes=stored.size_bytes)

    def complete(self, job: Job, cost: str = "1") -> bool:
        """Price a job and end it well."""
        self.runs.price(job, Decimal(cost))
        return self.runs.complete(job, self.put_result(job), cost=Decimal(cost), began_at=self.clock())

    def found(self, job: Job) -> Job:
        """Give a job as it is now; it must be there."""
        now = self.jobs.get(job.job_id)
        assert now is not None
        return now

    def files(self) -> list[str]:
        """Name all files."""
        return [stored.name for place in ("results", "sources", "uploads") for stored in self.artifacts.names(place)]

    def total(self, account_id: str = "acme") -> Decimal:
        """Add up what is spendable, held and spent: always what was granted."""
        holds = self.ledger.open_holds(self.clock() + timedelta(days=1), 1000)
        held = sum((hold.credits for hold in holds if hold.account_id == account_id), Decimal(0))
        spent = sum((usage.credits for usage in self.ledger.usage(account_id)), Decimal(0))
        return self.ledger.balance(account_id) + held + spent


def in_memory(folder: Path, clock: Clock) -> House:
    """Open a house of fakes."""
    jobs, keys = MemoryJobs(), MemoryKeys()
    return House(jobs=jobs, index=MemoryIndex(jobs), keys=keys, ledger=MemoryLedger(keys), folder=folder, clock=clock)
