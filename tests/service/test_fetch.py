"""Sources are fetched within every limit, and from nowhere that they may not come from."""

import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpcore
import pytest
import trustme

from service.errors import (
    Cancelled,
    InternalError,
    JobError,
    SourceRefused,
    SourceTooLarge,
    SourceUnavailable,
    TookTooLong,
)
from service.fetch import _WHY, Fetcher
from tests.service.hostile import Internet, Say, Stranger, answer, tls_of

PUBLIC = "93.184.216.34"
CLIP = b"\x00\x00\x00\x18ftypmp42" * 5000


@pytest.fixture
def internet() -> Internet:
    return Internet({"clips.example": [[PUBLIC]], "other.example": [["1.1.1.1"]], "inside.example": [["10.0.0.7"]]})


@pytest.fixture
def stranger() -> Iterator[Stranger]:
    with Stranger() as stranger:
        yield stranger


Fetch = Callable[..., bytes]


def _check_failure(message: str, target: Path) -> None:
    """Check what holds for every failure: nothing is left, and its message is one line that gives nothing away."""
    assert not target.exists()
    assert "\n" not in message
    for secret in ("hush", "example", PUBLIC, "10.0.0.7", "127.0.0.1"):
        assert secret not in message


@pytest.fixture
def fetch(internet: Internet, tmp_path: Path) -> Fetch:
    """Fetch a URL and give what came; nothing may be left behind where that fails."""

    def fetch(url: str, *, stopped: Callable[[], bool] = lambda: False, **changed: Any) -> bytes:
        plain: dict[str, Any] = {"max_bytes": 1 << 20, "seconds": 10, "redirects": 3, "allow_http": True}
        plain |= {"allow_private": False, "resolver": internet.resolve, "connector": internet.connect}
        target = tmp_path / "source"
        try:
            size = Fetcher(**(plain | changed)).fetch(url, target, stopped=stopped)
        except JobError as error:
            _check_failure(str(error), target)
            raise
        assert size == target.stat().st_size
        return target.read_bytes()

    return fetch


def _then_wait(stranger: Stranger, said: bytes) -> Say:
    """Say something, then nothing more, and keep the line."""

    def say(connection: socket.socket) -> None:
        connection.sendall(said)
        stranger.over.wait(10)

    return say


def _trickle(stranger: Stranger, said: bytes) -> Say:
    """Say something, then a byte every twentieth of a second."""

    def say(connection: socket.socket) -> None:
        connection.sendall(said)
        while not stranger.over.wait(0.05):
            connection.sendall(b"x")

    return say


def test_a_file_arrives_as_it_is(stranger: Stranger, internet: Internet, fetch: Fetch) -> None:
    stranger.says["/clip.mp4"] = [answer(200, CLIP)]
    assert fetch(stranger.url("clips.example", "/clip.mp4?token=hush")) == CLIP
    (asked,) = stranger.asked
    assert (asked.method, asked.path) == ("GET", "/clip.mp4?token=hush")
    assert asked.headers["host"] == f"clips.example:{stranger.port}"
    assert asked.headers["accept-encoding"] == "identity"
    assert asked.headers.keys() <= {"host", "connection", "user-agent", "accept", "accept-encoding"}
    assert internet.dialled == [PUBLIC]


def test_a_file_in_chunks_or_of_untold_length_arrives(stranger: Stranger, fetch: Fetch) -> None:
    stranger.says["/chunks"] = [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    ]
    stranger.says["/old"] = [b"HTTP/1.0 200 OK\r\n\r\nabcde"]
    assert fetch(stranger.url("clips.example", "/chunks")) == b"abcde"
    assert fetch(stranger.url("clips.example", "/old")) == b"abcde"


def test_the_name_is_resolved_once_and_the_checked_address_is_dialled(
    stranger: Stranger, internet: Internet, fetch: Fetch
) -> None:
    internet.names["rebind.example"] = [[PUBLIC], ["127.0.0.1"]]
    stranger.says["/"] = [answer(200, CLIP)]
    assert fetch(stranger.url("rebind.example")) == CLIP
    assert internet.resolved == ["rebind.example"]
    assert internet.dialled == [PUBLIC]
    with pytest.raises(SourceRefused):  # the second look-up is another fetch's, and is checked as well
        fetch(stranger.url("rebind.example"))
    assert internet.dialled == [PUBLIC]


