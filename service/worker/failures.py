"""What a caller is told when a job can't succeed: the border between film's errors and the shop's.

Where the video is the cause, film's own words are good, but for the name of the file, which is ours.
Where we are (no ffmpeg, no disk, no weights), only the log has them.
"""

from pathlib import Path
from typing import Final

from film.errors import (
    FetchFailed,
    FfmpegError,
    FfmpegFailed,
    FfmpegMissing,
    FilmError,
    FrameTooLarge,
    MemoryBudgetError,
    NoSpace,
    NotAVideo,
    NoVideoStream,
    OptionError,
    SourceBroken,
    SourceError,
    SourceUnreadable,
    TargetError,
    TargetExists,
    TargetUnwritable,
    TooFewFrames,
    TrainingError,
    UnknownModel,
    WeightsError,
    WeightsMismatch,
)
from service.errors import InternalError, JobError
from service.jobs import Failure

__all__ = ["FAILURES", "INTERNAL", "SOURCE", "failure_of"]

SOURCE: Final = "input_video"
"""What a source is called to whoever named it."""

INTERNAL: Final = Failure(code=InternalError.code, message=str(InternalError()))

# To each of film's errors the code that callers see, and the message: None for film's own.
# What isn't here is our fault.
FAILURES: Final[dict[type[FilmError], Failure | None]] = {
    FilmError: INTERNAL,
    OptionError: None,
    SourceError: None,
    SourceUnreadable: INTERNAL,  # we fetched it ourselves
    NotAVideo: None,
    NoVideoStream: None,
    SourceBroken: None,
    FrameTooLarge: None,
    TooFewFrames: None,
    TargetError: INTERNAL,
    TargetExists: INTERNAL,
    TargetUnwritable: INTERNAL,
    NoSpace: INTERNAL,
    FfmpegError: INTERNAL,
    FfmpegMissing: INTERNAL,
    FfmpegFailed: INTERNAL,
    WeightsError: INTERNAL,
    UnknownModel: Failure(code=UnknownModel.code, message="this service has no model of that name"),
    WeightsMismatch: INTERNAL,
    FetchFailed: INTERNAL,
    MemoryBudgetError: Failure(
        code=MemoryBudgetError.code,
        message=f"the frames of {SOURCE} are too large for this service; take a smaller video or a lower multiplier",
    ),
    TrainingError: INTERNAL,
}


def failure_of(error: Exception, *, paths: tuple[Path, ...] = ()) -> Failure:
    """Say what a caller is told.

    Args:
        error: What the work ended with.
        paths: Where the source lay, and the folders around it: none of them is ever said.
    """
    if isinstance(error, JobError):
        return Failure(code=error.code, message=str(error))
    if not isinstance(error, FilmError):
        return INTERNAL
    known = next((FAILURES[kind] for kind in type(error).__mro__ if kind in FAILURES), INTERNAL)
    return known or Failure(code=error.code, message=_without(paths, str(error), type(error)))


def _without(paths: tuple[Path, ...], message: str, kind: type[FilmError]) -> str:
    """Call the source by the name that the caller knows; where more of ours is in a message, say the general one."""
    names = sorted({text for path in paths for text in (str(path), str(path.absolute()))}, key=len, reverse=True)
    for name in names:
        message = message.replace(f"file:{name}", SOURCE).replace(name, SOURCE)
    if f"{SOURCE}/" in message or any(str(path.absolute().parent) in message for path in paths):
        message = (kind.__doc__ or "").strip()
    return " ".join(message.splitlines())
