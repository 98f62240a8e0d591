"""One container: a local process that runs Modal's own container entrypoint."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time
from typing import TYPE_CHECKING

from modal_proto import api_pb2 as api

from tests.modal_plane.broadcast import Broadcast
from tests.modal_plane.errors import Missing
from tests.modal_plane.ids import fresh_id
from tests.modal_plane.nursery import Child
from tests.modal_plane.processes import Held, held_files, kill_all
from tests.modal_plane.rooms import Room
from tests.modal_plane.volumes import View

if TYPE_CHECKING:
    from tests.modal_plane.calls import Input
    from tests.modal_plane.pool import Pool

__all__ = ["Container"]

GRACE = 10.0  # seconds from asking a container to end until it is made to
READ_SIZE = 1 << 16


class Container:
    """A process, the inputs it works on, and its views of Volumes."""

    def __init__(self, pool: Pool) -> None:
        self.pool, self.cluster, self.id = pool, pool.cluster, fresh_id("ta")
        self.running: dict[str, Input] = {}
        self.started = self._idle_since = time.monotonic()
        self.enqueued_at = time.time()
        self.told_to_end = 0.0
        self.ready = self.draining = self.outdated = False
        self.cancelled: list[str] = []
        self.heart = Broadcast()
        self.result: api.GenericResult | None = None
        self.killed = ""
        self.process: Child | None = None
        self.views: dict[str, View] = {}
        self.home = self.cluster.root / "containers" / self.id

    @property
    def pid(self) -> int:
        return self.process.pid if self.process else 0

    def idle_seconds(self, now: float) -> float:
        """How long it has had nothing to do, 0 while it starts or works."""
        return now - self._idle_since if self.ready and not self.running else 0.0

    def start(self) -> None:
        self.main = asyncio.create_task(self._live())

    def release(self, left: Input) -> None:
        self.running.pop(left.id, None)
        left.container, self._idle_since = None, time.monotonic()

    def drain(self) -> None:
        """Give it no more inputs; once it asks for some, it is told to end."""
        self.draining = True
        self.pool.wake.fire()

    def cancel(self, running: Input) -> None:
        """Have the container interrupt an input; it learns so by its next heartbeat."""
        self.cancelled.append(running.id)
        self.heart.fire()

    def kill(self, why: str, number: int = signal.SIGKILL) -> None:
        """End it for a reason of the plane's, which no input is to blame for."""
        self.draining, self.killed = True, self.killed or why
        if self.process and not self.process.ended.done():
            os.killpg(self.process.pid, number)
            if number != signal.SIGKILL:
                asyncio.get_running_loop().call_later(GRACE, self.kill, why)

    def commit(self, volume_id: str) -> None:
        self._view(volume_id).commit(self._held())

    def reload(self, volume_id: str) -> None:
        self._view(volume_id).reload(self._held())

    def _view(self, volume_id: str) -> View:
        if volume_id not in self.views:
            raise Missing(f"{volume_id} is not mounted in {self.id}")
        return self.views[volume_id]

    def _held(self) -> list[Held]:
        return list(held_files(self.pid, self.id))

    async def _live(self) -> None:
        try:
            code = await self._run()
        except Exception as error:  # noqa: BLE001  # whatever keeps it from starting is told to those who wait for it
            code, text = -1, f"container did not start: {error!r}"
            self.result = api.GenericResult(status=api.GenericResult.GENERIC_STATUS_FAILURE, exception=text)
        await asyncio.to_thread(shutil.rmtree, self.home, ignore_errors=True)
        self.pool.ended(self, code)

    async def _run(self) -> int:
        room = Room(self.home, self.cluster.isolated)
        environment = self._furnish(room)
        self.process = await self.cluster.nursery.start(room.describe(environment=environment))
        if self.killed:
            self.kill(self.killed)
        pumps = asyncio.gather(self._log(self.process.stdout, 1), self._log(self.process.stderr, 2))
        code = await self.process.ended
        kill_all(self.process.pid, self.id)
        await pumps
        return code

    def _furnish(self, room: Room) -> dict[str, str]:
        """Put uploads, Volumes and arguments in their places, and give the environment."""
        definition = api.Function()
        definition.CopyFrom(self.pool.definition)
        room.place_uploads(self.cluster.uploads(definition))
        for mount in definition.volume_mounts:
            if mount.volume_id not in self.views:
                folder = self.home / "volumes" / mount.volume_id
                self.views[mount.volume_id] = View(self.cluster.volume(mount.volume_id), folder)
            source = self.views[mount.volume_id].root / mount.sub_path.lstrip("/")
            source.mkdir(parents=True, exist_ok=True)
            room.place(source, mount.mount_path, read_only=mount.read_only)
            mount.allow_background_commits &= self.cluster.settings.commit_at_exit
        arguments = api.ContainerArguments(
            task_id=self.id,
            function_id=self.pool.id,
            app_id=self.pool.app.id,
            function_def=definition,
            serialized_params=self.pool.parameters,
            environment_name=self.pool.app.environment,
            app_layout=self.cluster.layout(self.pool.app, definition),
        )
        return {
            **room.environment(),
            **self.cluster.declared_environment(definition),
            # Where the app asks for no GPU there is none; we don't share ours out among those that do.
            **({} if definition.resources.gpu_config.count else {"CUDA_VISIBLE_DEVICES": ""}),
            "MODAL_SERVER_URL": self.cluster.url,
            "MODAL_IS_REMOTE": "1",
            "MODAL_TASK_ID": self.id,
            "MODAL_IMAGE_ID": definition.image_id,
            "MODAL_ENVIRONMENT": self.pool.app.environment,
            "MODAL_CLOUD_PROVIDER": "CLOUD_PROVIDER_LOCAL",
            "MODAL_REGION": "local",
            "MODAL_CONTAINER_ARGUMENTS_PATH": room.hand_over("arguments", arguments.SerializeToString()),
            # Heartbeats and the like don't say whose they are: this header does.
            "MODAL_OVERRIDE_HEADERS": f"x-modal-task-id:{self.id}",
        }

    async def _log(self, stream: asyncio.StreamReader, descriptor: int) -> None:
        while data := await stream.read(READ_SIZE):
            self.pool.app.log(self.pool, self.id, descriptor, data.decode(errors="replace"))
