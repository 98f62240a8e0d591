"""A job: what was asked for, who works on it, how far it is, how it ended.

A job is only ever added to, in parts that are each written once, so that a store which can
do no more than create-if-absent can hold it:

    order          once, when it is submitted
    claim 1, 2, …  attempt n begins; whoever creates claim n has the job
    beat of n      the last sign of life of attempt n, with its progress; written over
    outcome        once; the first one wins, whoever writes it: worker, cancel, expiry, recovery

From these follow its states: QUEUED → PROCESSING → COMPLETED | FAILED. A job whose worker is gone
or gave it back is PROCESSING still until somebody claims it again; no state is ever left.
"""

import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from enum import StrEnum
from typing import Any, Final, Self

__all__ = [
    "MICRO",
    "Beat",
    "Claim",
    "Delivery",
    "Failure",
    "Job",
    "Options",
    "Order",
    "Outcome",
    "Result",
    "State",
    "new_job_id",
    "price_of",
    "utc_now",
]

MICRO: Final = Decimal("0.000001")


class State(StrEnum):
    """Where a job stands, in the contract's words."""

    QUEUED = "QUEUED"
    PROCESSING = "PROCESSING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"


@dataclass(frozen=True, kw_only=True)
class Options:
    """What was asked for.

    Attributes:
        input_video: An http(s) URL, or `artifact:NAME` where the source lies with us already.
        frame_multiplier: Output frames for each source frame, 1 to 10.
        output_fps: Output frames a second, 1 to 120.
        preserve_audio: Whether the sound is kept.
        base64: Whether the result body holds the video itself.
        keep_duration: Whether the clip is sampled at `output_fps` rather than slowed or sped up.
        scene_detection: Whether cuts are held.
        model: A weight set's name; None for the server's default.
        webhook_url: Who is told of the end; None for nobody.
    """

    input_video: str
    frame_multiplier: int
    output_fps: int
    preserve_audio: bool = True
    base64: bool = False
    keep_duration: bool = False
    scene_detection: bool = True
    model: str | None = None
    webhook_url: str | None = None


