"""The web application: routes and errors put together, and the chores that run beside them."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Final

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool
from fastapi.routing import APIRoute

from service.shop import Shop
from service.web import blocking, files, house, requests
from service.web.chores import Chore
from service.web.docs import DESCRIPTION, TAGS, VERSION, describe
from service.web.door import Door
from service.web.errors import answer_errors
from service.web.reading import BodyReader
from service.web.telemetry import Telemetry

__all__ = ["create_app"]

_ROUTERS: Final = (requests.router, blocking.router, files.router, house.router)
_DELIVERY_SECONDS: Final = 2.0  # between two rounds of webhooks
_PATIENCE_SECONDS: Final = 5.0  # for a chore's last round at shutdown


def create_app(shop: Shop, *, upkeep: bool = True) -> FastAPI:
    """Make the application that serves a shop.

    Args:
        shop: What is served.
        upkeep: Whether this process also sweeps and delivers webhooks while it serves. False where
            the platform calls `shop.upkeep.sweep` and `shop.courier.deliver_due` by itself.

    Returns:
        An ASGI application. Its absolute URLs begin with `Settings.public_url`, or else with the address
        by which the caller reached it; behind a proxy set the former.
    """
    app = FastAPI(
        title="FILM video frame interpolation",
        version=VERSION,
        description=DESCRIPTION,
        openapi_tags=TAGS,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_chores_of(shop) if upkeep else None,
    )
    telemetry = Telemetry(shop)
    app.state.shop = shop
    app.state.telemetry = telemetry
    app.state.reader = BodyReader(shop.settings.max_body_bytes, shop.clock)
    app.state.methods_at = _methods_at
    for router in _ROUTERS:
        app.include_router(router)
    answer_errors(app, telemetry, shop.clock)
    app.add_middleware(Door, telemetry=telemetry)
    app.openapi = partial(describe, app)  # type: ignore[method-assign]  # FastAPI's own way to extend the document
    return app


def _chores_of(shop: Shop) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        # Apart, so that a webhook that is slow to answer doesn't keep dead jobs from being seen to.
        chores = (
            Chore("upkeep", shop.upkeep.sweep, seconds=shop.settings.sweep_seconds),
            Chore("webhooks", shop.courier.deliver_due, seconds=_DELIVERY_SECONDS),
        )
        for chore in chores:
            chore.start()
        try:
            yield
        finally:
            for chore in chores:
                chore.stop()
            for chore in chores:
                await run_in_threadpool(chore.join, _PATIENCE_SECONDS)

    return lifespan


def _methods_at(path: str) -> list[str]:
    """Give the methods that some route takes at a path."""
    routes = [route for router in _ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    return sorted({method for route in routes if route.path_regex.match(path) for method in route.methods or ()})
