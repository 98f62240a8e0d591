"""The wire, to the letter: what is taken in, and what golden bodies look like."""

import json
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

import schemas
from schemas import InterpolationRequest, UploadRequest

MODELS = [getattr(schemas, name) for name in schemas.__all__]
WANTED = {"input_video": "https://example.com/clip.mp4", "frame_multiplier": 2, "output_fps": 60}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_example_is_valid_and_goes_both_ways(model: type[BaseModel]) -> None:
    examples = model.model_json_schema().get("examples", [])
    assert examples or model.__name__ in {"Metrics", "Video"}, "a body without an example"
    for example in examples:
        read = model.model_validate_json(json.dumps(example))
        assert json.loads(read.model_dump_json(exclude_unset=True)) == example


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_field_says_what_it_is(model: type[BaseModel]) -> None:
    assert model.__doc__
    assert [name for name, field in model.model_fields.items() if not field.description] == []


def test_defaults_are_the_contracts() -> None:
    read = InterpolationRequest.model_validate_json(json.dumps(WANTED))
    assert json.loads(read.model_dump_json()) == WANTED | {
        "preserve_audio": True,
        "base64": False,
        "keep_duration": False,
        "scene_detection": True,
        "model": None,
        "webhook_url": None,
    }


@pytest.mark.parametrize("missing", WANTED)
def test_what_is_required_can_t_be_left_out(missing: str) -> None:
    with pytest.raises(ValidationError, match=missing):
        InterpolationRequest.model_validate({name: value for name, value in WANTED.items() if name != missing})


@pytest.mark.parametrize(("name", "low", "high"), [("frame_multiplier", 1, 10), ("output_fps", 1, 120)])
def test_numbers_are_json_integers_in_their_range(name: str, low: int, high: int) -> None:
    for value in (low, high):
        assert getattr(InterpolationRequest.model_validate_json(json.dumps(WANTED | {name: value})), name) == value
    refused: tuple[Any, ...] = (low - 1, high + 1, 2.5, "2", True, None, [2], {}, 10**30)
    for value in refused:
        with pytest.raises(ValidationError, match=name):
            InterpolationRequest.model_validate_json(json.dumps(WANTED | {name: value}))
    with pytest.raises(ValidationError, match=name):
        InterpolationRequest.model_validate_json(json.dumps(WANTED | {name: float("nan")}))
    # JSON, and JSON Schema with it, has one kind of number: 2.0 is the integer 2.
    assert getattr(InterpolationRequest.model_validate_json(json.dumps(WANTED | {name: 2.0})), name) == 2


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "HTTPS://user@[2001:db8::1]:8443/a/b;c=d%20e?f=g?&h=~#i?j",
        "http://example.com/clip%C3%A9.mp4",
        "data:video/mp4;base64,AAAA",
        "what the service refuses by itself",
    ],
)
def test_addresses_are_taken_as_they_are(url: str) -> None:
    wanted = WANTED | {"input_video": url, "webhook_url": url}
    read = InterpolationRequest.model_validate(wanted)
    assert (read.input_video, read.webhook_url) == (url, url)


@pytest.mark.parametrize("host", ["a*", "-a", "a:0", "a:080", "a:99999", "[::1", "é.example", ""])
def test_hosts_that_no_name_server_knows_are_refused(host: str) -> None:
    with pytest.raises(ValidationError, match="webhook_url"):
        InterpolationRequest.model_validate(WANTED | {"webhook_url": f"https://{host}/hook"})


@pytest.mark.parametrize("end", ["a b", "#b#c", "clip%é", "%2", "<x>", "a\\nb", "?q={a}", "\x00"])
@pytest.mark.parametrize("name", ["input_video", "webhook_url"])
def test_addresses_that_are_no_uris_are_refused(name: str, end: str) -> None:
    with pytest.raises(ValidationError, match="percent-encode"):
        InterpolationRequest.model_validate(WANTED | {name: f"https://example.com/{end}"})


@pytest.mark.parametrize("name", ["preserve_audio", "base64", "keep_duration", "scene_detection"])
@pytest.mark.parametrize("value", [0, 1, "true", "no", None, []])
def test_flags_are_json_booleans(name: str, value: Any) -> None:
    with pytest.raises(ValidationError, match=name):
        InterpolationRequest.model_validate_json(json.dumps(WANTED | {name: value}))


def test_unknown_fields_are_refused_by_name() -> None:
    with pytest.raises(ValidationError, match="interpolation_factor"):
        InterpolationRequest.model_validate(WANTED | {"interpolation_factor": 2})
    with pytest.raises(ValidationError, match="files"):
        UploadRequest.model_validate({"data_urls": ["data:video/mp4;base64,AAAA"], "files": []})


def test_uploads_hold_some_files_but_not_any_number() -> None:
    for number in (0, 17):
        with pytest.raises(ValidationError, match="data_urls"):
            UploadRequest.model_validate({"data_urls": ["data:video/mp4;base64,AAAA"] * number})
