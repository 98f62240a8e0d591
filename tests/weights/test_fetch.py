"""Fetch, against a real HTTP server: resumed, verified, whole or not at all, and clear when it can't be done."""

import gzip
import hashlib
import io
import json
import logging
import os
import shutil
import socket
import subprocess
import sys
import tarfile
import threading
import urllib.request
from collections.abc import Callable, Iterator
from email.message import Message
from pathlib import Path

import numpy as np
import pytest

from film.errors import FetchFailed, NoSpace, OptionError, TargetUnwritable, UnknownModel
from film.network.config import FilmConfig
from film.weights import Archive, Folder, Source, fetch, find, load
from film.weights.download import Redirects

from .conftest import pack, write_saved_model
from .server import Answer, Site

Tensors = dict[str, np.ndarray]
Fetch = Callable[..., Path]

FILES = ("saved_model.pb", "variables/variables.index", "variables/variables.data-00000-of-00001")


@pytest.fixture
def fetch_small(small: FilmConfig) -> Fetch:
    """Fetch the small network's weights as "mine" from the sources given."""

    def run(*sources: Source, **options: object) -> Path:
        return fetch("mine", sources=sources, config=small, **options)  # type: ignore[arg-type]

    return run


def _archive(url: str, content: bytes) -> Archive:
    return Archive(url=url, sha256=hashlib.sha256(content).hexdigest())


def _left(cache: Path) -> list[str]:
    """What lies in the cache besides the lock."""
    return sorted(str(p.relative_to(cache)) for p in cache.rglob("*") if p.is_file() and p.suffix != ".lock")


def test_an_archive_is_fetched_verified_and_converted(
    site: Site, archive: bytes, fetch_small: Fetch, small_tensors: Tensors, cache: Path
) -> None:
    source = _archive(site.serve("/film.tar.gz", archive), archive)
    told: list[tuple[int, int | None]] = []
    path = fetch_small(source, on_progress=lambda done, total: told.append((done, total)))
    assert path == cache / "mine.safetensors"
    weights = find("mine")
    for name, tensor in small_tensors.items():
        np.testing.assert_array_equal(weights.tensors[name], tensor)
    assert weights.training == {"source": source.url, "source_sha256": source.sha256, "licence": "unknown"}
    assert told == sorted(told)
    assert told[-1] == (len(archive), len(archive))
    assert _left(cache) == ["mine.safetensors"]


def test_a_folder_is_fetched_file_by_file(
    site: Site, saved_model: Path, fetch_small: Fetch, small_tensors: Tensors, cache: Path
) -> None:
    contents = {file: (saved_model / file).read_bytes() for file in FILES}
    for file, content in contents.items():
        site.serve(f"/model/{file}", content)
    told: list[tuple[int, int | None]] = []
    path = fetch_small(Folder(url=f"{site.url}/model"), on_progress=lambda done, total: told.append((done, total)))
    np.testing.assert_array_equal(load(path).tensors["fusion/out/bias"], small_tensors["fusion/out/bias"])
    whole = sum(map(len, contents.values()))
    assert told == sorted(told, key=lambda step: step[0])
    assert told[-1] == (whole, whole)
    assert load(path).training["source_sha256"] is None
    assert _left(cache) == ["mine.safetensors"]


def test_what_is_there_already_is_not_asked_for(site: Site, archive: bytes, fetch_small: Fetch) -> None:
    source = _archive(site.serve("/film.tar.gz", archive), archive)
    assert fetch_small(source) == fetch_small(source)
    assert site.ranges("/film.tar.gz") == [None]


def test_a_damaged_weight_file_is_fetched_anew(site: Site, archive: bytes, fetch_small: Fetch, cache: Path) -> None:
    cache.mkdir()
    (cache / "mine.safetensors").write_bytes(b"not weights")
    load(fetch_small(_archive(site.serve("/film.tar.gz", archive), archive)))


