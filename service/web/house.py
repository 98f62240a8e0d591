"""The service itself: how it is, its figures, what an account has left, and the pages for people."""

import base64
import hashlib
import logging
import re
from datetime import timedelta
from importlib.resources import files
from typing import Final

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST

from schemas import Credits, Health
from service.errors import ServiceError
from service.jobs import State
from service.shop import Shop
from service.web.asked import ShownKey, TheShop, TheTelemetry, json_response
from service.web.docs import VERSION, failing

__all__ = ["router"]

_log = logging.getLogger(__name__)

router = APIRouter()


@router.get(
    "/v1/get-user-credits",
    tags=["account"],
    summary="See what is left",
    response_model=Credits,
    responses=failing(401, 403, 502),
)
def read_credits(shop: TheShop, key: ShownKey) -> Response:
    """Give the account's spendable credits; what open requests hold isn't among them."""
    balance = shop.orders.balance(shop.access.authenticate(key))
    return json_response(Credits(credits=float(balance)))


@router.get("/healthz", tags=["service"], summary="See how it is", response_model=Health, responses=failing())
@router.head("/healthz", include_in_schema=False)
def read_health(shop: TheShop) -> Response:
    """Say how the service is. 200 while this process serves, whatever else is away."""
    return json_response(_health_of(shop))


def _health_of(shop: Shop) -> Health:
    now, lease = shop.clock(), shop.runs.rules.lease
    try:
        census = shop.index.census(now, lease)
        workers = shop.roster.alive(now - lease)
    except ServiceError:
        _log.warning("the store is away", exc_info=True)
        return Health(
            status="degraded",
            store=False,
            worker_alive=None,
            workers=None,
            queued=None,
            processing=None,
            oldest_queued_seconds=None,
            version=VERSION,
        )
    oldest = census.oldest_queued_at
    worker_alive = workers is None or workers > 0
    return Health(
        status="ok" if worker_alive else "degraded",
        store=True,
        worker_alive=worker_alive,
        workers=workers,
        queued=census.by_state[State.QUEUED],
        processing=census.by_state[State.PROCESSING],
        oldest_queued_seconds=None if oldest is None else max(0.0, (now - oldest) / timedelta(seconds=1)),
        version=VERSION,
    )


_FIGURES: Final = {"description": "Prometheus' text format", "content": {"text/plain": {"schema": {"type": "string"}}}}


@router.get(
    "/metrics",
    tags=["service"],
    summary="Get the figures",
    response_class=Response,
    responses={200: _FIGURES, **failing()},
)
def read_metrics(telemetry: TheTelemetry) -> Response:
    """Give jobs, queue, workers, frames and credits of the shop, and requests and errors of this process."""
    return Response(telemetry.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _page(name: str) -> HTMLResponse:
    """Read a page whose style and script are its own, and allow just these."""
    text = files("service.web").joinpath(name).read_text(encoding="utf-8")
    allowed = {
        tag: " ".join(_hash(found) for found in re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL))
        for tag in ("script", "style")
    }
    policy = (
        f"default-src 'none'; script-src {allowed['script']}; style-src {allowed['style']}; connect-src 'self'; "
        "media-src 'self' blob:; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    headers = {
        "Content-Security-Policy": policy,
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-cache",
    }
    return HTMLResponse(text, headers=headers)


def _hash(inline: str) -> str:
    digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
    return f"'sha256-{digest}'"


_HOME: Final = _page("home.html")
_DOCS: Final = _page("docs.html")


@router.get("/", include_in_schema=False)
@router.head("/", include_in_schema=False)
async def read_home() -> Response:
    """Give the page on which a person can try it."""
    return _HOME


@router.get("/docs", include_in_schema=False)
@router.head("/docs", include_in_schema=False)
async def read_docs() -> Response:
    """Give the page that shows the OpenAPI document."""
    return _DOCS
