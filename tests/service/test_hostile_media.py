"""Whatever a source claims to be, only the file itself is read, and nobody is called."""

import ctypes
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from film.errors import FilmError, NotAVideo, SourceBroken, SourceError
from film.video import Decoder, find_ffmpeg, probe
from tests.clips import numbered
from tests.service.hostile_files import LIARS, POINTERS, with_alias

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who opened a file")

IN_OPEN = 0x20


class Tripwire:
    """A file that nobody may open, and a port that nobody may come to."""

    def __init__(self, folder: Path) -> None:
        self.canary = numbered(folder / "canary.mp4", frames=7)
        libc = ctypes.CDLL(None, use_errno=True)
        self._watch = libc.inotify_init1(os.O_NONBLOCK)
        assert self._watch >= 0
        assert libc.inotify_add_watch(self._watch, os.fsencode(self.canary), IN_OPEN) >= 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.port: int = self._listener.getsockname()[1]
        self._datagrams.bind(("127.0.0.1", self.port))
        self._listener.setblocking(False)  # noqa: FBT003 (the standard library's)
        self._datagrams.setblocking(False)  # noqa: FBT003 (the same)

    def places(self) -> list[str]:
        """Give the ways to name what must not be touched."""
        host = f"127.0.0.1:{self.port}"
        files = [self.canary.name, str(self.canary), f"file://{self.canary}", f"file:{self.canary}"]
        networks = [f"http://{host}/x.mp4", f"https://{host}/x.mp4", f"tcp://{host}", f"rtsp://{host}/x"]
        return [*files, *networks, f"concat:{self.canary}|{self.canary}", f"subfile,,start,0,end,9,,:{self.canary}"]

    def touched(self) -> list[str]:
        """Say what was."""
        touched = []
        with suppress(BlockingIOError):
            os.read(self._watch, 4096)
            touched.append("file")
        with suppress(BlockingIOError):
            self._listener.accept()[0].close()
            touched.append("port")
        with suppress(BlockingIOError):
            self._datagrams.recv(10)
            touched.append("datagrams")
        return touched

    def close(self) -> None:
        os.close(self._watch)
        self._listener.close()
        self._datagrams.close()


@pytest.fixture
def tripwire(tmp_path: Path) -> Iterator[Tripwire]:
    tripwire = Tripwire(tmp_path)
    try:
        yield tripwire
    finally:
        tripwire.close()


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return numbered(tmp_path_factory.mktemp("good") / "good.mp4", frames=5).read_bytes()


def _message_of(error: FilmError) -> str:
    message = str(error)
    assert "\n" not in message
    assert len(message) < 1000
    return message


def test_the_tripwire_trips(tripwire: Tripwire) -> None:
    assert tripwire.touched() == []
    probe(tripwire.canary)
    with socket.create_connection(("127.0.0.1", tripwire.port)):
        assert tripwire.touched() == ["file", "port"]


@pytest.mark.parametrize("kind", ["a playlist", "a script of concat"])
def test_ffmpeg_left_to_itself_would_open_them(kind: str, tripwire: Tripwire, tmp_path: Path) -> None:
    name, content = POINTERS[kind]
    source = tmp_path / name
    source.write_text(content.replace("{place}", tripwire.canary.name))
    subprocess.run(
        [find_ffmpeg(), "-nostdin", "-i", source], stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    assert tripwire.touched() == ["file"]


@pytest.mark.parametrize("kind", POINTERS)
def test_what_names_others_is_refused_and_they_are_left_alone(kind: str, tripwire: Tripwire, tmp_path: Path) -> None:
    name, content = POINTERS[kind]
    for place in tripwire.places():
        source = tmp_path / name
        source.write_text(content.replace("{place}", place).replace("{port}", str(tripwire.port)))
        with pytest.raises(NotAVideo) as caught:
            probe(source)
        _message_of(caught.value)
        assert tripwire.touched() == []


@pytest.mark.parametrize("kind", LIARS)
def test_what_is_no_video_is_refused_as_such(kind: str, good: bytes, tmp_path: Path) -> None:
    source = tmp_path / "clip.mp4"
    source.write_bytes(LIARS[kind](good))
    with pytest.raises(SourceError) as caught:
        probe(source)
    _message_of(caught.value)


def test_a_movie_of_references_does_not_lead_to_other_files(good: bytes, tripwire: Tripwire, tmp_path: Path) -> None:
    for place in (*tripwire.places(), str(tripwire.canary).replace("/", ":")):
        source = tmp_path / "clip.mov"
        source.write_bytes(with_alias(good, place))
        with pytest.raises(SourceBroken):
            probe(source)
        assert tripwire.touched() == []


@pytest.mark.parametrize(
    "name", ["-y.mp4", "-i", "%03d.mp4", "a|b.mp4", "concat:a.mp4", "http:x.mp4", "*.mp4", "a'b\n.mp4"]
)
def test_a_strange_name_means_the_file_itself(name: str, good: bytes, tripwire: Tripwire, tmp_path: Path) -> None:
    source = tmp_path / name
    source.write_bytes(good)
    clip = probe(source)
    assert clip.frame_count == 5
    with Decoder(clip) as frames:
        assert sum(1 for _ in frames) == 5
    assert tripwire.touched() == []


def _rate(good: bytes, delta: int) -> bytes:
    """Change how long each frame is said to last, in an MP4 file."""
    at = good.index(b"stts")
    return good[: at + 16] + struct.pack(">I", delta) + good[at + 20 :]


STRANGE: dict[str, Callable[[bytes], bytes]] = {
    "frames that last for months": lambda good: _rate(good, 0x7FFFFFFF),
    "frames that last no time": lambda good: _rate(good, 0),
    "a million frames a second": lambda _: b"YUV4MPEG2 W64 H48 F1000000:1 C420\n" + (b"FRAME\n" + bytes(4608)) * 3,
    "a frame in a year": lambda _: b"YUV4MPEG2 W64 H48 F1:31536000 C420\n" + (b"FRAME\n" + bytes(4608)) * 3,
    "no rate": lambda _: b"YUV4MPEG2 W64 H48 F0:0 C420\n" + (b"FRAME\n" + bytes(4608)) * 3,
    "billions of frames said to be there": lambda good: good.replace(
        good[good.index(b"stsz") : good.index(b"stsz") + 16],
        good[good.index(b"stsz") : good.index(b"stsz") + 12] + b"\x7f\xff\xff\xff",
    ),
    "sizes of frames that aren't there": lambda good: good.replace(
        good[good.index(b"stsz") + 16 : good.index(b"stsz") + 20], b"\x7f\xff\xff\xff", 1
    ),
}


@pytest.mark.parametrize("kind", STRANGE)
def test_strange_times_are_refused_or_read_as_they_are(kind: str, good: bytes, tmp_path: Path) -> None:
    source = tmp_path / "clip.mp4"
    source.write_bytes(STRANGE[kind](good))
    try:
        clip = probe(source)
    except FilmError as error:
        _message_of(error)
    else:
        assert 0 < clip.frame_count <= 5
        assert clip.duration > 0
        assert clip.average_rate > 0
