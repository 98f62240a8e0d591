"""Uploads, and the files that links lead to."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from schemas import Uploaded, UploadRequest
from service.links import FILES
from service.web.addresses import base_url
from service.web.asked import ShownKey, TheReader, TheShop, admit, json_response
from service.web.clips import ClipResponse
from service.web.docs import body_of, failing

__all__ = ["router"]

router = APIRouter(tags=["files"])

# Whoever has a link has the file, so pages of others may play it; no key or cookie is ever involved.
_CORS: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Accept-Ranges, Content-Disposition, Content-Length, Content-Range, ETag",
    "Cross-Origin-Resource-Policy": "cross-origin",
}
_PREFLIGHT: Final = {
    **_CORS,
    "Access-Control-Allow-Methods": "GET, HEAD",
    "Access-Control-Allow-Headers": "Range, If-Range",
    "Access-Control-Max-Age": "86400",
}
_BYTES: Final = {"schema": {"type": "string", "format": "binary"}}
_FILE: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The file", "content": {"video/mp4": _BYTES, "application/octet-stream": _BYTES}},
    206: {"description": "The ranges asked for", "content": {"video/mp4": _BYTES, "multipart/byteranges": _BYTES}},
    **failing(404, 416, 502),
}

Name = Annotated[str, Path(description="As the link has it.")]
Expires = Annotated[str, Query(description="As the link has it.")]
Signature = Annotated[str, Query(description="As the link has it.")]


@router.post(
    "/upload-asset",
    summary="Upload files",
    response_model=Uploaded,
    responses=failing(400, 401, 403, 406, 413, 429, 502),
    openapi_extra=body_of(UploadRequest),
)
async def upload(request: Request, shop: TheShop, reader: TheReader, key: ShownKey) -> Response:
    """Keep files for a day, and answer with URLs that requests can name as `input_video`."""
    await run_in_threadpool(admit, shop, key)
    async with reader.read(request, UploadRequest) as wanted:
        paths = [await run_in_threadpool(shop.orders.upload, data_url) for data_url in wanted.data_urls]
    urls = [base_url(request, shop.settings) + path for path in paths]
    message = f"{len(urls)} file{'s' if len(urls) > 1 else ''} uploaded"
    return json_response(Uploaded(file_urls=urls, urls=urls, message=message))


@router.get(FILES + "{name:path}", summary="Get a file", response_class=Response, responses=_FILE)
@router.head(
    FILES + "{name:path}", summary="Ask about a file", response_class=Response, responses=_FILE, name="ask_file"
)
def read_file(name: Name, shop: TheShop, expires: Expires = "", signature: Signature = "") -> Response:
    """Give the file that a signed link leads to, whole or in ranges. Needs no key."""
    shop.links.check(name, expires, signature)
    return ClipResponse(shop.artifacts.path(name), name, _CORS)


@router.options(FILES + "{name:path}", include_in_schema=False)
async def allow_file(name: str) -> Response:  # noqa: ARG001 (the path's)
    """Let pages of others ask for ranges."""
    return Response(status_code=204, headers=_PREFLIGHT)
