"""All that the plane knows: apps, their functions, calls, containers, Volumes, images."""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
import time
from typing import TYPE_CHECKING

from modal_proto import api_pb2 as api

from tests.modal_plane.app import App
from tests.modal_plane.calls import SYNCHRONOUS, Call
from tests.modal_plane.definition import described
from tests.modal_plane.errors import Missing
from tests.modal_plane.files import Files
from tests.modal_plane.nursery import Nursery
from tests.modal_plane.pool import Pool
from tests.modal_plane.rooms import can_isolate
from tests.modal_plane.store import Named, Store
from tests.modal_plane.volumes import Volume

if TYPE_CHECKING:
    from pathlib import Path

    from tests.modal_plane.container import Container
    from tests.modal_plane.images import Image
    from tests.modal_plane.settings import Settings
    from tests.modal_plane.web import Endpoints

__all__ = ["Cluster"]

log = logging.getLogger(__name__)
TICK = 0.1  # seconds
KEPT_SECONDS = 24 * 3600  # how long the outputs of a call can be fetched


class Cluster:
    """The state that requests read and change, on one event loop."""

    endpoints: Endpoints

    def __init__(self, settings: Settings, url: str, http_url: str) -> None:
        self.settings, self.url, self.http_url = settings, url, http_url
        self.root: Path = settings.state.absolute()
        shutil.rmtree(self.root / "containers", ignore_errors=True)  # of a plane that was killed
        self.files, self.store = Files(self.root), Store(self.root / "state.db")
        self.isolated = settings.isolation != "links" and can_isolate(self.root / "containers" / "probe")
        if settings.isolation == "namespaces" and not self.isolated:
            raise Missing("this machine gives us no namespaces: be root, or permit user namespaces")
        self.nursery = Nursery(self.root)
        self.apps: dict[str, App] = {}
        self.pools: dict[str, Pool] = {}
        self.calls: dict[str, Call] = {}
        self.containers: dict[str, Container] = {}
        self.mounts: dict[str, list[api.MountFile]] = {}
        self.images: dict[str, Image] = {}
        self._volumes: dict[str, Volume] = {}
        self._committed_at = time.monotonic()

    async def run(self) -> None:
        """Do what is due by the clock, for ever."""
        while True:
            await asyncio.sleep(TICK)
            for pool in list(self.pools.values()):
                try:
                    pool.tick()
                except Exception:
                    log.exception("tick of %s", pool.definition.function_name)
            self._commit_behind_their_backs()
            old = time.monotonic() - KEPT_SECONDS
            for call in [each for each in self.calls.values() if not each.unfinished and 0 < each.finished_at < old]:
                del self.calls[call.id]

    async def stop(self) -> None:
        """End all containers, with their exit hooks if they are quick."""
        mains = [container.main for container in self.containers.values()]
        for app in list(self.apps.values()):
            self.stop_app(app)
        if mains:
            await asyncio.wait(mains, timeout=5)
        left = list(self.containers.values())
        for container in left:
            container.kill("stop")
        if left:
            await asyncio.wait([container.main for container in left], timeout=5)
        await self.nursery.close()
        self.store.close()

    def _commit_behind_their_backs(self) -> None:
        every = self.settings.commit_every_seconds
        if every and time.monotonic() - self._committed_at >= every:
            self._committed_at = time.monotonic()
            for container in self.containers.values():
                for volume_id in container.views if container.ready else ():
                    container.commit(volume_id)

    # Apps and functions.

    def app(self, app_id: str) -> App:
        if app_id not in self.apps:
            raise Missing(f"app {app_id} not found")
        return self.apps[app_id]

    def pool(self, function_id: str) -> Pool:
        if function_id not in self.pools:
            raise Missing(f"function {function_id} not found")
        return self.pools[function_id]

    def pools_of(self, app: App) -> list[Pool]:
        return [pool for pool in self.pools.values() if pool.app is app]

    def deployed(self, name: str, environment: str) -> App | None:
        """Give the app that is deployed under a name."""
        named = [app for app in self.apps.values() if (app.name, app.environment) == (name, environment or "main")]
        return next((app for app in named if app.state == api.APP_STATE_DEPLOYED and not app.done), None)

    def layout(self, app: App, definition: api.Function | None = None) -> api.AppLayout:
        """Describe what an app consists of, and what a function of it depends on."""
        layout = api.AppLayout(function_ids=app.function_ids, class_ids=app.class_ids)
        for function_id in app.function_ids.values():
            function = app.drafts.get(function_id) or self.pools[function_id].definition
            layout.objects.add(object_id=function_id, function_handle_metadata=described(app.id, function))
        for class_id in app.class_ids.values():
            layout.objects.add(object_id=class_id, class_handle_metadata=api.ClassHandleMetadata())
        for dependency in definition.object_dependencies if definition else ():
            added = layout.objects.add(object_id=dependency.object_id)
            if dependency.object_id.startswith("vo-"):
                added.volume_metadata.CopyFrom(self.volume_metadata(self.store.by_id(dependency.object_id)))
            elif dependency.object_id.startswith("mo-"):
                checksum = api.MountHandleMetadata(content_checksum_sha256_hex=dependency.object_id)
                added.mount_handle_metadata.CopyFrom(checksum)
        return layout

    def publish(self, app: App) -> None:
        """Let an app consist of the functions that it names now, in their new versions."""
        for function_id in app.function_ids.values():
            draft = app.drafts.pop(function_id, None)
            if draft is None:
                continue
            if function_id not in self.pools:
                self.pools[function_id] = Pool(self, function_id, app, draft)
                continue
            self.pools[function_id].define(draft)
            for bound in [pool for pool in self.pools.values() if pool.base is self.pools[function_id]]:
                bound.define(draft)
        for pool in self.pools_of(app):
            if pool.id not in app.function_ids.values() and not pool.base:
                self._stop_pool(pool)
        for pool in self.pools_of(app):
            pool.live = True
            pool.scale()

    def stop_app(self, app: App) -> None:
        app.state, app.done = api.APP_STATE_STOPPED, True
        for pool in self.pools_of(app):
            self._stop_pool(pool)
        app.logged.fire()

    def _stop_pool(self, pool: Pool) -> None:
        pool.stop()
        self.endpoints.close(pool.id)
        del self.pools[pool.id]

    def call(self, pool: Pool, invocation: api.FunctionCallInvocationType.ValueType = SYNCHRONOUS) -> Call:
        call = Call(pool, invocation)
        self.calls[call.id] = call
        return call

    # What containers are made from.

    def uploads(self, definition: api.Function) -> Path:
        """Give the folders that a function's mounts come to."""
        return self.files.tree(file for mount in definition.mount_ids for file in self.mounts.get(mount, []))

    def declared_environment(self, definition: api.Function) -> dict[str, str]:
        """Give the variables that a function's image and secrets set."""
        image = self.images.get(definition.image_id)
        variables = dict(image.environment) if image else {}
        for secret_id in definition.secret_ids:
            variables |= json.loads(self.store.by_id(secret_id).data)
        return variables

    # Volumes.

    def volume(self, volume_id: str) -> Volume:
        self.store.by_id(volume_id)
        if volume_id not in self._volumes:
            self._volumes[volume_id] = Volume(self.root / "volumes" / volume_id)
        return self._volumes[volume_id]

    def delete_volume(self, volume_id: str) -> None:
        self.store.delete(volume_id)
        if volume := self._volumes.pop(volume_id, None):
            shutil.rmtree(volume.root)

    @staticmethod
    def volume_metadata(named: Named) -> api.VolumeMetadata:
        created = api.CreationInfo(created_at=named.created, created_by="local")
        return api.VolumeMetadata(version=api.VOLUME_FS_VERSION_V2, name=named.name, creation_info=created)
