"""What can't be done is refused in one line, and leaves nothing behind: no file, no folder, no ffmpeg, no thread."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from film.errors import (
    FfmpegFailed,
    FilmError,
    NotAVideo,
    NoVideoStream,
    OptionError,
    SourceBroken,
    SourceError,
    SourceUnreadable,
    TargetExists,
    TargetUnwritable,
    TooFewFrames,
    UnknownModel,
)
from film.evaluation import Blend
from film.interpolator import Interpolator
from film.pipeline import Progress, interpolate_photos, interpolate_video
from film.video import Encoding, probe, write_image
from tests.clips import LOSSLESS, ffmpeg, tone
from tests.drawn import draw, flat, frames_of, moving, texture

YUV = (*LOSSLESS, "-pix_fmt", "yuv420p")
INTRA = (*YUV, "-g", "1")  # every frame as large as the first


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Give a folder that must be as it was when an error has passed, with nothing running any more."""
    folder = tmp_path / "folder"
    folder.mkdir()
    threads, open_files = set(threading.enumerate()), len(list(Path("/proc/self/fd").iterdir()))
    yield folder
    assert not children()
    assert set(threading.enumerate()) <= threads
    assert len(list(Path("/proc/self/fd").iterdir())) <= open_files


def children() -> dict[int, str]:
    """Give the command line of every ffmpeg that this process has started and that still runs."""
    numbers: list[str] = []
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that has just ended
            numbers += (task / "children").read_text().split()
    found: dict[int, str] = {}
    for number in numbers:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a child that has just ended
            found[int(number)] = Path(f"/proc/{number}/cmdline").read_text().replace("\0", " ")
    return {number: command for number, command in found.items() if "ffmpeg" in command}


def contents(folder: Path) -> dict[str, bytes | None]:
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def refused(source: Path, target: Path, kind: type[FilmError], **options: object) -> str:
    """Give the one line with which a job is refused that changes nothing in the target's folder."""
    before = contents(target.parent) if target.parent.is_dir() else None
    with pytest.raises(FilmError) as caught:
        interpolate_video(source, target, **{"interpolator": Blend()} | options)  # type: ignore[arg-type]
    assert type(caught.value) is kind
    assert (contents(target.parent) if target.parent.is_dir() else None) == before
    message = str(caught.value)
    assert "\n" not in message
    return message


# Sources


def missing(path: Path) -> None:
    assert not path.exists()


def empty(path: Path) -> None:
    path.touch()


def text(path: Path) -> None:
    path.write_text("Once upon a time.\n" * 200)


def song(path: Path) -> None:
    ffmpeg(*tone(0.5), "-c:a", "aac", path)


def still(path: Path) -> None:
    draw(path, flat(50), options=YUV)


def cut_in_the_middle(path: Path) -> None:
    draw(path, [texture(seed) for seed in range(12)], options=INTRA)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def cut_behind_its_index(path: Path) -> None:
    draw(path, [texture(seed) for seed in range(12)], options=(*INTRA, "-movflags", "+faststart"))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


@pytest.mark.parametrize(
    ("make", "name", "kind", "words"),
    [
        (missing, "in.mp4", SourceUnreadable, "doesn't exist; name a video file"),
        (Path.mkdir, "in.mp4", SourceUnreadable, "is a folder"),
        (empty, "in.mp4", NotAVideo, "is empty"),
        (text, "in.mp4", NotAVideo, "is not a video that ffmpeg can read"),
        (song, "in.mp4", NoVideoStream, "has no video stream"),
        (still, "in.mp4", TooFewFrames, "too few frames (1)"),
        (cut_in_the_middle, "in.mp4", SourceBroken, "ends early"),
        (cut_behind_its_index, "in.mp4", SourceBroken, "ends early"),
        (cut_in_the_middle, "in.mkv", SourceBroken, "ends early"),
    ],
)
def test_a_source_that_can_not_be_used_is_refused(
    folder: Path, make: Callable[[Path], None], name: str, kind: type[SourceError], words: str
) -> None:
    source = folder / name
    make(source)
    message = refused(source, folder / "out.mp4", kind)
    assert words in message
    assert name in message or kind is TooFewFrames


def test_a_source_that_breaks_in_the_middle_leaves_nothing(folder: Path) -> None:
    source = draw(folder / "in.mkv", [texture(seed) for seed in range(12)], options=INTRA)
    damaged = bytearray(source.read_bytes())
    middle = len(damaged) // 2
    damaged[middle : middle + 100] = bytes(100)
    source.write_bytes(damaged)
    told: list[Progress] = []
    message = refused(source, folder / "out.mp4", SourceBroken, on_progress=told.append)
    assert "in.mkv is damaged" in message
    assert told, "it was noticed on the way"


# Targets


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return draw(tmp_path / "in.mp4", moving(1, 6), options=YUV)


