"""Links that work without a key, for a while."""

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import FileNotFound
from service.links import FILES, Links
from tests.service.fakes import Clock
from tests.service.house import SECRET

NAME = "results/0a1b/1/clip.mp4"


@pytest.fixture
def links(clock: Clock) -> Links:
    return Links(SECRET, clock)


def _parts(path: str) -> tuple[str, str, str]:
    split = urlsplit(path)
    query = parse_qs(split.query)
    return split.path.removeprefix(FILES), query["expires"][0], query["signature"][0]


def test_a_link_is_good_until_it_expires(links: Links, clock: Clock) -> None:
    parts = _parts(links.path(NAME, clock() + timedelta(seconds=60)))
    assert parts[0] == NAME
    clock.forward(59)
    links.check(*parts)
    clock.forward(1)
    with pytest.raises(FileNotFound):
        links.check(*parts)


def test_nothing_in_a_link_can_be_changed(links: Links, clock: Clock) -> None:
    name, expires, signature = _parts(links.path(NAME, clock() + timedelta(seconds=60)))
    other = "0" if signature[0] != "0" else "1"
    for changed in (
        (name.replace("0a1b", "0a1c"), expires, signature),
        (name, str(int(expires) + 1), signature),
        (name, expires, other + signature[1:]),
        (name, expires, signature.upper()),
        (name, expires, ""),
        (name, "", signature),
        (name, expires, "ä\ud800"),
    ):
        with pytest.raises(FileNotFound):
            links.check(*changed)


def test_a_link_of_another_secret_is_refused(links: Links, clock: Clock) -> None:
    foreign = Links(SECRET[::-1], clock).path(NAME, clock() + timedelta(seconds=60))
    with pytest.raises(FileNotFound):
        links.check(*_parts(foreign))
    assert links.artifact_of(f"https://example.com{foreign}") is None


def test_sources_are_never_given_out(links: Links, clock: Clock) -> None:
    with pytest.raises(FileNotFound):
        links.check(*_parts(links.path("sources/0a1b/source", clock() + timedelta(seconds=60))))


@pytest.mark.parametrize("base", ["https://video.example.com", "http://localhost:8000/behind/a/proxy", ""])
def test_a_link_of_ours_is_known_whatever_its_host(links: Links, clock: Clock, base: str) -> None:
    url = base + links.path("uploads/0a1b/source.mp4", clock() + timedelta(seconds=60))
    assert links.artifact_of(url) == "uploads/0a1b/source.mp4"
    clock.forward(60)
    with pytest.raises(FileNotFound):
        links.artifact_of(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/clip.mp4",
        "https://example.com/files/clip.mp4",
        "https://example.com/files/clip.mp4?expires=9999999999",
        "https://example.com/files/clip.mp4?expires=9999999999&signature=00",
        "https://example.com/files/clip.mp4?expires=never&signature=%C3%A4%F0",
        "https://example.com/files/\ud800?expires=1&signature=\ud800",
    ],
)
def test_other_links_are_none_of_ours(links: Links, url: str) -> None:
    assert links.artifact_of(url) is None


@given(name=st.text(), expires=st.text(), signature=st.text())
def test_nobody_guesses_a_link(name: str, expires: str, signature: str) -> None:
    with pytest.raises(FileNotFound):
        Links(SECRET, Clock()).check(name, expires, signature)