@dataclass(frozen=True, kw_only=True)
class Order:
    """A job as it was submitted.

    Attributes:
        job_id: Unguessable.
        account_id: Whose credits it takes.
        key_id: Which of the account's keys it was submitted with.
        created_at: UTC.
        options: What was asked for.
    """

    job_id: str
    account_id: str
    key_id: str
    created_at: datetime
    options: Options

    def to_json(self) -> dict[str, Any]:
        """Give plain values that JSON can hold."""
        return {**asdict(self), "created_at": self.created_at.isoformat()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Make an order from what `to_json` gave."""
        created_at = datetime.fromisoformat(values["created_at"])
        return cls(**{**values, "created_at": created_at, "options": Options(**values["options"])})


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One attempt at a job.

    Attributes:
        attempt: From 1.
        worker: Who claimed it; for logs, and for finding it again on the platform.
        claimed_at: UTC.
        lost: How many attempts before this one ended with their worker, rather than being handed back.
    """

    attempt: int
    worker: str
    claimed_at: datetime
    lost: int = 0

    def to_json(self) -> dict[str, Any]:
        """Give plain values that JSON can hold."""
        return {**asdict(self), "claimed_at": self.claimed_at.isoformat()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Make a claim from what `to_json` gave."""
        return cls(**{**values, "claimed_at": datetime.fromisoformat(values["claimed_at"])})


@dataclass(frozen=True, kw_only=True)
class Beat:
    """The last sign of life of an attempt.

    Attributes:
        attempt: Whose.
        at: UTC.
        frames_done: Output frames made so far.
        frames_total: Output frames that there will be; 0 while that isn't known.
        began_at: When the first frame was begun, UTC; None before that.
        handed_back: Whether the worker gave the job back in good order.
    """

    attempt: int
    at: datetime
    frames_done: int = 0
    frames_total: int = 0
    began_at: datetime | None = None
    handed_back: bool = False

    def to_json(self) -> dict[str, Any]:
        """Give plain values that JSON can hold."""
        began_at = None if self.began_at is None else self.began_at.isoformat()
        return {**asdict(self), "at": self.at.isoformat(), "began_at": began_at}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Make a beat from what `to_json` gave."""
        began_at = None if values["began_at"] is None else datetime.fromisoformat(values["began_at"])
        return cls(**{**values, "at": datetime.fromisoformat(values["at"]), "began_at": began_at})


@dataclass(frozen=True, kw_only=True)
class Result:
    """The clip that came out.

    Attributes:
        artifact: Its name in the artifact store.
        size_bytes: Of the file.
        width: Pixels.
        height: Pixels.
        fps: Output frames a second.
        frames: Output frames in all.
        made: Of these, frames that the network made.
        duration_seconds: How long it plays.
    """

    artifact: str
    size_bytes: int
    width: int
    height: int
    fps: float
    frames: int
    made: int
    duration_seconds: float


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a job failed: a stable slug, and one line for a person."""

    code: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a job ended: exactly one of `result` and `failure` is there.

    Attributes:
        ended_at: UTC.
        result: What came out.
        failure: Why nothing did.
        cost: Credits taken; 0 for a failure.
        inference_seconds: From the first frame begun until the end.
    """

    ended_at: datetime
    result: Result | None = None
    failure: Failure | None = None
    cost: Decimal = Decimal(0)
    inference_seconds: float = 0.0

    def __post_init__(self) -> None:
        """Check that it is one or the other."""
        assert (self.result is None) != (self.failure is None), "a result or a failure"

    @property
    def state(self) -> State:
        """COMPLETED or FAILED."""
        return State.FAILED if self.result is None else State.COMPLETED

    def to_json(self) -> dict[str, Any]:
        """Give plain values that JSON can hold."""
        return {**asdict(self), "ended_at": self.ended_at.isoformat(), "cost": str(self.cost)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Make an outcome from what `to_json` gave."""
        return cls(
            ended_at=datetime.fromisoformat(values["ended_at"]),
            result=None if values["result"] is None else Result(**values["result"]),
            failure=None if values["failure"] is None else Failure(**values["failure"]),
            cost=Decimal(values["cost"]),
            inference_seconds=values["inference_seconds"],
        )


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One attempt to tell the caller's webhook; written twice at most: when it begins and when its answer is known.

    Attributes:
        attempt: From 1.
        at: When it was begun, UTC.
        status: HTTP status of the answer; None while there is none.
        done: Whether nothing more is to be tried: it was taken, or refused for good.
    """

    attempt: int
    at: datetime
    status: int | None = None
    done: bool = False

    def to_json(self) -> dict[str, Any]:
        """Give plain values that JSON can hold."""
        return {**asdict(self), "at": self.at.isoformat()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Make a delivery from what `to_json` gave."""
        return cls(**{**values, "at": datetime.fromisoformat(values["at"])})


@dataclass(frozen=True, kw_only=True)
class Job:
    """Everything that is known of a job.

    Attributes:
        order: As submitted.
        claim: The latest attempt; None while nobody has claimed it.
        beat: That attempt's last sign of life; None before the first.
        outcome: How it ended; None while it hasn't.
        delivery: The latest attempt to tell the caller; None before the first.
    """

    order: Order
    claim: Claim | None = None
    beat: Beat | None = None
    outcome: Outcome | None = None
    delivery: Delivery | None = None

    @property
    def job_id(self) -> str:
        """The order's."""
        return self.order.job_id

    @property
    def state(self) -> State:
        """Where it stands."""
        if self.outcome is not None:
            return self.outcome.state
        return State.QUEUED if self.claim is None else State.PROCESSING

    @property
    def progress(self) -> float:
        """How much of it is done, 0 to 1; 1 only when it is COMPLETED."""
        if self.state is State.COMPLETED:
            return 1.0
        if self.beat is None or not self.beat.frames_total:
            return 0.0
        return min(self.beat.frames_done / self.beat.frames_total, 0.999)

    @property
    def frames_per_second(self) -> float:
        """Output frames a second of the current attempt so far; 0 before its first."""
        beat = self.beat
        if self.outcome is not None or beat is None or beat.began_at is None or beat.at <= beat.began_at:
            return 0.0
        return beat.frames_done / (beat.at - beat.began_at).total_seconds()

    def last_sign(self) -> datetime | None:
        """Say when the current attempt was last seen alive; None where nobody has the job."""
        if self.claim is None:
            return None
        return self.claim.claimed_at if self.beat is None else max(self.claim.claimed_at, self.beat.at)

    def is_free(self, now: datetime, lease: timedelta) -> bool:
        """Say whether the job may be claimed: it hasn't ended, and nobody who is alive has it."""
        if self.outcome is not None:
            return False
        if self.beat is not None and self.beat.handed_back:
            return True
        seen = self.last_sign()
        return seen is None or now - seen > lease

    def next_claim(self, worker: str, now: datetime) -> Claim:
        """Give the claim that takes the job over from whoever had it last."""
        if self.claim is None:
            return Claim(attempt=1, worker=worker, claimed_at=now)
        handed_back = self.beat is not None and self.beat.handed_back
        lost = self.claim.lost + (0 if handed_back else 1)
        return Claim(attempt=self.claim.attempt + 1, worker=worker, claimed_at=now, lost=lost)

    def with_claim(self, claim: Claim) -> "Job":
        """Give the job as it is once `claim` was written."""
        return replace(self, claim=claim, beat=None)

    def queue_seconds(self, now: datetime) -> float:
        """Say how long it waited, or has waited so far, for its first worker that is still known."""
        until = self.claim.claimed_at if self.claim else self.outcome.ended_at if self.outcome else now
        return max(0.0, (until - self.order.created_at).total_seconds())

    def eta_seconds(self, now: datetime) -> float | None:
        """Estimate how long it will still take, from the pace so far; None where there is no telling."""
        beat = self.beat
        if self.outcome is not None or beat is None or beat.began_at is None or not beat.frames_done:
            return None
        elapsed = (beat.at - beat.began_at).total_seconds()
        left = (beat.frames_total - beat.frames_done) * elapsed / beat.frames_done
        return max(0.0, left - (now - beat.at).total_seconds())


def new_job_id() -> str:
    """Make an id that can't be guessed: 122 random bits."""
    return uuid.uuid4().hex


def price_of(*, width: int, height: int, made: int, per_megapixel: Decimal) -> Decimal:
    """Give the credits that `made` synthesised frames of `width`×`height` pixels cost, rounded up to a millionth."""
    megapixels = Decimal(width * height * made) / 1_000_000
    return (megapixels * per_megapixel).quantize(MICRO, rounding=ROUND_CEILING)


def utc_now() -> datetime:
    """Give the time: the clock that is injected everywhere but in tests."""
    return datetime.now(UTC)
