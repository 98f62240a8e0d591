"""Volumes: commit and reload for containers, files for everybody."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import quote

from modal_proto import api_pb2 as api

from tests.modal_plane.errors import Missing, Taken
from tests.modal_plane.rpc import Ask, rpc
from tests.modal_plane.volumes import Changes, Entry, Volume, inside

__all__: list[str] = []

BLOCK = 8 * 1024 * 1024  # bytes, as the client cuts files


@rpc
def volume_get_or_create(ask: Ask[api.VolumeGetOrCreateRequest]) -> api.VolumeGetOrCreateResponse:
    made = ask.cluster.store.get_or_create("Volume", "vo", ask.message)
    told = ask.cluster.volume_metadata(made)
    return api.VolumeGetOrCreateResponse(volume_id=made.id, version=told.version, metadata=told)


@rpc
def volume_get_by_id(ask: Ask[api.VolumeGetByIdRequest]) -> api.VolumeGetByIdResponse:
    found = ask.cluster.store.by_id(ask.message.volume_id)
    return api.VolumeGetByIdResponse(volume_id=found.id, metadata=ask.cluster.volume_metadata(found))


@rpc
def volume_commit(ask: Ask[api.VolumeCommitRequest]) -> api.VolumeCommitResponse:
    ask.here.commit(ask.message.volume_id)
    return api.VolumeCommitResponse(skip_reload=True)  # others' changes show only after `reload`


@rpc
def volume_reload(ask: Ask[api.VolumeReloadRequest]) -> None:
    ask.here.reload(ask.message.volume_id)


@rpc
def volume_put_files2(ask: Ask[api.VolumePutFiles2Request]) -> api.VolumePutFiles2Response:
    asked, volume = ask.message, ask.cluster.volume(ask.message.volume_id)
    answer = api.VolumePutFiles2Response()
    for number, file in enumerate(asked.files):
        if asked.disallow_overwrite_existing_files and inside(file.path) in volume.head.files:
            raise Taken(f"{file.path}: already exists")
        for place, block in enumerate(file.blocks):
            name = f"blk-{block.contents_sha256.hex()}"
            if not ask.cluster.files.blob(name).exists():
                url = f"{ask.cluster.http_url}/blob/{name}"
                answer.missing_blocks.add(file_index=number, block_index=place, put_url=url)
    if not answer.missing_blocks:
        written = {inside(file.path): _assemble(ask, volume, file) for file in asked.files}
        volume.publish(Changes(written=written))
    return answer


@rpc
def volume_get_file2(ask: Ask[api.VolumeGetFile2Request]) -> api.VolumeGetFile2Response:
    asked = ask.message
    size = ask.cluster.volume(asked.volume_id).content(asked.path).stat().st_size
    length = min(asked.len or size, size - asked.start)
    end = asked.start + length
    starts = [asked.start, *range((asked.start // BLOCK + 1) * BLOCK, end, BLOCK)] if length else []
    base = f"{ask.cluster.http_url}/volume/{asked.volume_id}/{quote(inside(asked.path))}"
    urls = [f"{base}?range={first}-{last}" for first, last in zip(starts, [*starts[1:], end], strict=False)]
    return api.VolumeGetFile2Response(get_urls=urls, size=size, start=asked.start, len=length)


@rpc
async def volume_list_files2(ask: Ask[api.VolumeListFiles2Request]) -> AsyncIterator[api.VolumeListFiles2Response]:
    asked, answer = ask.message, api.VolumeListFiles2Response()
    for path, stamp in ask.cluster.volume(asked.volume_id).entries(asked.path, recursive=asked.recursive):
        kind = api.FileEntry.FILE if stamp else api.FileEntry.DIRECTORY
        mtime, size = (stamp.mtime_ns // 10**9, stamp.size) if stamp else (0, 0)
        answer.entries.add(path=path, type=kind, mtime=mtime, size=size)
    yield answer


@rpc
def volume_remove_file2(ask: Ask[api.VolumeRemoveFile2Request]) -> None:
    ask.cluster.volume(ask.message.volume_id).remove(ask.message.path, recursive=ask.message.recursive)


@rpc
def volume_delete(ask: Ask[api.VolumeDeleteRequest]) -> None:
    ask.cluster.delete_volume(ask.message.volume_id)


def _assemble(ask: Ask[api.VolumePutFiles2Request], volume: Volume, file: api.VolumePutFiles2Request.File) -> Entry:
    """Put a file together from its blocks, which come without the zeros at their ends."""
    part = volume.spare()
    with part.open("wb") as out:
        for place, block in enumerate(file.blocks):
            stored = ask.cluster.files.blob(f"blk-{block.contents_sha256.hex()}")
            if not stored.exists():
                raise Missing(f"block {place} of {file.path} was not uploaded")
            out.seek(place * BLOCK)
            out.write(stored.read_bytes())
        out.truncate(file.size)
    part.chmod(file.mode or 0o644)
    return volume.keep(part)
