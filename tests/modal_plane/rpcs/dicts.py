"""Dicts."""

from __future__ import annotations

from collections.abc import AsyncIterator

from modal_proto import api_pb2 as api

from tests.modal_plane.rpc import Ask, rpc
from tests.modal_plane.store import Named

__all__: list[str] = []


@rpc
def dict_get_or_create(ask: Ask[api.DictGetOrCreateRequest]) -> api.DictGetOrCreateResponse:
    made = ask.cluster.store.get_or_create("Dict", "di", ask.message)
    return api.DictGetOrCreateResponse(dict_id=made.id, metadata=_described(made))


@rpc
def dict_get_by_id(ask: Ask[api.DictGetByIdRequest]) -> api.DictGetByIdResponse:
    found = ask.cluster.store.by_id(ask.message.dict_id)
    return api.DictGetByIdResponse(dict_id=found.id, metadata=_described(found))


@rpc
def dict_get(ask: Ask[api.DictGetRequest]) -> api.DictGetResponse:
    value = ask.cluster.store.dict_get(ask.message.dict_id, ask.message.key)
    return api.DictGetResponse(found=value is not None, value=value)


@rpc
def dict_contains(ask: Ask[api.DictContainsRequest]) -> api.DictContainsResponse:
    value = ask.cluster.store.dict_get(ask.message.dict_id, ask.message.key)
    return api.DictContainsResponse(found=value is not None)


@rpc
def dict_update(ask: Ask[api.DictUpdateRequest]) -> api.DictUpdateResponse:
    asked = ask.message
    made = ask.cluster.store.dict_update(asked.dict_id, list(asked.updates), only_new=asked.if_not_exists)
    return api.DictUpdateResponse(created=made)


@rpc
def dict_pop(ask: Ask[api.DictPopRequest]) -> api.DictPopResponse:
    value = ask.cluster.store.dict_pop(ask.message.dict_id, ask.message.key)
    return api.DictPopResponse(found=value is not None, value=value)


@rpc
def dict_len(ask: Ask[api.DictLenRequest]) -> api.DictLenResponse:
    return api.DictLenResponse(len=ask.cluster.store.dict_len(ask.message.dict_id))


@rpc
async def dict_contents(ask: Ask[api.DictContentsRequest]) -> AsyncIterator[api.DictEntry]:
    for key, value in ask.cluster.store.dict_items(ask.message.dict_id):
        yield api.DictEntry(key=key, value=value if ask.message.values else b"")


@rpc
def dict_clear(ask: Ask[api.DictClearRequest]) -> None:
    ask.cluster.store.dict_clear(ask.message.dict_id)


@rpc
def dict_delete(ask: Ask[api.DictDeleteRequest]) -> None:
    ask.cluster.store.delete(ask.message.dict_id)


def _described(named: Named) -> api.DictMetadata:
    created = api.CreationInfo(created_at=named.created, created_by="local")
    return api.DictMetadata(name=named.name, creation_info=created)