def test_a_redirect_is_resolved_and_checked_anew(stranger: Stranger, internet: Internet, fetch: Fetch) -> None:
    internet.names["rebind.example"] = [[PUBLIC], ["127.0.0.1"]]
    stranger.says["/"] = [answer(302, Location="/again")]
    with pytest.raises(SourceRefused):
        fetch(stranger.url("rebind.example"))
    assert internet.dialled == [PUBLIC]


# Spellings of our own machine and network, with the answers of the system's own resolver.
REFUSED = [
    *("http://127.0.0.1/", "http://127.1/", "http://2130706433/", "http://0x7f.1/", "http://0x7f000001/"),
    *("http://0177.0.0.1/", "http://017700000001/", "http://127.0.0.1./", "http://0/", "http://0.0.0.0/"),
    *("http://localhost/", "http://LOCALHOST/", "http://localhost./", "HTTP://127.0.0.1/", "http://127.0.0.1:99999/"),
    *("http://10.0.0.1/", "http://172.16.0.1/", "http://192.168.0.1/", "http://100.64.0.1/", "http://198.18.0.1/"),
    *("http://169.254.169.254/latest/meta-data/", "http://169.254.170.2/", "http://[fd00:ec2::254]/"),
    *("http://0xa9fea9fe/", "http://2852039166/", "http://100.100.100.200/", "http://168.63.129.16/"),
    *("http://224.0.0.1/", "http://240.0.0.1/", "http://255.255.255.255/", "http://192.0.2.1/"),
    *("http://[::1]/", "http://[::]/", "http://[::ffff:127.0.0.1]/", "http://[::ffff:a9fe:a9fe]/"),
    *("http://[::127.0.0.1]/", "http://[64:ff9b::7f00:1]/", "http://[2002:7f00:1::]/", "http://[2001:0:7f00:1::]/"),
    *("http://[fe80::1]/", "http://[fe80::1%25lo]/", "http://[fe80::1%lo]/", "http://[fec0::1]/", "http://[ff02::1]/"),
    *("http://①②⑦.⓪.⓪.①/", "http://127。0。0。1/", "http://%31%32%37.0.0.1/"),
    *("http://127.0.0.1%00.example.com/", "http://127.0.0.1\n.example/", "http://..../", f"http://{'a' * 70}.example/"),
    *("http://user:hush@127.0.0.1/", "http://93.184.216.34@127.0.0.1/", "http://127.0.0.1#@93.184.216.34/"),
    *("http://93.184.216.34\\@127.0.0.1/", "file:///etc/passwd", "ftp://93.184.216.34/", "gopher://127.0.0.1:6379/_x"),
    *("dict://127.0.0.1:11211/", "data:video/mp4;base64,AAAA", "javascript:0", "//127.0.0.1/", "http:///x", "http://"),
    *("http:127.0.0.1", "http://[::1/", "/etc/passwd", "", "-y", "concat:a|b"),
]


@pytest.mark.parametrize("url", REFUSED)
def test_no_spelling_of_an_address_inside_is_dialled(url: str, tmp_path: Path) -> None:
    internet = Internet()
    fetcher = Fetcher(
        max_bytes=1, seconds=5, redirects=0, allow_http=True, allow_private=False, connector=internet.connect
    )
    with pytest.raises((SourceRefused, SourceUnavailable)):
        fetcher.fetch(url, tmp_path / "source", stopped=lambda: False)
    assert internet.dialled == []
    assert not list(tmp_path.iterdir())


# Those of them that fit into a header and don't mean a place on the same server.
REDIRECTS = [
    url
    for url in REFUSED
    if url.isascii() and url.isprintable() and (":" in url or url.startswith("//")) and url != "http:127.0.0.1"
]


@pytest.mark.parametrize("url", REDIRECTS)
def test_nor_does_a_redirect_lead_there(url: str, stranger: Stranger, internet: Internet, fetch: Fetch) -> None:
    internet.names |= {host: [["127.0.0.1"]] for host in ("127.0.0.1", "127.1", "localhost")}
    stranger.says["/"] = [answer(302, Location=url)]
    with pytest.raises((SourceRefused, SourceUnavailable)):
        fetch(stranger.url("clips.example"))
    assert set(internet.dialled) == {PUBLIC}  # without a host, it means a place on the same server


def test_one_private_address_among_public_ones_is_enough(internet: Internet, fetch: Fetch) -> None:
    internet.names["mixed.example"] = [[PUBLIC, "192.168.0.1"]]
    with pytest.raises(SourceRefused):
        fetch("http://mixed.example/clip.mp4")
    assert internet.dialled == []


