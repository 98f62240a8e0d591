"""ffmpeg is found, survives nobody, and its death is told."""

import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from film.errors import FfmpegFailed, FfmpegMissing
from film.video import Colour, Decoder, Encoder, Encoding, find_ffmpeg, probe
from tests.clips import numbered

SECONDS = 20  # that a process may take to end on a busy machine


def _children(process: int) -> set[int]:
    found: set[int] = set()
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that has just ended
            found |= {int(child) for child in task.read_text().split()}
    return found


def _ends(process: int) -> bool:
    """Wait until `process` has ended."""
    try:
        handle = os.pidfd_open(process)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], SECONDS)[0])
    finally:
        os.close(handle)


def _name(process: int) -> str:
    """Give the name of a process's program; nothing where it has ended."""
    try:
        return Path(f"/proc/{process}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _encoder(target: Path) -> Encoder:
    return Encoder(
        target, size=(64, 48), rate=Fraction(25), colour=Colour(), bit_depth=8, encoding=Encoding(preset="ultrafast")
    )


def test_the_one_on_the_path_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = tmp_path / "ffmpeg"
    chosen.symlink_to(find_ffmpeg())
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_ffmpeg() == str(chosen)


def test_imageio_ffmpeg_has_one_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "imageio_ffmpeg" in find_ffmpeg()


def test_no_ffmpeg_at_all_is_told(tmp_path: Path) -> None:
    script = (
        "import sys; sys.modules['imageio_ffmpeg'] = None\n"
        "from film.errors import FfmpegMissing\nfrom film.video import probe\n"
        f"try: probe({str(Path(__file__))!r})\nexcept FfmpegMissing as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "No usable ffmpeg was found; install ffmpeg or the imageio-ffmpeg package.\n"


@pytest.mark.parametrize("others", [False, True], ids=["alone on the path", "among other programs"])
@pytest.mark.parametrize("content", [b"\x7fELF no program", b"#!/no/such/interpreter\n"])
def test_an_ffmpeg_that_does_not_run_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, others: bool
) -> None:
    clip = numbered(tmp_path / "clip.mp4", frames=2)
    (tmp_path / "ffmpeg").write_bytes(content)
    (tmp_path / "ffmpeg").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}" if others else str(tmp_path))
    with pytest.raises(FfmpegMissing, match="doesn't run"):
        probe(clip)


def test_ffmpeg_dying_while_it_encodes_is_told(tmp_path: Path) -> None:
    before = _children(os.getpid())

    def write() -> None:
        with _encoder(tmp_path / "clip.mp4") as encoder:
            (child,) = _children(os.getpid()) - before
            os.kill(child, signal.SIGKILL)
            while True:
                encoder.write(np.zeros((48, 64, 3), np.uint8))

    with pytest.raises(FfmpegFailed, match="ended by signal 9"):
        write()
    assert not list(tmp_path.iterdir())


def test_ffmpeg_dying_while_it_decodes_is_told(tmp_path: Path) -> None:
    clip = probe(numbered(tmp_path / "clip.mp4", frames=200, size=(320, 240)))
    before = _children(os.getpid())
    with Decoder(clip) as frames:
        next(frames)
        (child,) = _children(os.getpid()) - before
        os.kill(child, signal.SIGKILL)
        with pytest.raises(FfmpegFailed, match="ended by signal 9"):
            for _ in frames:
                pass


def test_leaving_early_ends_ffmpeg(tmp_path: Path) -> None:
    clip = probe(numbered(tmp_path / "clip.mp4", frames=200, size=(320, 240)))
    before, threads = _children(os.getpid()), threading.active_count()
    with Decoder(clip) as frames, _encoder(tmp_path / "out.mp4"):
        next(frames)
        started = _children(os.getpid()) - before
        assert len(started) == 2
    assert _children(os.getpid()) == before
    assert threading.active_count() == threads


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_ffmpeg_does_not_outlive_us(tmp_path: Path, end: signal.Signals) -> None:
    source = numbered(tmp_path / "clip.mp4", frames=200, size=(320, 240))
    script = f"""
import sys
from fractions import Fraction
from pathlib import Path
from film.video import Colour, Decoder, Encoder, Encoding, probe
with Decoder(probe(Path({str(source)!r}))) as frames, Encoder(
    Path({str(tmp_path / "out.mp4")!r}), size=(320, 240), rate=Fraction(25), colour=Colour(), bit_depth=8,
    encoding=Encoding(preset="ultrafast"),
) as encoder:
    encoder.write(next(frames).pixels)
    print("ready", flush=True)
    sys.stdin.read()
"""
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as ours:
        assert ours.stdout is not None
        assert ours.stdout.readline() == b"ready\n"
        theirs = _children(ours.pid)
        assert len(theirs) == 2
        ours.send_signal(end)
    assert all(_ends(process) for process in theirs)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux kills a process with its parent")
