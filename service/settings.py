"""All that an operator can set, read from the environment once."""

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, HttpUrl, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

__all__ = ["Settings"]

MiB = 1 << 20
HOURS = 60 * 60  # seconds


def _base_url(url: HttpUrl) -> HttpUrl:
    if url.query or url.fragment or url.username or url.password:
        raise ValueError("must be a plain address such as https://video.example.com")
    return url


class Settings(BaseSettings):
    """One field a setting; its environment variable is the name in capitals with `FILM_` before it."""

    model_config = SettingsConfigDict(env_prefix="FILM_", frozen=True, extra="forbid", env_ignore_empty=True)

    # Where things are
    data_dir: Path = Field(Path("data"), description="folder of the database, the secret and all files")
    database_url: SecretStr | None = Field(
        None, description="PostgreSQL to use instead of SQLite in the data folder: postgresql://user:password@host/name"
    )
    secret: SecretStr | None = Field(
        None,
        min_length=32,
        description="what keys are hashed and links signed with; made and kept in the data folder where not given. "
        "Machines that share a database need the same",
    )
    public_url: Annotated[HttpUrl, AfterValidator(_base_url)] | None = Field(
        None, description="address that callers reach the service at, where a proxy stands before it"
    )

    # Workers
    model: str | None = Field(None, description="weight set that is used where a request names none")
    network_memory_bytes: int = Field(
        4096 * MiB, ge=64 * MiB, description="memory that the network of a worker may use"
    )
    lease_seconds: float = Field(
        30, gt=1, description="a worker that gives no sign of life for so long has lost its job"
    )
    retries: int = Field(2, ge=0, description="times a job is begun again after its worker was lost")
    job_seconds: float = Field(6 * HOURS, gt=0, description="longest that a job may run")
    stop_seconds: float = Field(
        20, ge=0, description="time that running jobs get to finish when the service is stopped"
    )
    queue_seconds: float = Field(24 * HOURS, gt=0, description="longest that a job may wait to begin")

    # What is taken in
    max_body_bytes: int = Field(
        128 * MiB, gt=0, description="largest request body; an upload is a third larger than its file"
    )
    max_source_bytes: int = Field(1024 * MiB, gt=0, description="largest source")
    max_source_seconds: float = Field(1 * HOURS, gt=0, description="longest source")
    max_source_pixels: int = Field(4096 * 2304, gt=0, description="most pixels of a source's frame")
    max_output_frames: int = Field(250_000, gt=0, description="most frames of a result")
    max_output_bytes: int = Field(8192 * MiB, gt=0, description="largest result")
    fetch_seconds: float = Field(600, gt=0, description="longest that fetching a source may take")
    fetch_redirects: int = Field(5, ge=0, description="most redirects that are followed to a source")
    allow_http: bool = Field(True, description="whether sources and webhooks may be at http:// rather than https://")
    allow_private_urls: bool = Field(
        False,
        description="whether sources and webhooks may be on private or local addresses; for use on one's own machine",
    )

    # What is kept
    keep_seconds: float = Field(1 * HOURS, gt=0, description="how long a result is kept after the end of its job")
    upload_seconds: float = Field(24 * HOURS, gt=0, description="how long an upload is kept")
    sweep_seconds: float = Field(15, gt=0, description="how often expired things are removed and dead jobs seen to")

    # Money and limits
    price_per_megapixel: Decimal = Field(
        Decimal("0.01"), ge=0, description="credits for a million pixels of frames that the network makes"
    )
    minimum_hold: Decimal = Field(
        Decimal("0.1"), ge=0, decimal_places=6, description="credits that a request must find in its account"
    )
    requests_per_minute: int = Field(120, gt=0, description="submits and uploads a minute and key")
    jobs_per_key: int = Field(100, gt=0, description="jobs of one key that may wait or run at once")

    # Answers
    sync_seconds: float = Field(140, gt=0, description="longest that a blocking (v1) call waits")
    link_seconds: float = Field(1 * HOURS, gt=0, description="how long the link to a result is good")
    base64_bytes: int = Field(64 * MiB, gt=0, description="largest result that is given as base64")
    webhook_seconds: float = Field(15, gt=0, description="longest that a webhook's receiver may take to answer")
    webhook_attempts: int = Field(8, gt=0, description="times that a webhook is tried, with growing pauses")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO",
        description="least severe level that is logged: DEBUG, INFO, WARNING or ERROR",
    )

    @classmethod
    def read(cls) -> Self:
        """Read the environment.

        Raises:
            pydantic.ValidationError: If a value is out of its range.
        """
        return cls()