def test_private_addresses_can_be_allowed(stranger: Stranger, fetch: Fetch, internet: Internet) -> None:
    stranger.says["/"] = [answer(200, CLIP)]
    assert fetch(stranger.url("inside.example"), allow_private=True) == CLIP
    assert internet.dialled == ["10.0.0.7"]


def test_the_next_address_is_tried_where_one_does_not_answer(
    stranger: Stranger, internet: Internet, fetch: Fetch
) -> None:
    def connect(address: str, port: int) -> socket.socket:
        if address == PUBLIC:
            raise ConnectionRefusedError
        return internet.connect(address, port)

    internet.names["twice.example"] = [[PUBLIC, "1.1.1.1"]]
    stranger.says["/"] = [answer(200, CLIP)]
    assert fetch(stranger.url("twice.example"), connector=connect) == CLIP


def test_redirects_are_followed_without_what_is_not_theirs(
    stranger: Stranger, internet: Internet, fetch: Fetch
) -> None:
    stranger.says["/a"] = [answer(301, Location="b?x=1", Set_Cookie="id=hush")]
    stranger.says["/b"] = [answer(307, Location=f"http://me:hush@other.example:{stranger.port}/c#part")]
    stranger.says["/c"] = [answer(200, CLIP)]
    assert fetch(stranger.url("clips.example", "/a?token=hush")) == CLIP
    assert [asked.path for asked in stranger.asked] == ["/a?token=hush", "/b?x=1", "/c"]
    for header in ("cookie", "authorization", "referer"):
        assert all(header not in asked.headers for asked in stranger.asked)
    assert internet.dialled == [PUBLIC, PUBLIC, "1.1.1.1"]


def test_redirects_end(stranger: Stranger, fetch: Fetch) -> None:
    stranger.says["/"] = [answer(302, Location="/")]
    with pytest.raises(SourceUnavailable, match="redirects more than 3 times"):
        fetch(stranger.url("clips.example"))
    assert len(stranger.asked) == 4


def test_http_is_refused_where_the_operator_wants_https(internet: Internet, fetch: Fetch) -> None:
    with pytest.raises(SourceRefused, match="must be at https://"):
        fetch("http://clips.example/", allow_http=False)
    assert internet.dialled == []


def test_tls_is_checked_by_name_and_never_downgraded(internet: Internet, fetch: Fetch) -> None:
    authority = trustme.CA()
    tls = tls_of([authority])
    with Stranger(certificate=authority.issue_cert("clips.example")) as stranger:
        stranger.says["/"] = [answer(200, CLIP)]
        stranger.says["/down"] = [answer(302, Location="http://clips.example/")]
        assert fetch(stranger.url("clips.example"), tls=tls, allow_http=False) == CLIP
        with pytest.raises(SourceUnavailable, match="certificate may be invalid"):
            fetch(stranger.url("other.example"), tls=tls)  # the right address, somebody else's certificate
        with pytest.raises(SourceUnavailable, match="certificate may be invalid"):
            fetch(stranger.url("clips.example"))  # an authority that nobody knows
        internet.dialled.clear()
        with pytest.raises(SourceRefused):
            fetch(stranger.url("clips.example", "/down"), tls=tls, allow_http=False)
        assert len(internet.dialled) == 1


@pytest.mark.parametrize("status", [204, 206, 300, 304, 401, 403, 404, 418, 500, 503])
def test_any_other_status_is_named(status: int, stranger: Stranger, fetch: Fetch) -> None:
    stranger.says["/"] = [answer(status)]
    with pytest.raises(SourceUnavailable, match=f"status {status}"):
        fetch(stranger.url("clips.example", "/?token=hush"))


def test_what_says_that_it_is_too_large_is_not_begun(stranger: Stranger, fetch: Fetch) -> None:
    stranger.says["/"] = [_then_wait(stranger, answer(200, b"", length=1001))]
    with pytest.raises(SourceTooLarge, match="1000 bytes"):
        fetch(stranger.url("clips.example"), max_bytes=1000)


def test_what_does_not_say_so_is_cut_off(stranger: Stranger, fetch: Fetch) -> None:
    stranger.says["/"] = [_trickle(stranger, b"HTTP/1.0 200 OK\r\n\r\n" + bytes(1000))]
    with pytest.raises(SourceTooLarge):
        fetch(stranger.url("clips.example"), max_bytes=1000)


def test_exactly_what_is_allowed_is_taken(stranger: Stranger, fetch: Fetch) -> None:
    stranger.says["/"] = [answer(200, bytes(1000))]
    assert len(fetch(stranger.url("clips.example"), max_bytes=1000)) == 1000