@pytest.mark.parametrize("busy", ["main thread", "a thread that has ended"])
def test_an_ffmpeg_without_pipes_does_not_outlive_us_either(busy: str) -> None:
    script = """
import sys, threading
from film.video.binaries import find_ffmpeg
from film.video.process import Child
endless = ["-nostdin", "-loglevel", "quiet", "-f", "lavfi", "-re", "-i", "color=s=16x16", "-f", "null", "-"]
child = None
def start():
    global child
    child = Child([find_ffmpeg(), *endless])
if sys.argv[1] == "main thread":
    start()
else:
    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
print(child._process.pid, flush=True)
sys.stdin.read()
"""
    with subprocess.Popen([sys.executable, "-c", script, busy], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as ours:
        assert ours.stdout is not None
        theirs = int(ours.stdout.readline())
        handle = os.pidfd_open(theirs)
        try:
            assert not select.select([handle], [], [], 0.5)[0], "it lives on after the thread that wanted it"
            ours.kill()
            assert select.select([handle], [], [], 2)[0]
        finally:
            os.close(handle)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux kills a process with its parent")
@pytest.mark.parametrize(
    "call", ["probe(path)", "join([path], path.with_name('out.mp4'), rate=Fraction(25), source=None)"]
)
def test_probing_and_joining_end_with_us(tmp_path: Path, call: str) -> None:
    clip = numbered(tmp_path / "clip.mp4", frames=2)
    (tmp_path / "ffmpeg").write_text("#!/bin/sh\nexec sleep 100\n")  # as silent as ffmpeg is over a huge file
    (tmp_path / "ffmpeg").chmod(0o755)
    script = f"""
from fractions import Fraction
from pathlib import Path
from film.video import join, probe
path = Path({str(clip)!r})
print("ready", flush=True)
{call}
"""
    env = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=env) as ours:
        assert ours.stdout is not None
        assert ours.stdout.readline() == b"ready\n"
        until = time.monotonic() + SECONDS
        while not (theirs := {child for child in _children(ours.pid) if _name(child) == "sleep"}):
            assert time.monotonic() < until
            time.sleep(0.02)
        (child,) = theirs
        handle = os.pidfd_open(child)
        try:
            ours.kill()
            assert select.select([handle], [], [], 2)[0]
        finally:
            os.close(handle)


def test_control_c_in_a_terminal_reaches_us_and_not_ffmpeg(tmp_path: Path) -> None:
    clip = probe(numbered(tmp_path / "clip.mp4", frames=200, size=(320, 240)))
    before = _children(os.getpid())
    with Decoder(clip) as frames:
        next(frames)
        (child,) = _children(os.getpid()) - before
        assert os.getpgid(child) != os.getpgid(0)


def test_a_long_clip_takes_no_more_memory_than_a_short_one(tmp_path: Path) -> None:
    script = """
import resource, sys
from fractions import Fraction
from pathlib import Path
from film.video import Decoder, Encoder, Encoding, join, probe
source, folder = Path(sys.argv[1]), Path(sys.argv[2])
clip = probe(source)
with Decoder(clip) as frames, Encoder(
    folder / "piece.mp4", size=(clip.width, clip.height), rate=Fraction(25), colour=clip.colour, bit_depth=8,
    encoding=Encoding(preset="ultrafast"),
) as encoder:
    for frame in frames:
        encoder.write(frame.pixels)
join([folder / "piece.mp4"], folder / "out.mp4", rate=Fraction(25), source=clip)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""

    def peak_kib(frames: int) -> int:
        source = numbered(tmp_path / f"{frames}.mp4", frames=frames, size=(320, 240))
        done = subprocess.run(
            [sys.executable, "-c", script, source, tmp_path], capture_output=True, text=True, check=True
        )
        return int(done.stdout)

    assert peak_kib(250) - peak_kib(25) < 8 * 225  # of 225 KiB a frame: not even eight are more
