"""What tests ask of the plane beside what Modal's client does, as JSON over HTTP."""

import os
import signal

from aiohttp import web

from tests.modal_plane.cluster import Cluster
from tests.modal_plane.container import Container
from tests.modal_plane.definition import public_name
from tests.modal_plane.pool import Pool

__all__ = ["Control"]


class Control:
    """Containers, logs, images, schedules."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/plane", self.plane),
            web.get("/plane/containers", self.containers),
            web.post("/plane/containers/{id}/signal/{number}", self.send_signal),
            web.post("/plane/containers/{id}/drain", self.drain),
            web.get("/plane/logs/{function}", self.logs),
            web.get("/plane/functions", self.functions),
            web.post("/plane/fire/{function}", self.fire),
        ]

    async def plane(self, _: web.Request) -> web.Response:
        return web.json_response({"url": self._cluster.url, "isolated": self._cluster.isolated})

    async def containers(self, _: web.Request) -> web.Response:
        return web.json_response([_described(each) for each in self._cluster.containers.values()])

    async def send_signal(self, request: web.Request) -> web.Response:
        """Do to a container what a machine would that fails; the plane only sees that it ended."""
        container = self._cluster.containers.get(request.match_info["id"])
        if not container or not container.pid:
            return web.Response(status=404, text="no such container")
        number = int(request.match_info["number"])
        if number == signal.SIGKILL:
            os.killpg(container.pid, number)
        else:
            os.kill(container.pid, number)
        return web.json_response({"pid": container.pid})

    async def drain(self, request: web.Request) -> web.Response:
        container = self._cluster.containers.get(request.match_info["id"])
        if not container:
            return web.Response(status=404, text="no such container")
        container.drain()
        return web.json_response({"pid": container.pid})

    async def logs(self, request: web.Request) -> web.Response:
        """Give all that a function's containers have written, those that ended among them."""
        name = request.match_info["function"]
        lines = [line for app in self._cluster.apps.values() for line in app.lines if line.function == name]
        return web.Response(text="".join(item.data for line in lines for item in line.batch.items))

    async def functions(self, _: web.Request) -> web.Response:
        return web.json_response({public_name(pool.definition): self._declared(pool) for pool in self._live()})

    async def fire(self, request: web.Request) -> web.Response:
        """Run a scheduled function now, and answer when it has ended."""
        name = request.match_info["function"]
        named = [pool for pool in self._live() if public_name(pool.definition) == name]
        if not named or not named[0].definition.schedule.ListFields():
            return web.Response(status=404, text=f"no scheduled function {name}")
        call = named[0].fire()
        await call.ended()
        result = call.outputs[0].result
        return web.json_response(
            {"succeeded": result.status == result.GENERIC_STATUS_SUCCESS, "error": result.exception}
        )

    def _live(self) -> list[Pool]:
        return [pool for pool in self._cluster.pools.values() if pool.live and not pool.base]

    def _declared(self, pool: Pool) -> dict[str, object]:
        image = self._cluster.images.get(pool.definition.image_id)
        uploads = self._cluster.uploads(pool.definition)
        return {
            "packages": image.packages if image else [],
            "commands": image.commands if image else [],
            "environment": image.environment if image else {},
            "uploads": sorted(str(file.relative_to(uploads)) for file in uploads.rglob("*") if file.is_file()),
            "web_url": pool.definition.web_url,
            "volumes": {mount.mount_path: mount.volume_id for mount in pool.definition.volume_mounts},
            "gpu": pool.definition.resources.gpu_config.gpu_type,
        }


def _described(container: Container) -> dict[str, object]:
    return {
        "id": container.id,
        "app": container.pool.app.name,
        "function": public_name(container.pool.definition),
        "pid": container.pid,
        "ready": container.ready,
        "draining": container.draining,
        "running": list(container.running),
    }
