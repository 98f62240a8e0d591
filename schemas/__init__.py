"""The wire: pydantic models of what crosses HTTP. Nothing else: no rules of the shop, no framework.

Requests are strict: numbers are JSON numbers, booleans JSON booleans, and unknown fields are refused.
Answers are as open as JSON is: clients should ignore fields that they don't know.
"""

from schemas.answers import (
    Credits,
    Encoded,
    Failed,
    Metrics,
    Result,
    Status,
    Submitted,
    Uploaded,
    Video,
)
from schemas.house import Error, Health
from schemas.requests import InterpolationRequest, UploadRequest

__all__ = [
    "Credits",
    "Encoded",
    "Error",
    "Failed",
    "Health",
    "InterpolationRequest",
    "Metrics",
    "Result",
    "Status",
    "Submitted",
    "UploadRequest",
    "Uploaded",
    "Video",
]
