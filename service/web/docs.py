"""What the OpenAPI document says beyond what the routes say of themselves."""

from http import HTTPStatus
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from schemas import Error, Failed, InterpolationRequest, UploadRequest

__all__ = ["DESCRIPTION", "TAGS", "VERSION", "body_of", "describe", "failing"]


def _version() -> str:
    try:
        return version("film-interpolation")
    except PackageNotFoundError:  # run from a folder that nothing installed
        return "0"


VERSION: Final = _version()

DESCRIPTION: Final = """Smooth in-between frames for video, paid per use.

Submit a clip, ask for its status until it is COMPLETED, and get the result: or make one blocking (v1) call.
Send your key as `x-api-key`, or as `Authorization: Bearer`. Every error is `{"error", "code"}`: `error` is for
people, `code` for programs. Results are kept for an hour.
"""

TAGS: Final = [
    {"name": "requests", "description": "Submit, look, cancel."},
    {"name": "files", "description": "Uploads, and the files that came out."},
    {"name": "account", "description": "What is left."},
    {"name": "service", "description": "How the service is."},
]

_MEANINGS: Final = {
    HTTPStatus.BAD_REQUEST: "Malformed JSON, a field that is missing, unknown or out of range, or no URL",
    HTTPStatus.UNAUTHORIZED: "No key, or one that is wrong, revoked or expired",
    HTTPStatus.FORBIDDEN: "The key is not permitted to do that",
    HTTPStatus.NOT_FOUND: "Unknown, expired, or somebody else's",
    HTTPStatus.NOT_ACCEPTABLE: "Too few credits, or a Content-Type other than application/json",
    HTTPStatus.CONFLICT: "It has ended already",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body, or the result as base64, is too large",
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE: "The range lies beyond the file's end",
    HTTPStatus.UNPROCESSABLE_ENTITY: "The request ran, and FAILED",
    HTTPStatus.TOO_MANY_REQUESTS: "Too many requests, or too many at once; `Retry-After` says when to come back",
    HTTPStatus.INTERNAL_SERVER_ERROR: "Our fault",
    HTTPStatus.BAD_GATEWAY: "A part of the service is away; try again",
    HTTPStatus.GATEWAY_TIMEOUT: "It takes longer than a blocking call may; poll `request_id`",
}
_RETRY_HEADERS: Final = {
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}},
    "x-rate-limit-reset-at-utc": {
        "description": "When to come back.",
        "schema": {"type": "string", "format": "date-time"},
    },
}


def failing(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Give the documentation of what may go wrong with a route; 500 always may."""
    found: dict[int | str, dict[str, Any]] = {}
    for status in sorted({*statuses, 500}):
        model = Failed if status == HTTPStatus.UNPROCESSABLE_ENTITY else Error
        found[status] = {"model": model, "description": _MEANINGS[HTTPStatus(status)]}
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            found[status]["headers"] = _RETRY_HEADERS
    return found


def body_of(model: type[BaseModel]) -> dict[str, Any]:
    """Give the documentation of a body that the route reads by itself (`service.web.reading`)."""
    reference = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": reference}}}}


def describe(app: FastAPI) -> dict[str, Any]:
    """Give the OpenAPI document; made once."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, description=app.description, tags=app.openapi_tags, routes=app.routes
        )
        found = document["components"]["schemas"]
        for model in (InterpolationRequest, UploadRequest):
            found[model.__name__] = model.model_json_schema()
        _drop_unused(document)
        app.openapi_schema = document
    return app.openapi_schema


def _drop_unused(document: dict[str, Any]) -> None:
    """Take out FastAPI's own shape of errors, which nothing here answers."""
    for name in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(name, None)
    for path in document["paths"].values():
        for operation in path.values():
            if "HTTPValidationError" in str(operation["responses"].get("422")):
                del operation["responses"]["422"]
