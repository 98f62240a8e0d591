"""What routes are given: the shop, the key that a caller shows, and who that is."""

from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.responses import Response
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel

from service.accounts import Caller
from service.shop import Shop
from service.web.reading import BodyReader
from service.web.telemetry import Telemetry

__all__ = ["ShownKey", "TheReader", "TheShop", "TheTelemetry", "admit", "json_response"]

_header = APIKeyHeader(
    name="x-api-key", auto_error=False, scheme_name="ApiKey", description="A key, as `film-service keys create` made it"
)
_bearer = HTTPBearer(auto_error=False, scheme_name="Bearer", description="The same key")


async def _shop(request: Request) -> Shop:
    shop: Shop = request.app.state.shop
    return shop


async def _reader(request: Request) -> BodyReader:
    reader: BodyReader = request.app.state.reader
    return reader


async def _telemetry(request: Request) -> Telemetry:
    telemetry: Telemetry = request.app.state.telemetry
    return telemetry


async def _shown_key(
    key: Annotated[str | None, Security(_header)],
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
) -> str | None:
    return key or (bearer.credentials if bearer else None)


TheShop = Annotated[Shop, Depends(_shop)]
TheReader = Annotated[BodyReader, Depends(_reader)]
TheTelemetry = Annotated[Telemetry, Depends(_telemetry)]
ShownKey = Annotated[str | None, Depends(_shown_key)]
"""The key in `x-api-key`, or else in `Authorization: Bearer`. Who it is, the route asks itself: that may block."""


def admit(shop: Shop, key: str | None) -> Caller:
    """Let in a caller who wants something that is counted.

    Raises:
        service.errors.AccessError: If the key is missing or bad.
        service.errors.RateLimited: If it calls too often.
    """
    caller = shop.access.authenticate(key)
    shop.access.count(caller)
    return caller


def json_response(body: BaseModel, status: int = 200) -> Response:
    """Give a model as JSON, without the fields that were never set. It is true now only, and for one account."""
    headers = {"Cache-Control": "no-store"}
    return Response(body.model_dump_json(exclude_unset=True), status, headers, "application/json")
