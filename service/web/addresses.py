"""Absolute addresses of ours, which nobody but the operator and the caller may choose."""

import re

from fastapi import Request

from service.settings import Settings

__all__ = ["base_url"]

_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252})|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?", re.ASCII)


def base_url(request: Request, settings: Settings) -> str:
    """Give what absolute URLs in an answer begin with, without a slash at its end.

    That is `public_url` where the operator has set it. Otherwise it is the address that the caller used,
    as its `Host` header has it: it is told to nobody but that caller. A header that isn't a host is ignored.
    The scheme is the connection's: `X-Forwarded-*` headers count only where the server (uvicorn) is told to trust them.
    """
    if settings.public_url is not None:
        return str(settings.public_url).rstrip("/")
    host = request.headers.get("host", "")
    if not _HOST.fullmatch(host):
        name, port = request.scope.get("server") or ("localhost", None)
        host = name if port is None else f"{name}:{port}"
    return f"{request.url.scheme}://{host}{request.scope.get('root_path', '').rstrip('/')}"
