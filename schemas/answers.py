"""What callers get."""

from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Credits", "Encoded", "Failed", "Metrics", "Result", "Status", "Submitted", "Uploaded", "Video"]

_ID = "7d1f0c7e2b9b4c0f8f0e6a3f5a2d9c11"
_ORIGIN = "https://film.example.com"
_FILE = f"{_ORIGIN}/files/results/{_ID}/1/clip.mp4?expires=1767225600&signature=2f7a41"

_METRICS: Final[dict[str, Any]] = {
    "cost": 0.580608,
    "remaining_credits": 99.419392,
    "inference_time": 11.8,
    "queue_time": 0.4,
    "total_time": 12.9,
}


class Metrics(BaseModel):
    """What it took. Empty until the request has ended."""

    cost: float | None = Field(None, ge=0, description="Credits that were taken; 0 where it failed.")
    remaining_credits: float | None = Field(None, description="Spendable credits of the account now.")
    inference_time: float | None = Field(None, ge=0, description="Seconds from the first frame until the end.")
    queue_time: float | None = Field(None, ge=0, description="Seconds that it waited for a worker.")
    total_time: float | None = Field(None, ge=0, description="Seconds from its submission until the end.")


class Submitted(BaseModel):
    """A request was taken."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "request_id": _ID,
                    "status": "QUEUED",
                    "poll_url": f"{_ORIGIN}/v1/requests/{_ID}",
                    "status_url": f"{_ORIGIN}/v2/requests/{_ID}/status",
                    "response_url": f"{_ORIGIN}/v2/requests/{_ID}",
                }
            ]
        }
    )

    request_id: str = Field(description="Names the request.")
    status: Literal["QUEUED"] = Field(description="Always QUEUED here.")
    poll_url: str = Field(description="The result, at its v1 address; absolute.")
    status_url: str = Field(description="Where it stands; absolute.")
    response_url: str = Field(description="The result; absolute.")


class Status(BaseModel):
    """Where a request stands. Never carries the output."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "request_id": _ID,
                    "status": "PROCESSING",
                    "metrics": {},
                    "progress": 0.42,
                    "frames_done": 126,
                    "frames_total": 300,
                    "queue_position": None,
                    "eta_seconds": 6.8,
                }
            ]
        }
    )

    request_id: str = Field(description="Names the request.")
    status: Literal["QUEUED", "PROCESSING", "COMPLETED", "FAILED"] = Field(
        description="FAILED is here only in the answer to a cancellation; otherwise it comes as a Failed body, with 422"
    )
    metrics: Metrics = Field(description="Empty until the request has ended.")
    progress: float = Field(ge=0, le=1, description="How much is done; 1 only when it is COMPLETED.")
    frames_done: int = Field(ge=0, description="Output frames made so far.")
    frames_total: int | None = Field(ge=0, description="Output frames that there will be; null while that isn't known.")
    queue_position: int | None = Field(
        ge=1, description="1 for the next one to begin; null where it doesn't wait, or there is no telling."
    )
    eta_seconds: float | None = Field(
        ge=0, description="Seconds that it will still take, by its pace so far; null while there is no telling."
    )
    error: str | None = Field(None, description='"cancelled", in the answer to a cancellation.')


class Video(BaseModel):
    """The file that came out."""

    url: str = Field(description="Absolute; needs no key, answers ranges, and works until the result expires.")
    content_type: str = Field(description="MIME type.")
    file_name: str = Field(description="A name to save it by.")
    file_size: int = Field(ge=0, description="Bytes.")
    width: int = Field(ge=1, description="Pixels.")
    height: int = Field(ge=1, description="Pixels.")
    fps: float = Field(gt=0, description="Frames a second.")
    frames: int = Field(ge=1, description="Frames in all.")
    duration_seconds: float = Field(gt=0, description="How long it plays.")


class Result(BaseModel):
    """A request that COMPLETED."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "status": "COMPLETED",
                    "error": None,
                    "request_id": _ID,
                    "output": _FILE,
                    "video": {
                        "url": _FILE,
                        "content_type": "video/mp4",
                        "file_name": "film-7d1f0c7e.mp4",
                        "file_size": 1839204,
                        "width": 768,
                        "height": 504,
                        "fps": 60.0,
                        "frames": 300,
                        "duration_seconds": 5.0,
                    },
                    "metrics": _METRICS,
                }
            ]
        }
    )

    status: Literal["COMPLETED"] = Field(description="Always COMPLETED here.")
    error: str | None = Field(
        description="null, unless base64 text was asked for and the video is too large for it; "
        "`output` is null then, and `video.url` leads to the video."
    )
    request_id: str = Field(description="Names the request.")
    output: str | None = Field(description="The URL of the video, or, with `base64`, the video itself.")
    video: Video = Field(description="The file.")
    metrics: Metrics = Field(description="What it took.")


class Failed(BaseModel):
    """A request that FAILED. It cost nothing."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "status": "FAILED",
                    "error": "The source has no video stream.",
                    "code": "no_video_stream",
                    "request_id": _ID,
                    "metrics": {"cost": 0.0, "inference_time": 0.0, "queue_time": 0.4, "total_time": 1.1},
                }
            ]
        }
    )

    status: Literal["FAILED"] = Field(description="Always FAILED here.")
    error: str = Field(description="What went wrong, for a person.")
    code: str = Field(description="What went wrong, for a program; stable.")
    request_id: str = Field(description="Names the request.")
    metrics: Metrics = Field(description="What it took.")


class Encoded(BaseModel):
    """The answer of a blocking (v1) call with `base64`."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"video": "AAAAIGZ0eXBpc29tAAACAGlz", "output": "AAAAIGZ0eXBpc29tAAACAGlz"}]}
    )

    video: str = Field(description="The video as base64 text, without a `data:` prefix.")
    output: str = Field(description="The same once more.")


class Uploaded(BaseModel):
    """Files were taken."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "file_urls": [f"{_ORIGIN}/files/uploads/5f2c/source.mp4?expires=1767225600&signature=9b01cc"],
                    "urls": [f"{_ORIGIN}/files/uploads/5f2c/source.mp4?expires=1767225600&signature=9b01cc"],
                    "message": "1 file uploaded",
                }
            ]
        }
    )

    file_urls: list[str] = Field(description="One absolute URL a file, in the order sent; usable as `input_video`.")
    urls: list[str] = Field(description="The same once more.")
    message: str = Field(description="For a person.")


class Credits(BaseModel):
    """What an account has."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"credits": 99.419392}]})

    credits: float = Field(ge=0, description="Spendable credits: what open requests hold isn't among them.")
