"""What callers send along."""

import base64

import pytest

from service.errors import BadRequest, BadSource, BadWebhook
from tests.service.house import House

VIDEO = bytes(range(256)) * 5


def _data(content: bytes = VIDEO, kind: str = "video/mp4") -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


@pytest.mark.parametrize(
    ("kind", "ending"), [("video/mp4", "mp4"), ("Video/WebM", "webm"), ("video/x-odd;codecs=vp9", "bin"), ("", "bin")]
)
def test_an_upload_is_kept_and_its_link_leads_to_it(house: House, kind: str, ending: str) -> None:
    link = house.intake.upload(_data(kind=kind))
    source = house.intake.source("job", f"https://video.example.com{link}")
    name = source.removeprefix("artifact:")
    assert name.endswith(f".{ending}")
    assert house.artifacts.path(name).read_bytes() == VIDEO


def test_an_upload_of_megabytes_comes_in_whole(house: House) -> None:
    content = VIDEO * 6000
    link = house.intake.upload(_data(content))
    name = house.links.artifact_of(f"https://video.example.com{link}")
    assert name is not None
    assert house.artifacts.path(name).read_bytes() == content


def test_the_link_to_an_upload_expires(house: House) -> None:
    link = f"https://video.example.com{house.intake.upload(_data())}"
    house.clock.forward(86_399)
    house.intake.source("job", link)
    house.clock.forward(1)
    with pytest.raises(BadSource, match="expired"):
        house.intake.source("job", link)


def test_the_link_to_an_upload_that_was_removed_is_refused(house: House) -> None:
    link = f"https://video.example.com{house.intake.upload(_data())}"
    house.artifacts.remove("uploads")
    with pytest.raises(BadSource, match="expired"):
        house.intake.source("job", link)


@pytest.mark.parametrize(
    "data_url",
    [
        "",
        "hello",
        "https://example.com/clip.mp4",
        "data:video/mp4,hello",
        "data:video/mp4;base64",
        "data:video/mp4;base64,",
        "data:video/mp4;base64,AAA",
        "data:video/mp4;base64,AA$A",
        "data:video/mp4;base64,AAAä",
        "data:video/mp4;base64,AAA\n",
        "data:video;base64,AAAA",
    ],
)
def test_what_is_no_file_is_refused_and_leaves_nothing(house: House, data_url: str) -> None:
    with pytest.raises(BadRequest):
        house.intake.upload(data_url)
    assert house.files() == []


def test_a_source_sent_as_data_is_taken_in(house: House) -> None:
    assert house.intake.source("job", _data()) == "artifact:sources/job/source"
    assert house.artifacts.path("sources/job/source").read_bytes() == VIDEO


@pytest.mark.parametrize("kind", ["image/gif", "text/plain", ""])
def test_a_source_sent_as_data_must_be_a_video(house: House, kind: str) -> None:
    with pytest.raises(BadSource):
        house.intake.source("job", _data(kind=kind))


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/a.mp4",
        "HTTPS://example.com:8443/a.mp4?x=1#y",
        "https://[2001:db8::1]/",
        "https://münchen.de/",
    ],
)
def test_an_address_stays_as_it_is(house: House, url: str) -> None:
    assert house.intake.source("job", url) == url
    house.intake.check_webhook(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "clip.mp4",
        "example.com/a.mp4",
        "http://example.com/a.mp4",
        "ftp://example.com/a.mp4",
        "file:///etc/passwd",
        "artifact:sources/other/source",
        "https://",
        "https:///a.mp4",
        "https://example.com:0/",
        "https://example.com:99999/",
        "https://example.com:x/",
        "https://[::1/",
        "https://user:password@example.com/",
        "https://user@example.com/",
        "https://example.com/a b.mp4",
        "https://example.com/a\r\nHost: other",
        "https://example.com/" + "a" * 5000,
    ],
)
def test_an_address_that_cannot_be_called_is_refused_by_its_name(house: House, url: str) -> None:
    with pytest.raises(BadSource, match="input_video"):
        house.intake.source("job", url)
    with pytest.raises(BadWebhook, match="webhook_url"):
        house.intake.check_webhook(url)
