"""Everything that this library raises on purpose.

    FilmError
     ├─ OptionError                  an argument is outside its range
     ├─ SourceError                  the source can't be used
     │   ├─ SourceUnreadable           missing, a directory, no permission
     │   ├─ NotAVideo                  no demuxer knows it, or it is empty
     │   ├─ NoVideoStream              only sound, say
     │   ├─ SourceBroken               it ends early or doesn't decode
     │   ├─ FrameTooLarge              a frame has more pixels than the caller allows
     │   └─ TooFewFrames               0 or 1 frame: nothing lies between
     ├─ TargetError                  the target can't be written
     │   ├─ TargetExists
     │   ├─ TargetUnwritable           no such folder, no permission, wrong kind
     │   └─ NoSpace                    the disk is full
     ├─ FfmpegError
     │   ├─ FfmpegMissing              no binary, or one that lacks an encoder
     │   └─ FfmpegFailed               it died; its own last words are in the message
     ├─ WeightsError
     │   ├─ UnknownModel               no weight set of that name
     │   ├─ WeightsMismatch            a file that isn't what its configuration needs
     │   └─ FetchFailed                no listed source gave the file
     ├─ MemoryBudgetError            one tile doesn't fit the memory allowed
     └─ TrainingError                nothing to learn from, or learning diverged

Every message is one line that says what is wrong and what to do about it. `code` is
stable: services translate by it. Nothing here knows of HTTP or of exit codes.
"""

from typing import ClassVar

__all__ = [
    "FetchFailed",
    "FfmpegError",
    "FfmpegFailed",
    "FfmpegMissing",
    "FilmError",
    "FrameTooLarge",
    "MemoryBudgetError",
    "NoSpace",
    "NoVideoStream",
    "NotAVideo",
    "OptionError",
    "SourceBroken",
    "SourceError",
    "SourceUnreadable",
    "TargetError",
    "TargetExists",
    "TargetUnwritable",
    "TooFewFrames",
    "TrainingError",
    "UnknownModel",
    "WeightsError",
    "WeightsMismatch",
]


class FilmError(Exception):
    """The video could not be interpolated."""

    code: ClassVar[str] = "film_error"

    def __init__(self, message: str | None = None) -> None:
        """Take the message, or the class's own docstring where none is given."""
        super().__init__(message or (type(self).__doc__ or "").strip())


class OptionError(FilmError, ValueError):
    """An option is outside its range."""

    code = "bad_option"


class SourceError(FilmError):
    """The source can't be used."""

    code = "bad_source"


class SourceUnreadable(SourceError):
    """The source can't be read; check the path and its permissions."""

    code = "source_unreadable"


class NotAVideo(SourceError):
    """The source is not a video that ffmpeg can read."""

    code = "not_a_video"


class NoVideoStream(SourceError):
    """The source has no video stream."""

    code = "no_video_stream"


class SourceBroken(SourceError):
    """The source is damaged or ends early."""

    code = "source_broken"


class FrameTooLarge(SourceError):
    """The source's frames have more pixels than are allowed."""

    code = "source_too_large"


class TooFewFrames(SourceError):
    """The source has fewer than two frames, so nothing lies between."""

    code = "too_few_frames"


class TargetError(FilmError):
    """The target can't be written."""

    code = "bad_target"


class TargetExists(TargetError):
    """The target exists; choose another name or allow overwriting."""

    code = "target_exists"


class TargetUnwritable(TargetError):
    """The target can't be written; check its folder and permissions."""

    code = "target_unwritable"


class NoSpace(TargetError):
    """The disk is full; free some space or write elsewhere."""

    code = "no_space"


class FfmpegError(FilmError):
    """ffmpeg could not do its part."""

    code = "ffmpeg_error"


class FfmpegMissing(FfmpegError):
    """No usable ffmpeg was found; install ffmpeg or the imageio-ffmpeg package."""

    code = "ffmpeg_missing"


class FfmpegFailed(FfmpegError):
    """ffmpeg ended with an error."""

    code = "ffmpeg_failed"


class WeightsError(FilmError):
    """The weights can't be used."""

    code = "weights_error"


class UnknownModel(WeightsError):
    """There is no weight set of that name; `film weights list` shows those there are."""

    code = "unknown_model"


class WeightsMismatch(WeightsError):
    """The file's weights are not those that its configuration needs."""

    code = "weights_mismatch"


class FetchFailed(WeightsError):
    """None of the listed sources gave the weights."""

    code = "fetch_failed"


class MemoryBudgetError(FilmError):
    """Even one small tile doesn't fit the memory allowed; allow more."""

    code = "memory_budget"


class TrainingError(FilmError):
    """Training can't go on."""

    code = "training_error"
