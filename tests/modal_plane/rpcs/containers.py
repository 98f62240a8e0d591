"""What containers ask for."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator

from modal_proto import api_pb2 as api

from tests.modal_plane.calls import Input
from tests.modal_plane.errors import Missing
from tests.modal_plane.rpc import Ask, rpc

__all__: list[str] = []

HEARTBEAT = 10.0  # seconds that a heartbeat is held, so that a cancellation is told at once


@rpc
async def container_heartbeat(ask: Ask[api.ContainerHeartbeatRequest]) -> api.ContainerHeartbeatResponse:
    container = ask.here
    if not container.cancelled:
        await container.heart.wait(HEARTBEAT)
    cancelled, container.cancelled = container.cancelled, []
    answer = api.ContainerHeartbeatResponse()
    if cancelled:
        answer.cancel_input_event.input_ids.extend(cancelled)
    return answer


@rpc
def task_result(ask: Ask[api.TaskResultRequest]) -> None:
    ask.here.result = ask.message.result


@rpc
def task_list(ask: Ask[api.TaskListRequest]) -> api.TaskListResponse:
    listed = api.TaskListResponse()
    for container in ask.cluster.containers.values():
        app = container.pool.app
        if ask.message.app_id in ("", app.id):
            times = {"enqueued_at": container.enqueued_at, "started_at": container.enqueued_at}
            listed.tasks.add(task_id=container.id, app_id=app.id, app_description=app.name, **times)
    return listed


@rpc
def task_get_info(ask: Ask[api.TaskGetInfoRequest]) -> api.TaskGetInfoResponse:
    container = ask.cluster.containers.get(ask.message.task_id)
    if not container:
        raise Missing(f"container {ask.message.task_id} not found")
    return api.TaskGetInfoResponse(app_id=container.pool.app.id, info=api.TaskInfo(id=container.id))


@rpc
def container_stop(ask: Ask[api.ContainerStopRequest]) -> None:
    container = ask.cluster.containers.get(ask.message.task_id) or ask.container
    if container and ask.message.graceful:
        container.drain()
    elif container:
        container.kill("stop", signal.SIGINT)


@rpc
async def function_get_inputs(ask: Ask[api.FunctionGetInputsRequest]) -> api.FunctionGetInputsResponse:
    container, asked = ask.here, ask.message
    container.ready, container.pool.failed_starts = True, 0
    linger = asked.batch_linger_ms / 1000
    batch = await container.pool.next_inputs(container, max(1, asked.batch_max_size), linger)
    if batch is None:
        return api.FunctionGetInputsResponse(inputs=[api.FunctionGetInputsItem(kill_switch=True)])
    return api.FunctionGetInputsResponse(inputs=[_item(each) for each in batch])


@rpc
def function_put_outputs(ask: Ask[api.FunctionPutOutputsRequest]) -> None:
    container = ask.here
    for item in ask.message.outputs:
        tried = container.running.get(item.input_id)
        if tried and tried.attempt == item.retry_count:  # otherwise it is of an attempt that was given up
            container.pool.settle(tried, item.result, item.data_format)


@rpc
def function_get_dynamic_concurrency(
    ask: Ask[api.FunctionGetDynamicConcurrencyRequest],
) -> api.FunctionGetDynamicConcurrencyResponse:
    asked = ask.message
    wanted = asked.max_concurrency if ask.here.pool.pending else asked.target_concurrency
    return api.FunctionGetDynamicConcurrencyResponse(concurrency=wanted)


@rpc
async def function_call_get_data_in(
    ask: Ask[api.FunctionCallGetDataRequest],
) -> AsyncIterator[api.DataChunk]:
    if call := ask.cluster.calls.get(ask.message.function_call_id):
        async for chunk in call.follow(call.data_in, ask.message.last_index):
            yield chunk
    await asyncio.sleep(1)  # the container asks again at once when this ends


@rpc
def function_call_put_data_out(ask: Ask[api.FunctionCallPutDataRequest]) -> None:
    if call := ask.cluster.calls.get(ask.message.function_call_id):
        call.push(call.data_out, ask.message.data_chunks)


def _item(each: Input) -> api.FunctionGetInputsItem:
    return api.FunctionGetInputsItem(
        input_id=each.id,
        input=each.message,
        function_call_id=each.call.id,
        retry_count=each.attempt,
        function_map_idx=each.index,
        function_call_invocation_type=each.call.invocation,
    )
