"""Functions and classes."""

from __future__ import annotations

from modal_proto import api_pb2 as api

from tests.modal_plane.app import App
from tests.modal_plane.cluster import Cluster
from tests.modal_plane.definition import described
from tests.modal_plane.errors import Missing
from tests.modal_plane.ids import fresh_id, stable_id
from tests.modal_plane.pool import Pool
from tests.modal_plane.rpc import Ask, rpc

__all__: list[str] = []


@rpc
def function_precreate(ask: Ask[api.FunctionPrecreateRequest]) -> api.FunctionPrecreateResponse:
    asked, app = ask.message, ask.cluster.app(ask.message.app_id)
    function_id = asked.existing_function_id or fresh_id("fu")
    known = {field.name for field in api.Function.DESCRIPTOR.fields}
    same = {field.name: getattr(asked, field.name) for field, _ in asked.ListFields() if field.name in known}
    function = api.Function(**same)
    _open_endpoints(ask.cluster, function_id, function)
    return api.FunctionPrecreateResponse(function_id=function_id, handle_metadata=described(app.id, function))


@rpc
def function_create(ask: Ask[api.FunctionCreateRequest]) -> api.FunctionCreateResponse:
    asked, app, function = ask.message, ask.cluster.app(ask.message.app_id), api.Function()
    # Several of them are one function for several kinds of GPU; we have none to choose from.
    ranked = sorted(asked.function_data.ranked_functions, key=lambda each: each.rank)
    function.CopyFrom(ranked[0].function if ranked else asked.function)
    function_id = asked.existing_function_id or fresh_id("fu")
    _open_endpoints(ask.cluster, function_id, function)
    app.drafts[function_id] = function
    return api.FunctionCreateResponse(
        function_id=function_id,
        function=function,
        function_data=_data(function),
        handle_metadata=described(app.id, function),
    )


@rpc
def function_get(ask: Ask[api.FunctionGetRequest]) -> api.FunctionGetResponse:
    asked = ask.message
    app = _deployed(ask.cluster, asked.app_name, asked.environment_name)
    if asked.object_tag not in app.function_ids:
        raise Missing(f"function {asked.object_tag} of app {asked.app_name} not found")
    pool = ask.cluster.pool(app.function_ids[asked.object_tag])
    return api.FunctionGetResponse(
        function_id=pool.id,
        handle_metadata=described(app.id, pool.definition),
        function=_data(pool.definition),
    )


@rpc
def function_bind_params(ask: Ask[api.FunctionBindParamsRequest]) -> api.FunctionBindParamsResponse:
    asked, base = ask.message, ask.cluster.pool(ask.message.function_id)
    options = asked.function_options
    bound_id = stable_id("fu", base.id, asked.serialized_params, options.SerializeToString(deterministic=True))
    if bound_id not in ask.cluster.pools:
        bound = (base, asked.serialized_params, options)
        ask.cluster.pools[bound_id] = Pool(ask.cluster, bound_id, base.app, base.definition, bound)
    told = described(base.app.id, ask.cluster.pools[bound_id].definition)
    return api.FunctionBindParamsResponse(bound_function_id=bound_id, handle_metadata=told)


@rpc
def function_get_current_stats(ask: Ask[api.FunctionGetCurrentStatsRequest]) -> api.FunctionStats:
    pool = ask.cluster.pool(ask.message.function_id)
    running = sum(len(container.running) for container in pool.containers.values())
    return api.FunctionStats(
        backlog=len(pool.pending),
        num_total_tasks=len(pool.containers),
        num_running_inputs=running,
    )


@rpc
def function_update_scheduling_params(
    ask: Ask[api.FunctionUpdateSchedulingParamsRequest],
) -> api.FunctionUpdateSchedulingParamsResponse:
    pool = ask.cluster.pool(ask.message.function_id)
    pool.definition.autoscaler_settings.MergeFrom(ask.message.settings)
    pool.scale()
    return api.FunctionUpdateSchedulingParamsResponse(current_settings=pool.definition.autoscaler_settings)


@rpc
def class_create(ask: Ask[api.ClassCreateRequest]) -> api.ClassCreateResponse:
    class_id = ask.message.existing_class_id or fresh_id("cs")
    return api.ClassCreateResponse(class_id=class_id, handle_metadata=api.ClassHandleMetadata())


@rpc
def class_get(ask: Ask[api.ClassGetRequest]) -> api.ClassGetResponse:
    asked = ask.message
    app = _deployed(ask.cluster, asked.app_name, asked.environment_name)
    if asked.object_tag not in app.class_ids:
        raise Missing(f"class {asked.object_tag} of app {asked.app_name} not found")
    return api.ClassGetResponse(
        class_id=app.class_ids[asked.object_tag],
        handle_metadata=api.ClassHandleMetadata(),
    )


def _deployed(cluster: Cluster, name: str, environment: str) -> App:
    app = cluster.deployed(name, environment)
    if not app:
        raise Missing(f"app {name} not found")
    return app


def _open_endpoints(cluster: Cluster, function_id: str, function: api.Function) -> None:
    if function.webhook_config.type:
        function.web_url = cluster.endpoints.open(function_id, "")
    for name, method in function.method_definitions.items():
        if method.webhook_config.type:
            method.web_url = cluster.endpoints.open(function_id, name)


def _data(function: api.Function) -> api.FunctionData:
    known = {field.name for field in api.FunctionData.DESCRIPTOR.fields}
    same = {field.name: getattr(function, field.name) for field, _ in function.ListFields() if field.name in known}
    data = api.FunctionData(**same)
    data.ranked_functions.add(rank=0).function.CopyFrom(function)
    return data
