"""From a job to what is said of it. Knows no framework, so webhooks are told the same as callers are.

Base64 text is never made here: an answer streams it from the file.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import Any, Final

from schemas import Failed, Metrics, Result, Status, Submitted, Video
from service.accounts import Caller
from service.jobs import Job, Outcome
from service.jobs import Result as Clip
from service.shop import Shop

__all__ = [
    "content_type_of",
    "failed_of",
    "file_name_of",
    "is_too_large",
    "result_body",
    "result_of",
    "status_of",
    "submitted_of",
]

_TYPES: Final = {
    ".mp4": "video/mp4",
    ".mov": "video/quicktime",
    ".webm": "video/webm",
    ".mkv": "video/x-matroska",
    ".avi": "video/x-msvideo",
    ".mpg": "video/mpeg",
    ".gif": "image/gif",
}


def content_type_of(artifact: str) -> str:
    """Give the MIME type of a stored file by its name; never one that a browser would run."""
    return _TYPES.get(PurePosixPath(artifact).suffix, "application/octet-stream")


def file_name_of(artifact: str) -> str:
    """Give a name to save a stored file by: `film-` and the beginning of its job's or upload's id."""
    path = PurePosixPath(artifact)
    return f"film-{path.parts[1][:8]}{path.suffix}"


def submitted_of(job: Job, base_url: str) -> Submitted:
    """Say that a job was taken, and where to ask for it."""
    return Submitted(
        request_id=job.job_id,
        status="QUEUED",
        poll_url=f"{base_url}/v1/requests/{job.job_id}",
        status_url=f"{base_url}/v2/requests/{job.job_id}/status",
        response_url=f"{base_url}/v2/requests/{job.job_id}",
    )


def status_of(job: Job, *, ahead: int | None, now: datetime) -> Status:
    """Say where a job stands."""
    beat, clip = job.beat, job.outcome.result if job.outcome else None
    done, total = (clip.frames, clip.frames) if clip else (beat.frames_done, beat.frames_total) if beat else (0, 0)
    eta = job.eta_seconds(now)
    return Status(
        request_id=job.job_id,
        status=job.state.value,
        metrics=_metrics_of(job, job.outcome) if job.outcome else Metrics(),
        progress=round(job.progress, 4),
        frames_done=done,
        frames_total=total or None,
        queue_position=None if ahead is None else ahead + 1,
        eta_seconds=None if eta is None else round(eta, 1),
        **({"error": job.outcome.failure.message} if job.outcome and job.outcome.failure else {}),
    )


def failed_of(job: Job) -> Failed:
    """Say why a job failed."""
    outcome = job.outcome
    assert outcome is not None, "only what has ended failed"
    assert outcome.failure is not None, "asked for of a failed job only"
    return Failed(
        status="FAILED",
        error=outcome.failure.message,
        code=outcome.failure.code,
        request_id=job.job_id,
        metrics=_metrics_of(job, outcome),
    )


def result_of(shop: Shop, job: Job, base_url: str) -> Result:
    """Say what came out of a job, with the video's URL as the output, or none where it should be text and can't."""
    outcome = job.outcome
    assert outcome is not None, "only what has ended has a result"
    clip = outcome.result
    assert clip is not None, "asked for of a completed job only"
    metrics = _metrics_of(job, outcome)
    owner = Caller(account_id=job.order.account_id, key_id=job.order.key_id)
    metrics = metrics.model_copy(update={"remaining_credits": float(shop.orders.balance(owner))})
    url = base_url + _path_of(shop, job, clip)
    too_large = job.order.options.base64 and is_too_large(shop, clip)
    return Result(
        status="COMPLETED",
        error=_too_large(shop, clip) if too_large else None,
        request_id=job.job_id,
        output=None if too_large else url,
        video=Video(
            url=url,
            content_type=content_type_of(clip.artifact),
            file_name=file_name_of(clip.artifact),
            file_size=clip.size_bytes,
            width=clip.width,
            height=clip.height,
            fps=clip.fps,
            frames=clip.frames,
            duration_seconds=clip.duration_seconds,
        ),
        metrics=metrics,
    )


def result_body(shop: Shop, job: Job, *, base_url: str) -> dict[str, Any]:
    """Give the body that an ended job's webhook is told: the result, or why it failed.

    The output is always the link: receivers take bodies of some kilobytes, and several are told at once.

    Args:
        shop: Where files and balances are.
        job: One that has ended.
        base_url: What absolute URLs begin with, without a slash at its end. A webhook answers no request,
            so there is no `Host` to go by: it is `public_url`, or the address that the server listens at.
    """
    assert job.outcome is not None, "only what has ended is told of"
    if job.outcome.result is None:
        return failed_of(job).model_dump(mode="json", exclude_unset=True)
    told = replace(job, order=replace(job.order, options=replace(job.order.options, base64=False)))
    return result_of(shop, told, base_url).model_dump(mode="json", exclude_unset=True)


def is_too_large(shop: Shop, clip: Clip) -> bool:
    """Say whether a result is too large to be given as base64."""
    return clip.size_bytes > shop.settings.base64_bytes


def _too_large(shop: Shop, clip: Clip) -> str:
    most = shop.settings.base64_bytes
    return f"the video has {clip.size_bytes} bytes, more than the {most} that are given as base64; get it at video.url"


def _path_of(shop: Shop, job: Job, clip: Clip) -> str:
    """Give the link to a result. It doesn't outlive the result, and is the same at each call where it may."""
    until = min(shop.orders.expires_at(job), shop.clock() + timedelta(seconds=shop.settings.link_seconds))
    return shop.links.path(clip.artifact, until)


def _metrics_of(job: Job, outcome: Outcome) -> Metrics:
    total = (outcome.ended_at - job.order.created_at).total_seconds()
    return Metrics(
        cost=float(outcome.cost),
        inference_time=round(outcome.inference_seconds, 3),
        queue_time=round(job.queue_seconds(outcome.ended_at), 3),
        total_time=round(max(0.0, total), 3),
    )
