"""The blocking (v1) call: submit, wait, answer with the video itself."""

import asyncio
import logging
import secrets
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from schemas import Encoded, InterpolationRequest
from service.accounts import Caller
from service.errors import AlreadyEnded, RequestNotFound, StillRunning, TooLarge
from service.jobs import Job
from service.shop import Shop
from service.web.addresses import base_url
from service.web.asked import ShownKey, TheReader, TheShop, TheTelemetry, json_response
from service.web.bodies import failed_of, is_too_large
from service.web.clips import Base64Response, ClipResponse
from service.web.docs import body_of, failing
from service.web.errors import error_response
from service.web.requests import take

__all__ = ["router"]

_log = logging.getLogger(__name__)

router = APIRouter(tags=["requests"])

_FIRST_PAUSE: Final = 0.05  # seconds between two looks at the job; grows
_LONGEST_PAUSE: Final = 1.0
_GONE: Final = 499  # nobody sees it but the log

_HEADERS: Final = {
    "x-request-id": "Names the request.",
    "x-cost": "Credits that it took.",
    "x-remaining-credits": "Spendable credits of the account now.",
    "x-generation-time": "Seconds from the first frame until the end.",
}
_VIDEO: Final[dict[str, Any]] = {
    "description": "The video; as JSON where `base64` was asked for",
    "headers": {name: {"description": text, "schema": {"type": "string"}} for name, text in _HEADERS.items()},
    "content": {"video/mp4": {"schema": {"type": "string", "format": "binary"}}},
}


@router.post(
    "/v1/video-frame-interpolation",
    summary="Submit a clip and wait for it",
    response_model=Encoded,
    responses={200: _VIDEO, **failing(400, 401, 403, 404, 406, 413, 422, 429, 502, 504)},
    openapi_extra=body_of(InterpolationRequest),
)
async def interpolate(
    request: Request, shop: TheShop, reader: TheReader, telemetry: TheTelemetry, key: ShownKey
) -> Response:
    """Answer with the video's bytes once it is there.

    Where that takes longer than the server waits, the answer is 504 with the `request_id` to poll, and the request
    goes on. Whoever hangs up while waiting can't learn that id, so the request is cancelled then, unless a webhook
    is told of it.
    """
    caller, job = await take(request, shop, reader, key)
    telemetry.count_submit("v1")
    ended = await _wait(request, shop, caller, job)
    if ended is None:
        return Response(status_code=_GONE)
    return await run_in_threadpool(_answer, shop, caller, ended)


async def _wait(request: Request, shop: Shop, caller: Caller, job: Job) -> Job | None:
    """Give the job once it has ended; None where the caller has hung up.

    Raises:
        StillRunning: If it takes too long.
    """
    now = asyncio.get_running_loop().time
    limit = now() + shop.settings.sync_seconds
    pause = _FIRST_PAUSE
    while True:
        found = await run_in_threadpool(shop.orders.find, caller, job.job_id)
        if found.outcome is not None:
            return found
        if await request.is_disconnected():
            await run_in_threadpool(_abandon, shop, caller, job)
            return None
        if now() >= limit:
            raise StillRunning(job.job_id, f"{base_url(request, shop.settings)}/v1/requests/{job.job_id}")
        await asyncio.sleep(min(pause, limit - now()))
        pause = min(pause * 1.5, _LONGEST_PAUSE)


def _abandon(shop: Shop, caller: Caller, job: Job) -> None:
    """Cancel what nobody will ever ask for."""
    if job.order.options.webhook_url is not None:
        return
    try:
        shop.orders.cancel(caller, job.job_id)
    except (AlreadyEnded, RequestNotFound):
        return
    _log.info("abandoned", extra={"job": job.job_id})


def _answer(shop: Shop, caller: Caller, job: Job) -> Response:
    outcome = job.outcome
    assert outcome is not None, "waited for"
    clip = outcome.result
    if clip is None:
        return json_response(failed_of(job), 422)
    headers = {
        "x-request-id": job.job_id,
        "x-cost": f"{outcome.cost:f}",
        "x-remaining-credits": f"{shop.orders.balance(caller):f}",
        "x-generation-time": f"{outcome.inference_seconds:.3f}",
    }
    file = shop.artifacts.path(clip.artifact)
    if not job.order.options.base64:
        return ClipResponse(file, clip.artifact, headers)
    if is_too_large(shop, clip):
        message = f"the video has {clip.size_bytes} bytes, too many for base64; get request {job.job_id} for its URL"
        return error_response(413, message, TooLarge.code, headers=headers, request_id=job.job_id)
    mark = secrets.token_hex(16)
    return Base64Response(Encoded(video=mark, output=mark).model_dump_json(), mark, file, headers)
