"""What callers send."""

import re
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

__all__ = ["InterpolationRequest", "UploadRequest"]

_BASE64 = r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{4}|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{2}==)"
_TYPE = r"[A-Za-z0-9_.+-]+"

# RFC 3986, with hosts that a name server may know.
_HOST = r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}"
_PORT = r"(?::(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}))?"
_CHARACTER = r"[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2}"
_REST = rf"(?:/(?:{_CHARACTER})*)?(?:\?(?:\?|{_CHARACTER})*)?(?:#(?:\?|{_CHARACTER})*)?"
_SCHEME = r"[Hh][Tt][Tt][Pp][Ss]?://"
_ADDRESS = _SCHEME + _HOST + _PORT + _REST

# For those who read the OpenAPI document. Of data the service itself sees whether it is any, and no
# regular expression has to run over megabytes.
_SOURCE: Final[dict[str, Any]] = {
    "format": "uri",
    "pattern": f"^(?:{_ADDRESS}|data:video/{_TYPE};base64,{_BASE64})$",
}
_WEBHOOK: Final[dict[str, Any]] = {"format": "uri", "pattern": f"^{_ADDRESS}$"}
_DATA_URL: Final[dict[str, Any]] = {"pattern": f"^data:{_TYPE}/{_TYPE};base64,{_BASE64}$"}

# User names pass, because the service says better what is wrong with them; addresses of IPv6 are good.
_TAKEN = re.compile(rf"{_SCHEME}(?:[^/?#]*@)?(?:{_HOST}|\[[0-9A-Fa-f:.]{{2,45}}\]){_PORT}{_REST}", re.ASCII)
_MOST_CHARACTERS = 4096  # looked at here; the service refuses longer addresses
_MOST_FILES = 16


def _whole(value: object) -> object:
    """Let 2.0 be 2: to JSON they are the same number. Strict as we are, text and booleans stay what they are."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _uri(value: str) -> str:
    if len(value) <= _MOST_CHARACTERS and value[:4].lower() == "http" and not _TAKEN.fullmatch(value):
        raise ValueError("must be a URI: percent-encode what may not stand in one")
    return value


_Whole = Annotated[int, BeforeValidator(_whole)]


class _Request(BaseModel):
    """Strict: no conversions, no unknown fields."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class InterpolationRequest(_Request):
    """One clip to make smooth, or slow. Sent to `/v2/video-frame-interpolation` or its v1 twin."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"input_video": "https://example.com/clip.mp4", "frame_multiplier": 2, "output_fps": 60},
                {
                    "input_video": "https://example.com/clip.mp4",
                    "frame_multiplier": 4,
                    "output_fps": 30,
                    "preserve_audio": False,
                    "webhook_url": "https://example.com/hooks/film",
                },
            ]
        }
    )

    input_video: Annotated[str, AfterValidator(_uri)] = Field(
        description="Where the clip is: an http(s) URL, a `data:video/...;base64,...` URL, or the URL of an upload.",
        json_schema_extra=_SOURCE,
    )
    frame_multiplier: _Whole = Field(ge=1, le=10, description="Output frames for each frame of the clip.")
    output_fps: _Whole = Field(
        ge=1,
        le=120,
        description="Output frames a second. Where it isn't `frame_multiplier` times the clip's own rate, "
        "the clip is slowed down or sped up, and its sound with it, unless `keep_duration` is set.",
    )
    preserve_audio: bool = Field(default=True, description="Whether the sound is kept.")
    base64: bool = Field(
        default=False,
        description="Whether the answer holds the video itself as base64 text, without a `data:` prefix",
    )
    keep_duration: bool = Field(
        default=False,
        description="Whether the clip keeps its duration, and frames are made for `output_fps` as needed",
    )
    scene_detection: bool = Field(
        default=True,
        description="Whether cuts are held rather than morphed.",
    )
    model: str | None = Field(
        None,
        min_length=1,
        max_length=64,
        pattern="^[A-Za-z0-9._-]+$",
        description="Name of a weight set; the server's default where none is given.",
    )
    webhook_url: Annotated[str, AfterValidator(_uri), Field(json_schema_extra=_WEBHOOK)] | None = Field(
        None,
        description="Who is sent one signed POST with the result body when the request has ended "
        "(as the Standard Webhooks specification says).",
    )


class UploadRequest(_Request):
    """Files to keep for a day, so that requests can name them. Sent to `/upload-asset`."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"data_urls": ["data:video/mp4;base64,AAAAIGZ0eXBpc29tAAACAGlzb21pc28y"]}]}
    )

    data_urls: list[Annotated[str, Field(json_schema_extra=_DATA_URL)]] = Field(
        min_length=1, max_length=_MOST_FILES, description="One `data:TYPE;base64,...` URL a file."
    )
