"""Bytes over HTTP: blobs, and the blocks of Volumes' files."""

import hashlib

from aiohttp import web

from tests.modal_plane.cluster import Cluster
from tests.modal_plane.errors import Missing
from tests.modal_plane.ids import fresh_id

__all__ = ["Transfer"]


class Transfer:
    """What the URLs lead to that blob and Volume requests are answered with."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def routes(self) -> list[web.RouteDef]:
        return [
            web.put("/blob/{id}", self.put_blob),
            web.get("/blob/{id}", self.get_blob),
            web.get("/volume/{id}/{path:.*}", self.get_block),
        ]

    async def put_blob(self, request: web.Request) -> web.Response:
        """Take a blob; the client checks the digest that comes back as ETag."""
        blob = self._cluster.files.blob(request.match_info["id"])
        partial = blob.with_name(f".{fresh_id('part')}")
        md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
        with partial.open("wb") as out:
            async for data in request.content.iter_any():
                md5.update(data)
                sha256.update(data)
                out.write(data)
        if blob.name.startswith("blk-") and blob.name != f"blk-{sha256.hexdigest()}":
            partial.unlink()
            return web.Response(status=400, text="the content is not what its digest says")
        partial.replace(blob)
        return web.Response(text=sha256.hexdigest(), headers={"ETag": f'"{md5.hexdigest()}"'})

    async def get_blob(self, request: web.Request) -> web.StreamResponse:
        return web.FileResponse(self._cluster.files.blob(request.match_info["id"]))

    async def get_block(self, request: web.Request) -> web.Response:
        first, last = (int(number) for number in request.query["range"].split("-"))
        try:
            content = self._cluster.volume(request.match_info["id"]).content(request.match_info["path"])
        except Missing as error:
            return web.Response(status=404, text=str(error))
        with content.open("rb") as file:
            file.seek(first)
            return web.Response(body=file.read(last - first))