def test_a_target_that_exists_is_kept_unless_overwriting_is_allowed(folder: Path, source: Path) -> None:
    target = folder / "out.mp4"
    target.write_text("precious")
    assert "exists; choose another name, or allow overwriting" in refused(source, target, TargetExists)
    assert interpolate_video(source, target, interpolator=Blend(), overwrite=True).frames == 12
    assert len(frames_of(target)) == 12
    assert [path.name for path in folder.iterdir()] == ["out.mp4"]


def test_overwriting_that_fails_keeps_the_old_file(folder: Path, source: Path) -> None:
    target = folder / "out.mp4"
    target.write_text("precious")

    def fail(progress: Progress) -> None:
        if progress.frames_done == 7:
            raise FfmpegFailed("so be it")

    assert refused(source, target, FfmpegFailed, overwrite=True, on_progress=fail) == "so be it"
    assert target.read_text() == "precious"


def test_a_target_without_a_folder_is_refused(tmp_path: Path, source: Path) -> None:
    assert "doesn't exist; make it first" in refused(source, tmp_path / "nowhere" / "out.mp4", TargetUnwritable)
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("overwrite", [True, False])
def test_a_target_that_is_a_folder_is_refused(folder: Path, source: Path, overwrite: bool) -> None:
    (folder / "out.mp4").mkdir()
    assert "out.mp4 is a folder" in refused(source, folder / "out.mp4", TargetUnwritable, overwrite=overwrite)


@pytest.mark.parametrize("linked", [False, True])
def test_a_target_that_is_the_source_is_refused(source: Path, linked: bool) -> None:
    target = source
    if linked:
        target = source.with_name("link.mp4")
        target.symlink_to(source)
    assert "is the source itself" in refused(source, target, OptionError, overwrite=True)


@pytest.mark.parametrize("name", ["out.mkv", "out.webm", "out", ".mp4"])
def test_a_target_of_another_container_is_refused(folder: Path, source: Path, name: str) -> None:
    assert f"must end in .mp4, .m4v, .mov, not '{name}'" in refused(source, folder / name, OptionError)


def test_a_name_that_the_disk_does_not_take_is_refused(folder: Path, source: Path) -> None:
    assert "File name too long" in refused(source, folder / ("x" * 300 + ".mp4"), TargetUnwritable)


def test_a_name_as_long_as_the_disk_takes_it_is_fine(folder: Path, source: Path) -> None:
    target = folder / ("x" * 251 + ".mp4")
    interpolate_video(source, target, interpolator=Blend())
    assert len(frames_of(target)) == 12


# Options


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"multiplier": 0}, "from 1 to 64, not 0"),
        ({"multiplier": 65}, "from 1 to 64, not 65"),
        ({"output_fps": 0.5}, "from 1 to 240 frames a second, not 0.5"),
        ({"output_fps": 241}, "not 241"),
        ({"output_fps": float("nan")}, "not nan"),
        ({"multiplier": 32}, "not 320 (32 times the source's 10); choose one"),
        ({"output_fps": Fraction(2**40 + 1, 2**36)}, "choose a rounder one"),
    ],
)
def test_an_option_out_of_range_is_refused(folder: Path, source: Path, options: dict[str, object], words: str) -> None:
    assert words in refused(source, folder / "out.mp4", OptionError, **options)


def test_an_encoding_that_does_not_exist_is_refused() -> None:
    with pytest.raises(OptionError, match="codec 'h266' isn't supported; choose one of"):
        Encoding(codec="h266")
    with pytest.raises(OptionError, match="crf must be from 0"):
        Encoding(crf=52)
    with pytest.raises(OptionError, match="preset must be one of"):
        Encoding(preset="warp")


def test_a_model_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UnknownModel, match="no weights are named 'dreams'; `film weights list` shows"):
        Interpolator("dreams")


def test_a_photograph_that_can_not_be_read_leaves_nothing(folder: Path) -> None:
    write_image(folder / "a.png", flat(20)[0])
    (folder / "b.png").write_text("not a picture")
    before = contents(folder)
    with pytest.raises(NotAVideo, match=r"b\.png is not a video"):
        interpolate_photos(folder / "a.png", folder / "b.png", folder / "out.mp4", interpolator=Blend())
    assert contents(folder) == before


# What happens on the way. 600 frames of 64×48 are more than pipes and queues hold.


@pytest.fixture
def long_source(tmp_path: Path) -> Path:
    return draw(tmp_path / "long.mp4", moving(1, 60) * 5, options=YUV)


def ffmpeg_that(does: str) -> int:
    """Give the process that decodes (`"pipe:1"`) or encodes (`"pipe:0"`)."""
    (number,) = (number for number, command in children().items() if f"{does} " in f"{command} ")
    return number


def stop_and_wait(number: int) -> None:
    """Make a process stand still."""
    os.kill(number, signal.SIGSTOP)
    os.waitid(os.P_PID, number, os.WSTOPPED | os.WNOWAIT)


