"""What functions are made from: uploaded files, images, secrets."""

from __future__ import annotations

import json
import shutil
import sys

from modal_proto import api_pb2 as api

from tests.modal_plane.errors import Missing
from tests.modal_plane.ids import fresh_id, stable_id
from tests.modal_plane.images import declared
from tests.modal_plane.rooms import HOME
from tests.modal_plane.rpc import Ask, rpc
from tests.modal_plane.rpcs.apps import BUILDER

__all__: list[str] = []


@rpc
def mount_batched_check_existence(
    ask: Ask[api.MountBatchedCheckExistenceRequest],
) -> api.MountBatchedCheckExistenceResponse:
    missing = [sha256 for sha256 in ask.message.sha256_hex_hashes if not ask.cluster.files.source(sha256).exists()]
    return api.MountBatchedCheckExistenceResponse(missing_sha256_hex_hashes=missing)


@rpc
def mount_put_file(ask: Ask[api.MountPutFileRequest]) -> api.MountPutFileResponse:
    asked, file = ask.message, ask.cluster.files.source(ask.message.sha256_hex)
    match asked.WhichOneof("data_oneof"):
        case "data_blob_id":
            shutil.copyfile(ask.cluster.files.blob(asked.data_blob_id), file)
        case "data":
            file.write_bytes(asked.data)
        case _:
            pass  # asks only whether it is there
    return api.MountPutFileResponse(exists=file.exists())


@rpc
def mount_get_or_create(ask: Ask[api.MountGetOrCreateRequest]) -> api.MountGetOrCreateResponse:
    # Without files it is the mount of the Modal client itself, which this interpreter has.
    files = sorted((file.filename, file.sha256_hex) for file in ask.message.files)
    mount_id = stable_id("mo", ask.message.deployment_name, files)
    ask.cluster.mounts[mount_id] = list(ask.message.files)
    told = api.MountHandleMetadata(content_checksum_sha256_hex=mount_id)
    return api.MountGetOrCreateResponse(mount_id=mount_id, handle_metadata=told)


@rpc
def image_get_or_create(ask: Ask[api.ImageGetOrCreateRequest]) -> api.ImageGetOrCreateResponse:
    message, images = ask.message.image, ask.cluster.images
    image_id = stable_id("im", message.SerializeToString(deterministic=True))
    images[image_id] = declared(message, [images[base.image_id] for base in message.base_images])
    told = api.ImageMetadata(
        python_version_info=f"Python {sys.version.split()[0]}",
        image_builder_version=BUILDER,
        workdir=HOME,
    )
    built = api.GenericResult(status=api.GenericResult.GENERIC_STATUS_SUCCESS)
    return api.ImageGetOrCreateResponse(image_id=image_id, result=built, metadata=told)


@rpc
def secret_get_or_create(ask: Ask[api.SecretGetOrCreateRequest]) -> api.SecretGetOrCreateResponse:
    variables = json.dumps(dict(ask.message.env_dict)).encode()
    secret = ask.cluster.store.get_or_create("Secret", "st", ask.message, variables)
    keys = sorted(json.loads(secret.data))
    if missing := set(ask.message.required_keys) - set(keys):
        raise Missing(f"Secret '{secret.name}' has no {', '.join(sorted(missing))}")
    told = api.SecretMetadata(name=secret.name, keys=keys)
    return api.SecretGetOrCreateResponse(secret_id=secret.id, metadata=told)


@rpc
def blob_create(ask: Ask[api.BlobCreateRequest]) -> api.BlobCreateResponse:
    blob_id = fresh_id("bl")
    told = api.BlobCreateResponse(blob_id=blob_id, blob_ids=[blob_id])
    told.upload_urls.items.append(f"{ask.cluster.http_url}/blob/{blob_id}")
    return told


@rpc
def blob_get(ask: Ask[api.BlobGetRequest]) -> api.BlobGetResponse:
    return api.BlobGetResponse(download_url=f"{ask.cluster.http_url}/blob/{ask.message.blob_id}")
