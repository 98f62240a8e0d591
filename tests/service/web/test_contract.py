"""The OpenAPI document against the running server: many requests, made from the document, good and bad."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from tests.service.web.world import World, make_world, serve

ERRORS: Final = {
    ("post", "/v2/video-frame-interpolation"): {"400", "401", "403", "406", "413", "429", "500", "502"},
    ("get", "/v2/requests/{request_id}/status"): {"401", "403", "404", "422", "500", "502"},
    ("get", "/v2/requests/{request_id}"): {"401", "403", "404", "422", "500", "502"},
    ("get", "/v1/requests/{request_id}"): {"401", "403", "404", "422", "500", "502"},
    ("delete", "/v2/requests/{request_id}"): {"401", "403", "404", "409", "500", "502"},
    ("post", "/v1/video-frame-interpolation"): {
        *("400", "401", "403", "404", "406", "413", "422", "429", "500", "502", "504"),
    },
    ("post", "/upload-asset"): {"400", "401", "403", "406", "413", "429", "500", "502"},
    ("get", "/files/{name}"): {"404", "416", "500", "502"},
    ("head", "/files/{name}"): {"404", "416", "500", "502"},
    ("get", "/v1/get-user-credits"): {"401", "403", "500", "502"},
    ("get", "/healthz"): {"500"},
    ("get", "/metrics"): {"500"},
}
OPEN: Final = {"/files/{name}", "/healthz", "/metrics"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = make_world(tmp_path_factory.mktemp("contract"))
    world.dispatcher.then = world.complete
    with serve(world) as world:
        yield world


@pytest.fixture(scope="module")
def document(world: World) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(f"{world.url}/openapi.json").raise_for_status().json()
    return found


def operations(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(method, path): of for path, methods in document["paths"].items() for method, of in methods.items()}


def test_every_route_is_described_with_all_that_may_go_wrong(document: dict[str, Any]) -> None:
    found = operations(document)
    assert {place: {s for s in of["responses"] if s >= "400"} for place, of in found.items()} == ERRORS
    tags = {tag["name"] for tag in document["tags"]}
    for (_, path), of in found.items():
        assert of["summary"]
        assert of["description"]
        assert set(of["tags"]) <= tags
        assert all(parameter.get("description") for parameter in of.get("parameters", []))
        shown = {next(iter(scheme)) for scheme in of.get("security", [])}
        assert shown == (set() if path in OPEN else {"ApiKey", "Bearer"})
    identities = [of["operationId"] for of in found.values()]
    assert len(set(identities)) == len(identities)


def test_errors_have_one_shape_and_bodies_have_examples(document: dict[str, Any]) -> None:
    for of in operations(document).values():
        for status, answer in of["responses"].items():
            if status >= "400":
                shape = "Failed" if status == "422" else "Error"
                assert answer["content"]["application/json"]["schema"] == {"$ref": f"#/components/schemas/{shape}"}
    schemas = document["components"]["schemas"]
    assert set(schemas) == {
        *("Credits", "Encoded", "Error", "Failed", "Health", "InterpolationRequest", "Metrics"),
        *("Result", "Status", "Submitted", "UploadRequest", "Uploaded", "Video"),
    }
    assert all(schema.get("examples") for name, schema in schemas.items() if name not in {"Metrics", "Video"})
    fields = [field for schema in schemas.values() for field in schema["properties"].values()]
    assert all(field.get("description") for field in fields)


def test_the_server_keeps_to_its_document(world: World, tmp_path: Path) -> None:
    command = [str(Path(sys.executable).with_name("st")), "run", f"{world.url}/openapi.json", "--no-color"]
    options = ["--max-examples", "8", "--generation-deterministic", "--no-shrink"]
    ended = subprocess.run(
        [*command, "-H", f"x-api-key: {world.key}", *options, "--warnings", "off", "--max-time", "40"],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    tested = re.search(r"Tested: (\d+)", ended.stdout)
    assert tested is not None
    assert int(tested[1]) == len(ERRORS)
