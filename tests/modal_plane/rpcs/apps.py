"""Sessions and apps."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

from modal_proto import api_pb2 as api

from tests.modal_plane.app import App
from tests.modal_plane.calls import POLL_SECONDS
from tests.modal_plane.ids import fresh_id, stable_id
from tests.modal_plane.rpc import Ask, rpc

__all__: list[str] = []

BUILDER = "2025.06"  # the image builder whose commands `images` reads


@rpc
def client_hello(_: Ask[object]) -> api.ClientHelloResponse:
    return api.ClientHelloResponse(image_builder_version=BUILDER)


@rpc
def environment_get_or_create(
    ask: Ask[api.EnvironmentGetOrCreateRequest],
) -> api.EnvironmentGetOrCreateResponse:
    name = ask.message.deployment_name or "main"
    told = api.EnvironmentMetadata(name=name, settings=api.EnvironmentSettings(image_builder_version=BUILDER))
    return api.EnvironmentGetOrCreateResponse(environment_id=stable_id("en", name), metadata=told)


@rpc
def app_get_by_deployment_name(
    ask: Ask[api.AppGetByDeploymentNameRequest],
) -> api.AppGetByDeploymentNameResponse:
    app = ask.cluster.deployed(ask.message.name, ask.message.environment_name)
    return api.AppGetByDeploymentNameResponse(app_id=app.id if app else "")


@rpc
def app_create(ask: Ask[api.AppCreateRequest]) -> api.AppCreateResponse:
    asked = ask.message
    app = App(fresh_id("ap"), asked.description, asked.environment_name, asked.app_state)
    ask.cluster.apps[app.id] = app
    page = f"{ask.cluster.http_url}/apps/{app.id}"
    return api.AppCreateResponse(app_id=app.id, app_page_url=page, app_logs_url=page)


@rpc
def app_get_layout(ask: Ask[api.AppGetLayoutRequest]) -> api.AppGetLayoutResponse:
    return api.AppGetLayoutResponse(app_layout=ask.cluster.layout(ask.cluster.app(ask.message.app_id)))


@rpc
def app_publish(ask: Ask[api.AppPublishRequest]) -> api.AppPublishResponse:
    asked, app = ask.message, ask.cluster.app(ask.message.app_id)
    app.function_ids, app.class_ids = dict(asked.function_ids), dict(asked.class_ids)
    app.name, app.state, app.deployed_at = asked.name or app.name, asked.app_state or app.state, time.time()
    ask.cluster.publish(app)
    return api.AppPublishResponse(url=f"{ask.cluster.http_url}/apps/{app.id}", deployed_at=app.deployed_at)


@rpc
def app_client_disconnect(ask: Ask[api.AppClientDisconnectRequest]) -> None:
    app = ask.cluster.app(ask.message.app_id)
    if app.ephemeral:
        ask.cluster.stop_app(app)


@rpc
def app_stop(ask: Ask[api.AppStopRequest]) -> None:
    ask.cluster.stop_app(ask.cluster.app(ask.message.app_id))


@rpc
def app_list(ask: Ask[api.AppListRequest]) -> api.AppListResponse:
    listed = api.AppListResponse()
    for app in ask.cluster.apps.values():
        listed.apps.add(
            app_id=app.id,
            name=app.name,
            description=app.name,
            state=app.state,
            created_at=app.deployed_at,
            n_running_tasks=sum(len(pool.containers) for pool in ask.cluster.pools_of(app)),
        )
    return listed


@rpc
async def app_get_logs(ask: Ask[api.AppGetLogsRequest]) -> AsyncIterator[api.TaskLogsBatch]:
    app, last = ask.cluster.app(ask.message.app_id), int(ask.message.last_entry_id or 0)
    deadline = time.monotonic() + min(ask.message.timeout, POLL_SECONDS)
    while True:
        for line in list(app.lines):
            if line.number > last:
                last = line.number
                yield line.batch
        alive = any(container.pool.app is app for container in ask.cluster.containers.values())
        if app.done and not alive and (not app.lines or last == app.lines[-1].number):
            yield api.TaskLogsBatch(app_done=True)
            return
        if time.monotonic() >= deadline:
            return
        await app.logged.wait(0.2)
