"""Requests of the queue (v2): submit, look, cancel."""

import re
import secrets
from typing import Annotated

from fastapi import APIRouter, Path, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from schemas import InterpolationRequest, Result, Status, Submitted
from service.accounts import Caller
from service.errors import RequestNotFound
from service.jobs import Job, Options, State
from service.shop import Shop
from service.web.addresses import base_url
from service.web.asked import ShownKey, TheReader, TheShop, TheTelemetry, admit, json_response
from service.web.bodies import failed_of, is_too_large, result_of, status_of, submitted_of
from service.web.clips import Base64Response
from service.web.docs import body_of, failing
from service.web.reading import BodyReader

__all__ = ["router", "take"]

router = APIRouter(tags=["requests"])

_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)
_SHOWN_ID = 64  # characters of an id that are repeated to whoever sent it

RequestId = Annotated[str, Path(description="As the submit answered.", examples=["7d1f0c7e2b9b4c0f8f0e6a3f5a2d9c11"])]


async def take(request: Request, shop: Shop, reader: BodyReader, key: str | None) -> tuple[Caller, Job]:
    """Let the caller in, read what is wanted, and take the order. Nothing holds the body when this returns."""
    caller = await run_in_threadpool(admit, shop, key)
    async with reader.read(request, InterpolationRequest) as wanted:
        options = Options(**{name: getattr(wanted, name) for name in InterpolationRequest.model_fields})
        return caller, await run_in_threadpool(shop.orders.submit, caller, options)


@router.post(
    "/v2/video-frame-interpolation",
    summary="Submit a clip",
    response_model=Submitted,
    responses=failing(400, 401, 403, 406, 413, 429, 502),
    openapi_extra=body_of(InterpolationRequest),
)
async def submit(
    request: Request, shop: TheShop, reader: TheReader, telemetry: TheTelemetry, key: ShownKey
) -> Response:
    """Take a clip into the queue, and answer at once with where to ask for it."""
    _, job = await take(request, shop, reader, key)
    telemetry.count_submit("v2")
    return json_response(submitted_of(job, base_url(request, shop.settings)))


@router.get(
    "/v2/requests/{request_id}/status",
    summary="See where a request stands",
    response_model=Status,
    responses=failing(401, 403, 404, 422, 502),
)
def read_status(request_id: RequestId, shop: TheShop, key: ShownKey) -> Response:
    """Say how far a request is; 422 once it has FAILED. Never carries the output."""
    job = _find(shop, shop.access.authenticate(key), request_id)
    return _failed(job) if job.state is State.FAILED else _status(shop, job)


@router.get(
    "/v1/requests/{request_id}",
    summary="Get the result (v1)",
    response_model=Result | Status,
    responses=failing(401, 403, 404, 422, 502),
)
@router.get(
    "/v2/requests/{request_id}",
    summary="Get the result",
    response_model=Result | Status,
    responses=failing(401, 403, 404, 422, 502),
)
def read_result(request_id: RequestId, request: Request, shop: TheShop, key: ShownKey) -> Response:
    """Give what came out; the status while nothing has, and 422 once it has FAILED."""
    job = _find(shop, shop.access.authenticate(key), request_id)
    if job.outcome is None:
        return _status(shop, job)
    if job.outcome.result is None:
        return _failed(job)
    result = result_of(shop, job, base_url(request, shop.settings))
    if not job.order.options.base64 or is_too_large(shop, job.outcome.result):
        return json_response(result)
    mark = secrets.token_hex(16)
    template = result.model_copy(update={"output": mark}).model_dump_json(exclude_unset=True)
    return Base64Response(template, mark, shop.artifacts.path(job.outcome.result.artifact))


@router.delete(
    "/v2/requests/{request_id}",
    summary="Cancel a request",
    response_model=Status,
    responses=failing(401, 403, 404, 409, 502),
)
def cancel(request_id: RequestId, shop: TheShop, key: ShownKey) -> Response:
    """End a request before it ends by itself; what it held is given back in full."""
    caller = shop.access.authenticate(key)
    _find(shop, caller, request_id)
    return _status(shop, shop.orders.cancel(caller, request_id))


def _find(shop: Shop, caller: Caller, request_id: str) -> Job:
    """Give the caller's job; what can't be an id isn't looked up."""
    if not _ID.fullmatch(request_id):
        raise RequestNotFound(request_id[:_SHOWN_ID])
    return shop.orders.find(caller, request_id)


def _status(shop: Shop, job: Job) -> Response:
    return json_response(status_of(job, ahead=shop.orders.ahead(job), now=shop.clock()))


def _failed(job: Job) -> Response:
    return json_response(failed_of(job), 422)
