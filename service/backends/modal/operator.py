"""A clip of whoever runs the house, from a file on their machine to a file on their machine."""

import contextlib
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import modal

from service.accounts import Caller
from service.backends.modal.artifacts import place_of
from service.errors import AlreadyEnded, BadRequest, JobError
from service.intake import ARTIFACT
from service.jobs import new_job_id
from service.orders import Orders

__all__ = ["OPERATOR", "look_at", "make_file"]

OPERATOR: Final = "operator"
"""Whose such jobs are. A key of an account of that name could look at them too."""

_LOOK_SECONDS: Final = 1.0


def look_at(orders: Orders, job_id: str, *, cancel: bool) -> dict[str, Any]:
    """Say where an operator's job stands, in plain values, after cancelling it where that is asked for.

    Raises:
        RequestNotFound: If there is none of that id.
    """
    caller = Caller(account_id=OPERATOR, key_id="")
    if cancel:
        with contextlib.suppress(AlreadyEnded):
            orders.cancel(caller, job_id)
    job = orders.find(caller, job_id)
    outcome = job.outcome
    return {
        "state": job.state.value,
        "frames_done": job.beat.frames_done if job.beat else 0,
        "frames_total": job.beat.frames_total if job.beat else 0,
        "error": outcome.failure.message if outcome and outcome.failure else None,
        "artifact": outcome.result.artifact if outcome and outcome.result else None,
        "frames": outcome.result.frames if outcome and outcome.result else None,
    }


def make_file(  # noqa: PLR0913 (both ends, what is between, and how the caller is told)
    source: Path,
    target: Path,
    *,
    begin: Callable[..., object],
    look: Callable[..., dict[str, Any]],
    volume: modal.Volume,
    overwrite: bool,
    say: Callable[[str], object],
    **options: Any,
) -> None:
    """Make a smoother clip of a file; it appears at `target` when it is whole, and not before.

    Args:
        source: A video here.
        target: The file to write here.
        begin: Orders a job of an id, with an artifact's name and `options`, in the cloud.
        look: `look_at` there.
        volume: Where files are.
        overwrite: Whether a target that exists is replaced.
        say: Told now and then how far it is.
        options: As `service.jobs.Options` has them.

    Raises:
        BadRequest: If the source isn't a file, or the target exists or has no folder.
        JobError: If the clip can't be made.
    """
    _check(source, target, overwrite=overwrite)
    job_id = new_job_id()
    name = f"sources/{job_id}/source"
    say(f"sending {source.name}")
    with volume.batch_upload() as batch:
        batch.put_file(source, place_of(name))
    begin(job_id, input_video=ARTIFACT + name, **options)
    try:
        seen = _follow(job_id, look, say)
    except BaseException:
        with contextlib.suppress(Exception):
            look(job_id, cancel=True)
        raise
    if seen["artifact"] is None:
        raise JobError(seen["error"])
    say("fetching the result")
    _receive(volume, seen["artifact"], target)
    say(f"{target}: {seen['frames']} frames")


def _check(source: Path, target: Path, *, overwrite: bool) -> None:
    if not source.is_file():
        raise BadRequest(f"{source} is not a file; name a video")
    if not target.parent.is_dir():
        raise BadRequest(f"{target.parent} is not a folder; make it, or choose another target")
    if target.exists() and not overwrite:
        raise BadRequest(f"{target} exists; choose another name, or allow overwriting (--overwrite)")
    if target.exists() and target.samefile(source):
        raise BadRequest(f"{target} is the source itself; choose another name for the target")


def _follow(job_id: str, look: Callable[..., dict[str, Any]], say: Callable[[str], object]) -> dict[str, Any]:
    """Wait for a job's end, and say what changes meanwhile."""
    told = ""
    while True:
        seen = look(job_id)
        if seen["state"] in ("COMPLETED", "FAILED"):
            return seen
        now = seen["state"].lower()
        if seen["frames_total"]:
            now = f"{seen['frames_done']} of {seen['frames_total']} frames"
        if now != told:
            say(now)
            told = now
        time.sleep(_LOOK_SECONDS)


def _receive(volume: modal.Volume, artifact: str, target: Path) -> None:
    partial = target.with_name(f".film-{secrets.token_hex(6)}.part")
    try:
        with partial.open("wb") as file:
            volume.read_file_into_fileobj(place_of(artifact), file)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
