"""Calls, as those see them who make them."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable
from typing import Any

from modal_proto import api_pb2 as api

from tests.modal_plane.calls import Call, Input
from tests.modal_plane.errors import Missing
from tests.modal_plane.rpc import Ask, rpc

__all__: list[str] = []

OUTSTANDING = 1000  # inputs of a map that the client may have under way


@rpc
def function_map(ask: Ask[api.FunctionMapRequest]) -> api.FunctionMapResponse:
    asked = ask.message
    call = ask.cluster.call(ask.cluster.pool(asked.function_id), asked.function_call_invocation_type)
    # `sync_client_retries_enabled` stays false: retries are made by the pool, not by the client.
    return api.FunctionMapResponse(
        function_call_id=call.id,
        function_call_jwt=call.id,
        pipelined_inputs=_put(call, asked.pipelined_inputs),
        retry_policy=call.pool.definition.retry_policy,
        max_inputs_outstanding=OUTSTANDING,
    )


@rpc
def function_put_inputs(ask: Ask[api.FunctionPutInputsRequest]) -> api.FunctionPutInputsResponse:
    call = _call(ask, ask.message.function_call_id)
    return api.FunctionPutInputsResponse(inputs=_put(call, ask.message.inputs))


@rpc
async def function_get_outputs(ask: Ask[api.FunctionGetOutputsRequest]) -> api.FunctionGetOutputsResponse:
    asked = ask.message
    call = ask.cluster.calls.get(asked.function_call_id)
    if not call:  # the client takes this for outputs that have expired
        return api.FunctionGetOutputsResponse()
    after, deadline = int((asked.last_entry_id or "0-0").split("-")[0]), time.monotonic() + asked.timeout
    while True:
        found = call.outputs[after:]
        if asked.HasField("start_idx"):
            found = [item for item in found if asked.start_idx <= item.idx <= asked.end_idx]
        left = deadline - time.monotonic()
        if found or left <= 0:
            break
        await call.changed.wait(left)
    if asked.clear_on_success and (found or asked.timeout == 0) and not call.unfinished:
        ask.cluster.calls.pop(call.id, None)
    return api.FunctionGetOutputsResponse(
        outputs=found,
        last_entry_id=f"{len(call.outputs)}-0",
        num_unfinished_inputs=call.unfinished,
    )


@rpc
def function_call_from_id(ask: Ask[api.FunctionCallFromIdRequest]) -> api.FunctionCallFromIdResponse:
    call = _call(ask, ask.message.function_call_id)
    told = api.FunctionCallHandleMetadata(app_id=call.pool.app.id, function_id=call.pool.id)
    return api.FunctionCallFromIdResponse(function_call_id=call.id, num_inputs=len(call.inputs), metadata=told)


@rpc
def function_call_cancel(ask: Ask[api.FunctionCallCancelRequest]) -> None:
    call = ask.cluster.calls.get(ask.message.function_call_id)
    for each in list(call.inputs.values()) if call else ():
        _cancel(each, with_container=ask.message.terminate_containers)


@rpc
async def function_call_get_data_out(
    ask: Ask[api.FunctionCallGetDataRequest],
) -> AsyncIterator[api.DataChunk]:
    call = _call(ask, ask.message.function_call_id)
    async for chunk in call.follow(call.data_out, ask.message.last_index):
        yield chunk


def _call(ask: Ask[Any], call_id: str) -> Call:
    call = ask.cluster.calls.get(call_id)
    if not call:
        raise Missing(f"call {call_id} not found")
    return call


def _put(call: Call, items: Iterable[api.FunctionPutInputsItem]) -> list[api.FunctionPutInputsResponseItem]:
    added = [(item.idx, call.add(item.idx, item.input).id) for item in items]
    return [api.FunctionPutInputsResponseItem(idx=index, input_id=name, input_jwt=name) for index, name in added]


def _cancel(each: Input, *, with_container: bool) -> None:
    container = each.container
    if container and not with_container:
        container.cancel(each)  # it answers with an output that says so
        return
    text = "Input was cancelled"
    terminated = api.GenericResult(status=api.GenericResult.GENERIC_STATUS_TERMINATED, exception=text)
    each.call.pool.finish(each, terminated)
    if container:
        container.kill("cancel")