def test_a_compressed_answer_is_refused(stranger: Stranger, fetch: Fetch) -> None:
    stranger.says["/"] = [answer(200, bytes(50), Content_Encoding="gzip")]
    with pytest.raises(SourceUnavailable, match="compressed"):
        fetch(stranger.url("clips.example"))


@pytest.mark.parametrize(
    "said",
    [
        answer(200, b"half", length=8),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000 + b"\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"",
    ],
    ids=["cut", "cut chunk", "two lengths", "negative length", "huge head", "another protocol", "nothing"],
)
def test_what_is_no_proper_answer_is_refused(said: bytes, stranger: Stranger, fetch: Fetch) -> None:
    stranger.says["/"] = [said]
    with pytest.raises(SourceUnavailable, match="broke"):
        fetch(stranger.url("clips.example"))


def test_unknown_names_and_closed_ports_are_told(fetch: Fetch) -> None:
    with Stranger() as closed:
        url = closed.url("clips.example")
    with pytest.raises(SourceUnavailable, match="can't be reached"):
        fetch(url)
    with pytest.raises(SourceUnavailable, match="can't be reached"):
        fetch("http://clips.example:99999/")
    with pytest.raises(SourceUnavailable, match="name isn't known"):
        fetch("http://nobody.example/")


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 200 OK\r\n\r\n"], ids=["", "head", "body"])
def test_a_trickle_is_cut_at_the_time_limit(said: bytes, stranger: Stranger, fetch: Fetch) -> None:
    stranger.says["/"] = [_trickle(stranger, said)]
    started = time.monotonic()
    with pytest.raises(TookTooLong, match=r"longer than 0\.6 seconds"):
        fetch(stranger.url("clips.example"), seconds=0.6)
    assert time.monotonic() - started < 2


def _silent(stranger: Stranger, fetch: Fetch, **limits: Any) -> None:
    stranger.says["/"] = [_then_wait(stranger, answer(200, b"a", length=9))]
    fetch(stranger.url("clips.example"), **limits)


def _no_handshake(stranger: Stranger, fetch: Fetch, **limits: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:  # takes connections, and never says a word
        fetch(f"https://clips.example:{listener.getsockname()[1]}/", **limits)
    assert stranger.connections == 0


def _slow_resolver(stranger: Stranger, fetch: Fetch, **limits: Any) -> None:
    def resolver(host: str, port: int) -> list[str]:
        stranger.over.wait(10)
        raise socket.gaierror(socket.EAI_AGAIN, f"{host}:{port}")

    fetch("http://clips.example/", resolver=resolver, **limits)


WAITS = pytest.mark.parametrize("wait", [_silent, _no_handshake, _slow_resolver])


@WAITS
def test_every_wait_ends_at_the_time_limit(wait: Callable[..., None], stranger: Stranger, fetch: Fetch) -> None:
    started = time.monotonic()
    with pytest.raises((TookTooLong, SourceUnavailable)):
        wait(stranger, fetch, seconds=0.5)
    assert time.monotonic() - started < 2


@WAITS
def test_every_wait_ends_when_it_is_stopped(wait: Callable[..., None], stranger: Stranger, fetch: Fetch) -> None:
    stop = threading.Event()
    timer = threading.Timer(0.3, stop.set)
    timer.start()
    started = time.monotonic()
    with pytest.raises(Cancelled):
        wait(stranger, fetch, stopped=stop.is_set)
    assert time.monotonic() - started < 1.3
    timer.join()


def test_a_full_disk_is_our_own_trouble(stranger: Stranger, fetch: Fetch) -> None:
    stranger.says["/"] = [answer(200, bytes(300_000))]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(InternalError, match="disk is full"):
            fetch(stranger.url("clips.example"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_an_older_file_is_written_over(stranger: Stranger, fetch: Fetch, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(bytes(10 * len(CLIP)))
    stranger.says["/"] = [answer(200, CLIP)]
    assert fetch(stranger.url("clips.example")) == CLIP


def test_proxies_of_the_environment_are_not_used(
    stranger: Stranger, fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    stranger.says["/"] = [answer(200, CLIP)]
    assert fetch(stranger.url("clips.example")) == CLIP


def test_there_are_words_for_every_error_of_the_network() -> None:
    ours = (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError)
    theirs = [kind for kind in vars(httpcore).values() if isinstance(kind, type) and issubclass(kind, ours)]
    assert len(theirs) >= 12
    assert all(any(issubclass(kind, known) for known, _ in _WHY) for kind in theirs)
