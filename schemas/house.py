"""What the service says of itself: errors, and how it is."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Error", "Health"]


class Error(BaseModel):
    """The one shape of everything that goes wrong before a job could fail."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"error": "frame_multiplier: input should be less than or equal to 10", "code": "bad_request"},
                {
                    "error": "Unauthorized. API key is invalid or may have expired.",
                    "code": "invalid_api_key",
                },
            ]
        }
    )

    error: str = Field(description="What went wrong, for a person.")
    code: str = Field(description="What went wrong, for a program; stable.")
    request_id: str | None = Field(None, description="The request that it is about, where there is one to poll.")


class Health(BaseModel):
    """How the service is. It answers, so the web process lives; the rest is here."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "status": "ok",
                    "store": True,
                    "worker_alive": True,
                    "workers": 2,
                    "queued": 0,
                    "processing": 1,
                    "oldest_queued_seconds": None,
                    "version": "0.1.0",
                }
            ]
        }
    )

    status: Literal["ok", "degraded"] = Field(description="degraded: the store is away, or no worker is alive.")
    store: bool = Field(description="Whether the database answers; where it doesn't, the counts are null.")
    worker_alive: bool | None = Field(
        description="Whether a worker is alive, or comes when there is work; null where the store is away."
    )
    workers: int | None = Field(ge=0, description="Workers alive; null where they come when there is work.")
    queued: int | None = Field(ge=0, description="Requests that wait.")
    processing: int | None = Field(ge=0, description="Requests that are worked on.")
    oldest_queued_seconds: float | None = Field(
        ge=0, description="How long the first of those that wait has waited; null where none waits."
    )
    version: str = Field(description="Of the service.")