def test_a_dropped_connection_is_taken_up_where_it_ended(site: Site, archive: bytes, fetch_small: Fetch) -> None:
    url = site.serve("/film.tar.gz", archive, Answer(cut_after=1000), Answer(cut_after=500), Answer())
    load(fetch_small(_archive(url, archive)))
    assert site.ranges("/film.tar.gz") == [None, "bytes=1000-", "bytes=1500-"]
    assert [asked.if_range for asked in site.asked] == [None, '"first"', '"first"']


def test_the_next_call_fetches_only_the_rest(site: Site, archive: bytes, fetch_small: Fetch) -> None:
    url = site.serve("/film.tar.gz", archive, Answer(cut_after=1000), Answer(status=503), Answer())
    with pytest.raises(FetchFailed, match="answered 503"):
        fetch_small(_archive(url, archive))
    load(fetch_small(_archive(url, archive)))
    assert site.ranges("/film.tar.gz") == [None, "bytes=1000-", "bytes=1000-"]


def test_a_cancelled_fetch_goes_on_in_the_next_call(site: Site, archive: bytes, fetch_small: Fetch) -> None:
    source = _archive(site.serve("/film.tar.gz", archive, Answer(cut_after=1000), Answer()), archive)

    def cancel(_done: int, _total: int | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch_small(source, on_progress=cancel)
    load(fetch_small(source))
    assert site.ranges("/film.tar.gz") == [None, "bytes=1000-"]


def test_files_of_a_folder_that_are_whole_are_not_fetched_again(
    site: Site, saved_model: Path, fetch_small: Fetch
) -> None:
    for file in FILES:
        site.serve(f"/model/{file}", (saved_model / file).read_bytes())
    data = f"/model/{FILES[2]}"
    site.serve(data, (saved_model / FILES[2]).read_bytes(), Answer(cut_after=700), Answer(status=500), Answer())
    with pytest.raises(FetchFailed):
        fetch_small(Folder(url=f"{site.url}/model"))
    load(fetch_small(Folder(url=f"{site.url}/model")))
    assert site.ranges(data) == [None, "bytes=700-", "bytes=700-"]
    size = (saved_model / FILES[1]).stat().st_size
    assert site.ranges(f"/model/{FILES[1]}") == [None, f"bytes={size}-"]  # answered 416: nothing beyond


@pytest.mark.parametrize("second", [Answer(ranges=False), Answer(if_range=False)])
def test_a_server_without_ranges_or_with_careless_ones_is_fetched_from_whole(
    second: Answer, site: Site, archive: bytes, fetch_small: Fetch
) -> None:
    url = site.serve("/film.tar.gz", archive, Answer(cut_after=1000), second)
    load(fetch_small(_archive(url, archive)))
    assert site.ranges("/film.tar.gz") == [None, "bytes=1000-"]


@pytest.mark.parametrize("answer", [Answer(), Answer(if_range=False)])
def test_a_file_that_changed_is_begun_anew(answer: Answer, site: Site, archive: bytes, fetch_small: Fetch) -> None:
    old = site.serve("/film.tar.gz", b"\x55" * 5000, Answer(cut_after=1000), Answer(status=500), etag='"old"')
    with pytest.raises(FetchFailed):
        fetch_small(_archive(old, archive))
    new = site.serve("/film.tar.gz", archive, answer, etag='"new"')
    load(fetch_small(_archive(new, archive)))


def test_a_file_that_became_shorter_is_begun_anew(site: Site, archive: bytes, fetch_small: Fetch) -> None:
    before = len(archive) + 100
    url = site.serve("/film.tar.gz", b"\x55" * 2 * before, Answer(cut_after=before), Answer(status=500))
    with pytest.raises(FetchFailed):
        fetch_small(_archive(url, archive))
    site.serve("/film.tar.gz", archive)
    load(fetch_small(_archive(url, archive)))
    assert site.ranges("/film.tar.gz")[2:] == [f"bytes={before}-", None]


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_without_a_strong_etag_nothing_is_joined(
    etag: str | None, site: Site, archive: bytes, fetch_small: Fetch
) -> None:
    url = site.serve("/film.tar.gz", archive, Answer(cut_after=1000), Answer(), etag=etag)
    load(fetch_small(_archive(url, archive)))
    assert site.ranges("/film.tar.gz") == [None, None]


def test_a_connection_that_always_drops_at_once_is_given_up(site: Site, archive: bytes, fetch_small: Fetch) -> None:
    url = site.serve("/film.tar.gz", archive, Answer(cut_after=1000), Answer(cut_after=0))
    with pytest.raises(FetchFailed, match=f"ended after 1000 of {len(archive)} bytes"):
        fetch_small(_archive(url, archive))
    assert len(site.asked) == 2


def test_an_archive_of_unknown_length_is_fetched_too(site: Site, archive: bytes, fetch_small: Fetch) -> None:
    told: list[int | None] = []
    url = site.serve("/film.tar.gz", archive, Answer(length=False))
    load(fetch_small(_archive(url, archive), on_progress=lambda _done, total: told.append(total)))
    assert set(told) == {None}


def test_a_redirect_is_followed_with_its_range(site: Site, archive: bytes, fetch_small: Fetch) -> None:
    there = site.serve("/signed/film.tar.gz", archive, Answer(cut_after=1000), Answer())
    url = site.serve("/download", b"", Answer(status=302, location=there))
    load(fetch_small(_archive(url, archive)))
    assert site.ranges("/signed/film.tar.gz") == [None, "bytes=1000-"]


@pytest.mark.parametrize("location", ["file:///etc/hostname", "ftp://127.0.0.1/film.tar.gz", "data:,x"])
def test_a_redirect_out_of_http_is_not_followed(location: str, site: Site, archive: bytes, fetch_small: Fetch) -> None:
    url = site.serve("/download", b"", Answer(status=302, location=location))
    with pytest.raises(FetchFailed, match=r"isn't followed|is not allowed"):
        fetch_small(_archive(url, archive))


def test_a_redirect_from_https_to_http_is_not_followed() -> None:
    request = urllib.request.Request("https://host.example/download")
    with pytest.raises(FetchFailed, match=r"https://host\.example/download redirects to http, which isn't followed"):
        Redirects().redirect_request(request, io.BytesIO(), 302, "Found", Message(), "http://host.example/file")


def test_a_redirect_without_end_is_given_up(site: Site, archive: bytes, fetch_small: Fetch) -> None:
    url = site.serve("/download", b"", Answer(status=302, location="/download"))
    with pytest.raises(FetchFailed, match="answered 302"):
        fetch_small(_archive(url, archive))


def test_sources_are_tried_in_turn(site: Site, archive: bytes, saved_model: Path, fetch_small: Fetch) -> None:
    for file in FILES:
        site.serve(f"/model/{file}", (saved_model / file).read_bytes())
    wrong = site.serve("/film.tar.gz", b"\x55" * 5000)
    path = fetch_small(
        Archive(url=f"{site.url}/gone.tar.gz"), _archive(wrong, archive), Folder(url=f"{site.url}/model")
    )
    assert load(path).training["source"] == f"{site.url}/model"


def test_when_no_source_has_it_each_is_named_in_one_line(
    site: Site, archive: bytes, fetch_small: Fetch, cache: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        refused = f"http://127.0.0.1:{closed.getsockname()[1]}/film.tar.gz"
    wrong = site.serve("/film.tar.gz", archive + b"x")
    with pytest.raises(FetchFailed) as caught:
        fetch_small(
            Archive(url=f"{site.url}/gone.tar.gz"),
            Archive(url=refused),
            _archive(wrong, archive),
            Folder(url=f"{site.url}/model"),
        )
    found = hashlib.sha256(archive + b"x").hexdigest()
    assert str(caught.value) == (
        f"no source gave the weights 'mine': {site.url}/gone.tar.gz answered 404 Not Found; "
        f"{refused} can't be reached: Connection refused; "
        f"{wrong}: the archive's SHA-256 is {found}, not {hashlib.sha256(archive).hexdigest()}; "
        f"{site.url}/model/saved_model.pb answered 404 Not Found. "
        "Try again later, or import a local copy with `film weights import DIR --name mine`"
    )
    assert _left(cache) == []  # what isn't the right file isn't kept to go on from


def test_a_silent_server_is_given_up(archive: bytes, fetch_small: Fetch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes the connection, says nothing
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/film.tar.gz"
        with pytest.raises(FetchFailed, match="can't be reached: no answer in time"):
            fetch_small(_archive(url, archive), timeout_seconds=0.05)


@pytest.mark.parametrize("answer", [Answer(), Answer(length=False)])
def test_a_file_beyond_the_limit_is_not_kept(
    answer: Answer, site: Site, archive: bytes, fetch_small: Fetch, cache: Path
) -> None:
    url = site.serve("/film.tar.gz", archive, answer)
    with pytest.raises(FetchFailed, match="has more than the 1000 bytes allowed"):
        fetch_small(Archive(url=url, limit_bytes=1000))
    assert _left(cache) == []


def test_an_encoded_answer_is_refused(site: Site, archive: bytes, fetch_small: Fetch) -> None:
    url = site.serve("/film.tar.gz", archive, Answer(encoding="gzip"))
    with pytest.raises(FetchFailed, match="an encoding that wasn't asked for"):
        fetch_small(_archive(url, archive))


def test_an_archive_of_another_network_is_refused_by_its_shapes(
    site: Site, archive: bytes, fetch_small: Fetch, tmp_path: Path, small_tensors: Tensors
) -> None:
    write_saved_model(tmp_path / "model", list(small_tensors.values())[:-1])
    url = site.serve("/film.tar.gz", pack(tmp_path / "model"))
    with pytest.raises(FetchFailed, match=r"weight 27 \(fusion/out/bias\) is missing"):
        fetch_small(Archive(url=url))
    site.serve("/film.tar.gz", archive)  # mended meanwhile, and the ETag left as it was
    load(fetch_small(Archive(url=url)))


def _tar(*members: tuple[str, bytes], link: str | None = None) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        if link is not None:
            info = tarfile.TarInfo("variables/variables.index")
            info.type, info.linkname = tarfile.SYMTYPE, link
            tar.addfile(info)
    return packed.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no archive at all", "the archive isn't a whole tar.gz"),
        (gzip.compress(b"no tar inside" * 100), "the archive isn't a whole tar.gz"),
        (_tar(("variables/variables.index", os.urandom(5000)))[:-3000], "the archive isn't a whole tar.gz"),
        (_tar(), "it has no variables/variables.index"),
        (_tar(("variables/other", b"x")), "it has no variables/variables.index"),
        (_tar(link="/etc/hostname"), "it has no variables/variables.index"),
        (_tar(("a/saved_model.pb", b"x"), ("b/saved_model.pb", b"x")), "it has saved_model.pb twice"),
        (_tar(("zeros", bytes(3_000_000))), "it unpacks to more than is allowed"),
        (_tar(*[(f"{number}", b"") for number in range(1001)]), "it has more than 1000 members"),
    ],
    ids=["text", "gzip", "cut", "empty", "other", "link", "twice", "large", "many"],
)
def test_a_bad_archive_is_refused(content: bytes, message: str, site: Site, fetch_small: Fetch, cache: Path) -> None:
    url = site.serve("/film.tar.gz", content)
    with pytest.raises(FetchFailed, match=message):
        fetch_small(Archive(url=url, limit_bytes=1_000_000))
    assert _left(cache) == []


def test_nothing_in_an_archive_is_written_outside(
    site: Site, saved_model: Path, fetch_small: Fetch, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    members = [(f"{name}/variables/variables.index", b"x") for name in (f"../../../../..{outside}", str(outside))]
    parts = [(file, (saved_model / file).read_bytes()) for file in FILES]
    for harm in members:
        url = site.serve("/film.tar.gz", _tar(harm))
        with pytest.raises(FetchFailed):
            fetch_small(Archive(url=url))
    load(fetch_small(Archive(url=site.serve("/good.tar.gz", _tar(("../../escaped", b"x"), *parts)))))
    assert not outside.exists()
    assert not list(tmp_path.rglob("escaped"))


def test_an_archive_with_a_folder_around_the_model_is_accepted(
    site: Site, saved_model: Path, fetch_small: Fetch
) -> None:
    load(fetch_small(Archive(url=site.serve("/film.tar.gz", pack(saved_model, inside="film/1")))))


def test_a_full_disk_is_said_so_and_ends_the_search(
    site: Site, archive: bytes, fetch_small: Fetch, cache: Path
) -> None:
    first = site.serve("/film.tar.gz", archive, Answer(cut_after=1000), Answer(status=500), Answer())
    with pytest.raises(FetchFailed):
        fetch_small(_archive(first, archive))
    (partial,) = cache.rglob("*.part")
    partial.unlink()
    partial.symlink_to("/dev/full")  # every write to it finds the disk full
    with pytest.raises(NoSpace, match="the disk is full"):
        fetch_small(_archive(first, archive), Archive(url=f"{site.url}/never-asked"))
    assert not site.ranges("/never-asked")


def test_too_small_a_disk_is_said_before_anything_is_fetched(
    site: Site, archive: bytes, fetch_small: Fetch, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage("/")._replace(free=len(archive) - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage)
    url = site.serve("/film.tar.gz", archive)
    with pytest.raises(NoSpace, match=f"has no room for {len(archive)} more bytes"):
        fetch_small(_archive(url, archive))
    assert not [path for path in cache.rglob("*.part") if path.stat().st_size]


def test_a_cache_that_cannot_be_made_is_said_so(site: Site, archive: bytes, fetch_small: Fetch, cache: Path) -> None:
    cache.write_bytes(b"a file where the folder should be")
    with pytest.raises(TargetUnwritable, match="can't be written"):
        fetch_small(_archive(site.serve("/film.tar.gz", archive), archive))


class _Announcement(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.made = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        if "another process is fetching" in record.getMessage():
            self.made.set()


@pytest.fixture
def announcement() -> Iterator[_Announcement]:
    handler = _Announcement()
    logger = logging.getLogger("film.weights")
    logger.addHandler(handler)
    level = logger.level
    logger.setLevel(logging.INFO)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(level)


_IN_ANOTHER_PROCESS = """
import json, sys
from film.network.config import FilmConfig
from film.weights import Archive, fetch
url, config = sys.argv[1:]
print(fetch("mine", sources=[Archive(url=url)], config=FilmConfig.from_json(json.loads(config))))
"""


def test_of_two_processes_only_one_downloads(
    site: Site, archive: bytes, fetch_small: Fetch, small: FilmConfig, announcement: _Announcement
) -> None:
    gate = threading.Event()
    url = site.serve("/film.tar.gz", archive, Answer(wait_for=gate))
    arguments = [sys.executable, "-c", _IN_ANOTHER_PROCESS, url, json.dumps(small.to_json())]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as other:
        try:
            assert site.first_asked.wait(60)  # so the other process holds the lock, and will until the gate opens
            found: list[Path] = []
            waiting = threading.Thread(target=lambda: found.append(fetch_small(Archive(url=url))))
            waiting.start()
            assert announcement.made.wait(60)
        finally:
            gate.set()
        waiting.join()
        assert other.stdout is not None
        assert other.stdout.read() == f"{found[0]}\n"
    assert other.returncode == 0
    assert site.ranges("/film.tar.gz") == [None]
    load(found[0])


def test_a_name_without_a_source_is_unknown() -> None:
    with pytest.raises(UnknownModel, match="no source is known for weights named 'nothing'; known are style, l1, vgg"):
        fetch("nothing")


def test_a_name_that_is_not_allowed_is_refused() -> None:
    with pytest.raises(OptionError, match="can't be named"):
        fetch("../outside")


@pytest.mark.parametrize("url", ["", "film.tar.gz", "file:///etc/passwd", "ftp://host/x", "http:///x", "http://h/a b"])
def test_a_source_needs_an_http_url(url: str) -> None:
    for source in (Archive, Folder):
        with pytest.raises(OptionError, match="a source needs an http or https URL"):
            source(url=url)
