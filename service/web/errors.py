"""From what was raised to what is answered: the one table, and the one shape of every error."""

import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from schemas import Error
from service import errors
from service.web.telemetry import Telemetry

__all__ = ["STATUSES", "WrongContentType", "answer_errors", "error_response", "explain"]

_log = logging.getLogger(__name__)

STATUSES: Final[Mapping[type[errors.ServiceError], HTTPStatus]] = {
    errors.ServiceError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.BadRequest: HTTPStatus.BAD_REQUEST,
    errors.BadSource: HTTPStatus.BAD_REQUEST,
    errors.BadWebhook: HTTPStatus.BAD_REQUEST,
    errors.AccessError: HTTPStatus.UNAUTHORIZED,
    errors.KeyMissing: HTTPStatus.UNAUTHORIZED,
    errors.KeyInvalid: HTTPStatus.UNAUTHORIZED,
    errors.KeyNotPermitted: HTTPStatus.FORBIDDEN,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.RequestNotFound: HTTPStatus.NOT_FOUND,
    errors.FileNotFound: HTTPStatus.NOT_FOUND,
    errors.AlreadyEnded: HTTPStatus.CONFLICT,
    errors.InsufficientCredits: HTTPStatus.NOT_ACCEPTABLE,
    errors.TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.LimitReached: HTTPStatus.TOO_MANY_REQUESTS,
    errors.RateLimited: HTTPStatus.TOO_MANY_REQUESTS,
    errors.TooManyJobs: HTTPStatus.TOO_MANY_REQUESTS,
    errors.BackendAway: HTTPStatus.BAD_GATEWAY,
    errors.WrongSchema: HTTPStatus.BAD_GATEWAY,
    errors.StillRunning: HTTPStatus.GATEWAY_TIMEOUT,
    # A job that failed is answered with a Failed body; these are for completeness.
    errors.JobError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.SourceRefused: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.SourceUnavailable: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.SourceTooLarge: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.OutputTooLarge: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.CreditsExceeded: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.TookTooLong: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.WorkerLost: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.Cancelled: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.Expired: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.InternalError: HTTPStatus.UNPROCESSABLE_ENTITY,
}

_SHOWN_PROBLEMS = 5
_SHOWN_NAME = 64  # characters of a field's name that are repeated to whoever sent it


class WrongContentType(HTTPException):
    """A body that doesn't say that it is JSON."""

    def __init__(self) -> None:
        """Say what is wanted."""
        super().__init__(HTTPStatus.NOT_ACCEPTABLE, "the Content-Type must be application/json")


def error_response(
    status: int, message: str, code: str, *, headers: Mapping[str, str] | None = None, request_id: str | None = None
) -> Response:
    """Give the one shape of every error."""
    body = Error(error=message, code=code, request_id=request_id)
    return Response(body.model_dump_json(exclude_none=True), status, headers, "application/json")


def explain(problems: Iterable[Mapping[str, Any]]) -> str:
    """Say in one line what pydantic found, without repeating what was sent beyond the names of fields."""
    found = [_explain(problem) for problem in problems]
    more = len(found) - _SHOWN_PROBLEMS
    return "; ".join(found[:_SHOWN_PROBLEMS]) + (f"; and {more} more" if more > 0 else "")


def _explain(problem: Mapping[str, Any]) -> str:
    where = ".".join(str(part) for part in problem["loc"])
    where = "".join(letter if letter.isprintable() else "?" for letter in where[:_SHOWN_NAME])
    message = str(problem["msg"]).removeprefix("Value error, ")
    match problem["type"]:
        case "missing":
            return f"{where} is required"
        case "extra_forbidden":
            return f"unknown field {where}"
        case "json_invalid":
            return f"the body isn't valid JSON: {message.removeprefix('Invalid JSON: ')}"
        case "model_type" | "model_attributes_type":
            return "the body must be a JSON object"
    return f"{where}: {message[:1].lower()}{message[1:]}"


def answer_errors(app: FastAPI, telemetry: Telemetry, clock: Callable[[], datetime]) -> None:
    """Make the app answer every error in the one shape. What nobody expected is the door's: `service.web.door`."""

    async def service_error(_: Request, error: Exception) -> Response:
        assert isinstance(error, errors.ServiceError), "registered for nothing else"
        telemetry.count_error(error.code)
        status = STATUSES.get(type(error), HTTPStatus.INTERNAL_SERVER_ERROR)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR and not isinstance(error, errors.StillRunning):
            _log.error("a backend is away", exc_info=error, extra={"code": error.code})
        request_id = error.job_id if isinstance(error, errors.StillRunning) else None
        headers = _retry_headers(error.retry_at, clock()) if isinstance(error, errors.LimitReached) else None
        return error_response(status, str(error), error.code, headers=headers, request_id=request_id)

    async def http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException), "registered for nothing else"
        message, code = _words_of(request, error)
        telemetry.count_error(code)
        headers = dict(error.headers or {})
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = ", ".join(request.app.state.methods_at(request.scope["path"]))
        return error_response(error.status_code, message, code, headers=headers)

    async def invalid(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError), "registered for nothing else"
        telemetry.count_error(errors.BadRequest.code)
        return error_response(HTTPStatus.BAD_REQUEST, explain(error.errors()), errors.BadRequest.code)

    app.add_exception_handler(errors.ServiceError, service_error)
    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(RequestValidationError, invalid)


def _words_of(request: Request, error: HTTPException) -> tuple[str, str]:
    """Give message and code of an error that came from routing, or of one of ours."""
    if isinstance(error, WrongContentType):
        return error.detail, "wrong_content_type"
    path: str = request.scope["path"]
    match error.status_code:
        case HTTPStatus.NOT_FOUND if path.startswith(("/v1/requests/", "/v2/requests/")):
            job_id = path.removesuffix("/").removesuffix("/status")[len("/v1/requests/") :]
            lost = errors.RequestNotFound(job_id[:_SHOWN_NAME])
            return str(lost), lost.code
        case HTTPStatus.NOT_FOUND:
            return "there is nothing at this address", errors.NotFound.code
        case HTTPStatus.METHOD_NOT_ALLOWED:
            return f"{request.method} is not allowed here", "method_not_allowed"
    return str(error.detail), errors.BadRequest.code


def _retry_headers(retry_at: datetime, now: datetime) -> dict[str, str]:
    seconds = (retry_at - now).total_seconds()
    at = retry_at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return {"Retry-After": str(max(1, int(seconds) + 1)), "x-rate-limit-reset-at-utc": at}
