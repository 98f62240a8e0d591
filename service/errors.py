"""Everything that the service raises on purpose.

    ServiceError
     ├─ BadRequest                   what was asked for makes no sense
     │   ├─ BadSource                  `input_video` isn't anything that we take
     │   └─ BadWebhook                 `webhook_url` isn't an address that we call
     ├─ AccessError                  who asks
     │   ├─ KeyMissing
     │   ├─ KeyInvalid                 wrong, revoked or expired: callers can't tell which
     │   └─ KeyNotPermitted            good, but not for this
     ├─ NotFound
     │   ├─ RequestNotFound            unknown, expired or somebody else's
     │   └─ FileNotFound               the same of a file, or its signature is wrong
     ├─ AlreadyEnded                 too late to cancel
     ├─ InsufficientCredits
     ├─ TooLarge                     a body or an upload
     ├─ LimitReached                 come back later
     │   ├─ RateLimited
     │   └─ TooManyJobs
     ├─ BackendAway                  database or platform doesn't answer
     │   └─ WrongSchema                its database was made by another version of this service
     ├─ StillRunning                 a blocking call outlived its limit; the job goes on
     └─ JobError                     a job can't succeed; becomes its `error`
         ├─ SourceRefused              an address that we don't fetch from
         ├─ SourceUnavailable          the other side doesn't give it
         ├─ SourceTooLarge             bytes, pixels, frames or seconds beyond the limit
         ├─ OutputTooLarge
         ├─ CreditsExceeded            the exact price is more than the account has
         ├─ TookTooLong
         ├─ WorkerLost                 every attempt's worker died
         ├─ Cancelled
         ├─ Expired                    nobody could begin it in time
         └─ InternalError              our fault; the log says more

Every message is one line for the person who called, without secrets, paths or addresses of ours.
`code` is stable: clients branch on it. Nothing here knows of HTTP; `service.web.errors` translates.
"""

from datetime import datetime
from typing import ClassVar

__all__ = [
    "AccessError",
    "AlreadyEnded",
    "BackendAway",
    "BadRequest",
    "BadSource",
    "BadWebhook",
    "Cancelled",
    "CreditsExceeded",
    "Expired",
    "FileNotFound",
    "InsufficientCredits",
    "InternalError",
    "JobError",
    "KeyInvalid",
    "KeyMissing",
    "KeyNotPermitted",
    "LimitReached",
    "NotFound",
    "OutputTooLarge",
    "RateLimited",
    "RequestNotFound",
    "ServiceError",
    "SourceRefused",
    "SourceTooLarge",
    "SourceUnavailable",
    "StillRunning",
    "TooLarge",
    "TooManyJobs",
    "TookTooLong",
    "WorkerLost",
    "WrongSchema",
]


class ServiceError(Exception):
    """The service can't do that."""

    code: ClassVar[str] = "service_error"

    def __init__(self, message: str | None = None) -> None:
        """Take the message, or the class's own docstring where none is given."""
        super().__init__(message or (type(self).__doc__ or "").strip())


class BadRequest(ServiceError):
    """The request makes no sense."""

    code = "bad_request"


class BadSource(BadRequest):
    """input_video must be an http(s) URL, a data:video/... URL, or the URL of an upload."""

    code = "bad_input_video"


class BadWebhook(BadRequest):
    """webhook_url must be an http(s) URL."""

    code = "bad_webhook_url"


class AccessError(ServiceError):
    """Access is denied."""

    code = "access_denied"


class KeyMissing(AccessError):
    """Missing Authorization or x-api-key in header"""  # noqa: D415 (the contract's words, API.md section 3)

    code = "missing_api_key"


class KeyInvalid(AccessError):
    """Unauthorized. API key is invalid or may have expired."""

    code = "invalid_api_key"


class KeyNotPermitted(AccessError):
    """This API key is not permitted to do that."""

    code = "key_not_permitted"


class NotFound(ServiceError):
    """There is nothing here."""

    code = "not_found"


class RequestNotFound(NotFound):
    """The request was not found."""

    code = "request_not_found"

    def __init__(self, job_id: str) -> None:
        """Name the id as the contract has it."""
        super().__init__(f"Request {job_id} not found")


class FileNotFound(NotFound):
    """There is no such file, or its link has expired."""

    code = "file_not_found"


class AlreadyEnded(ServiceError):
    """The request has already ended, so it can't be cancelled."""

    code = "already_ended"


class InsufficientCredits(ServiceError):
    """The account has too few credits for a request; add some and try again."""

    code = "insufficient_credits"


class TooLarge(ServiceError):
    """The request's body is too large."""

    code = "too_large"


class LimitReached(ServiceError):
    """A limit was reached; try again later."""

    code = "limit_reached"

    def __init__(self, message: str | None = None, *, retry_at: datetime) -> None:
        """Say when to try again, in UTC."""
        super().__init__(message)
        self.retry_at = retry_at


class RateLimited(LimitReached):
    """Too many requests; slow down."""

    code = "rate_limited"


class TooManyJobs(LimitReached):
    """Too many requests of this key are running or waiting; let some of them end first."""

    code = "too_many_jobs"


class BackendAway(ServiceError):
    """A part of the service is away; try again in a moment."""

    code = "backend_away"


class WrongSchema(BackendAway):
    """The database was made by another version of this service."""


class StillRunning(ServiceError):
    """The request takes longer than a blocking call may; it goes on."""

    code = "still_running"

    def __init__(self, job_id: str, poll_url: str) -> None:
        """Say where the job can be polled."""
        super().__init__(f"request {job_id} takes longer than a blocking call may; it goes on: poll {poll_url}")
        self.job_id = job_id
        self.poll_url = poll_url


class JobError(ServiceError):
    """The job failed."""

    code = "job_failed"


class SourceRefused(JobError):
    """input_video is at an address that this service doesn't fetch from."""

    code = "source_refused"


class SourceUnavailable(JobError):
    """input_video can't be fetched."""

    code = "source_unavailable"


class SourceTooLarge(JobError):
    """input_video is larger or longer than this service takes."""

    code = "source_too_large"


class OutputTooLarge(JobError):
    """The result would be larger than this service makes."""

    code = "output_too_large"


class CreditsExceeded(JobError):
    """insufficient credits"""  # noqa: D415 (the beginning of the contract's words, API.md section 3)

    code = "insufficient_credits"


class TookTooLong(JobError):
    """The job took longer than this service allows."""

    code = "took_too_long"


class WorkerLost(JobError):
    """The job was begun several times, and each time the worker was lost; no credits were taken."""

    code = "worker_lost"


class Cancelled(JobError):
    """cancelled"""  # noqa: D415 (the contract's word, API.md section 2)

    code = "cancelled"


class Expired(JobError):
    """The job waited too long to begin, and was given up; no credits were taken."""

    code = "expired"


class InternalError(JobError):
    """Something went wrong on our side; no credits were taken."""

    code = "internal_error"