@pytest.mark.parametrize(("does", "words"), [("pipe:0", "encoding"), ("pipe:1", "decoding")])
def test_an_ffmpeg_that_is_killed_is_an_error(folder: Path, long_source: Path, does: str, words: str) -> None:
    def kill(progress: Progress) -> None:
        if progress.frames_done == 5:
            os.kill(ffmpeg_that(does), signal.SIGKILL)

    message = refused(long_source, folder / "out.mp4", FfmpegFailed, on_progress=kill)
    file = folder / "out.mp4" if does == "pipe:0" else long_source
    assert message == f"ffmpeg failed while {words} {file}: it was ended by signal 9"


@pytest.mark.parametrize("does", ["pipe:0", "pipe:1"])
def test_ctrl_c_ends_a_job_at_once_even_where_ffmpeg_hangs(folder: Path, long_source: Path, does: str) -> None:
    def hang(progress: Progress) -> None:
        if progress.frames_done == 5:
            stop_and_wait(ffmpeg_that(does))
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        interpolate_video(long_source, folder / "out.mp4", interpolator=Blend(), on_progress=hang)
    assert not list(folder.iterdir())


def test_ctrl_c_while_the_encoder_finishes_ends_it(folder: Path, source: Path) -> None:
    # With so few frames the encoder has all of them in its pipe before it looks at one.
    def hang(progress: Progress) -> None:
        if progress.frames_done == progress.frames_total:
            number = ffmpeg_that("pipe:0")
            stop_and_wait(number)
            threading.Thread(target=interrupt_when_closed, args=(number,)).start()

    with pytest.raises(KeyboardInterrupt):
        interpolate_video(source, folder / "out.mp4", multiplier=1, interpolator=Blend(), on_progress=hang)
    assert not list(folder.iterdir())


def interrupt_when_closed(number: int) -> None:
    """Interrupt this process when nobody can write to a process's standard input any more."""
    with Path(f"/proc/{number}/fd/0").open("rb", buffering=0) as pipe:
        while pipe.read(1 << 16):
            pass
    os.kill(os.getpid(), signal.SIGINT)


def test_an_error_of_the_callers_own_passes_and_leaves_nothing(folder: Path, long_source: Path) -> None:
    def fail(progress: Progress) -> None:
        raise ZeroDivisionError(progress.frames_done)

    with pytest.raises(ZeroDivisionError):
        interpolate_video(long_source, folder / "out.mp4", interpolator=Blend(), on_progress=fail)
    assert not list(folder.iterdir())


LIMITED = """
import resource, sys
from film.errors import FilmError
from film.evaluation import Blend
from film.pipeline import interpolate_video
from film.video import Encoding

resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), int(sys.argv[3])))
try:
    interpolate_video(sys.argv[1], sys.argv[2], interpolator=Blend(), encoding=Encoding(crf=0, preset="ultrafast"))
except FilmError as error:
    print(type(error).__name__, error)
"""


def test_a_full_disk_leaves_nothing_and_says_so(folder: Path, tmp_path: Path) -> None:
    # A limit on a file's size fills up like a disk does, and needs no disk of one's own.
    noisy = ("-f", "lavfi", "-i", "nullsrc=s=64x48:r=10:d=3,geq=lum='random(1)*255':cb=128:cr=128")
    source = tmp_path / "in.mkv"
    # Its sound is half of the file: the picture alone may fit where both together don't.
    ffmpeg(*noisy, *tone(3), *LOSSLESS, "-pix_fmt", "yuv420p", "-c:a", "flac", source)
    whole = folder / "whole.mp4"
    interpolate_video(source, whole, interpolator=Blend(), encoding=Encoding(crf=0, preset="ultrafast"))
    size = whole.stat().st_size
    whole.unlink()
    for share, doing in ((0.3, "encoding"), (0.97, "writing")):
        command = [sys.executable, "-c", LIMITED, str(source), str(folder / "out.mp4"), str(int(size * share))]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
        assert done.stdout.startswith("NoSpace the disk is full")
        assert f"while {doing} {folder}/out.mp4; free some space" in done.stdout
        assert done.stdout.count("\n") == 1
        assert not list(folder.iterdir())


def test_what_was_there_is_what_is_probed_afterwards(folder: Path, source: Path) -> None:
    """A job that went well leaves its target and nothing else."""
    interpolate_video(source, folder / "out.mp4", interpolator=Blend())
    assert [path.name for path in folder.iterdir()] == ["out.mp4"]
    assert probe(folder / "out.mp4").frame_count == 12


@pytest.mark.skipif(os.fsencode("\udcff") != b"\xff", reason="file names are bytes on POSIX systems")
def test_a_name_that_is_not_text_is_refused(folder: Path, source: Path) -> None:
    odd = folder / "caf\udce9"
    odd.mkdir()
    shutil.copy(source, odd / "in.mp4")
    assert "isn't text" in refused(odd / "in.mp4", folder / "out.mp4", SourceUnreadable)
    assert "isn't text" in refused(source, odd / "out.mp4", TargetUnwritable)
