"""The `film` command as users run it: what it prints where, its exit codes, and how it ends when told to."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import film
from film.__main__ import main
from film.network.config import FilmConfig
from film.video import find_ffmpeg, probe, write_image
from film.weights import WeightSet, save
from tests.clips import LOSSLESS, packets, tone
from tests.drawn import draw, flat, frames_of, moving

PROGRESS = r"\d+/\d+ frames, \d+\.\d frames/s, \d+ s left"
PATIENCE = 60  # seconds, for what takes one or two on an idle machine
YUV = (*LOSSLESS, "-pix_fmt", "yuv420p")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a weight file of a tiny network; what it makes is noise, but in the right place."""
    config = FilmConfig(
        pyramid_levels=3,
        fusion_pyramid_levels=2,
        specialized_levels=1,
        sub_levels=2,
        filters=4,
        flow_convs=(1, 1),
        flow_filters=(4, 6),
    )
    random = np.random.default_rng(3)
    tensors = {name: random.normal(0, 0.1, shape).astype(np.float32) for name, shape in config.weight_shapes().items()}
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    save(path, WeightSet.of("tiny", config, tensors=tensors, version="1", training={}))
    return path


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return draw(tmp_path / "in.mp4", moving(1, 6), sound=tone(0.6), options=(*YUV, "-c:a", "aac"))


def film_line(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "film", *map(str, arguments)]


def film_command(*arguments: str | Path, **options: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end, with environment variables `options` beside our own."""
    return subprocess.run(
        film_line(*arguments),
        capture_output=True,
        text=True,
        errors="surrogateescape",
        env={**os.environ, **options},
        stdin=subprocess.DEVNULL,
        check=False,
        timeout=PATIENCE,
    )


@dataclass
class Ended:
    """How a command ended that ran in this process, which is faster than in one of its own."""

    code: int
    stdout: str
    stderr: str


@pytest.fixture
def film_here(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., Ended]]:
    """Give a function that runs the command in this process."""

    def run(*arguments: str | Path) -> Ended:
        capsys.readouterr()
        try:
            code = main([*map(str, arguments)])
        except SystemExit as ending:  # argparse's
            code = int(ending.code or 0)
        return Ended(code, *capsys.readouterr())

    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# Help


@pytest.mark.parametrize("arguments", [(), ("interpolate",), ("eval",), ("train",), ("weights",)])
def test_help_says_what_there_is(film_here: Callable[..., Ended], arguments: tuple[str, ...]) -> None:
    done = film_here(*arguments, "--help")
    assert (done.code, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: film")


def test_the_installed_command_tells_its_version() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("film"), "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"film-interpolation {film.__version__}\n"


def test_help_and_refusals_do_not_wait_for_tensorflow(tmp_path: Path) -> None:
    for arguments in (("--help",), ("interpolate", "--help"), ("interpolate", tmp_path / "no.mp4", tmp_path / "o.mp4")):
        command = [sys.executable, "-X", "importtime", "-m", "film", *map(str, arguments)]
        loaded = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE).stderr
        assert "film.commands.interpolate" in loaded
        assert "tensorflow" not in loaded
        assert "keras" not in loaded


# The command line is wrong


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "required: COMMAND"),
        (("sharpen", "a.mp4"), "invalid choice"),
        (("interpolate",), "required: FILE"),
        (("interpolate", "in.mp4"), "give a source and a target, or two photographs and a target"),
        (("interpolate", "a.png", "b.png", "c.png", "out.mp4"), "give a source and a target"),
        (("interpolate", "a.mp4", "b.png", "out.mp4"), "both have to be photographs, and a.mp4 isn't one"),
        (("interpolate", "a.png", "b.png", "out.mp4", "--keep-duration"), "neither a duration nor sound"),
        (("interpolate", "a.png", "b.png", "out.mp4", "--no-audio"), "neither a duration nor sound"),
        (("interpolate", "in.mp4", "out.mp4", "--multiplier", "two"), "must be a whole number from 1 to 64"),
        (("interpolate", "in.mp4", "out.mp4", "--multiplier", "2.5"), "must be a whole number from 1 to 64"),
        (("interpolate", "in.mp4", "out.mp4", "--fps", "fast"), "such as 60 or 30000/1001"),
        (("interpolate", "in.mp4", "out.mp4", "--fps", "60/0"), "such as 60 or 30000/1001"),
        (("interpolate", "in.mp4", "out.mp4", "--fps", "1e9999999999"), "such as 60 or 30000/1001"),
        (("interpolate", "in.mp4", "out.mp4", "--memory", "much"), "must be a size such as 6G or 800M"),
        (("interpolate", "in.mp4", "out.mp4", "--memory", "0.0001K"), "must be a size such as 6G or 800M"),
        (("interpolate", "in.mp4", "out.mp4", "--codec", "h266"), "invalid choice"),
        (("interpolate", "in.mp4", "out.mp4", "--crf", "good"), "invalid int value"),
        (("interpolate", "in.mp4", "out.mp4", "--sharper"), "unrecognized arguments"),
    ],
)
def test_a_wrong_command_line_ends_with_two(
    film_here: Callable[..., Ended], arguments: tuple[str, ...], words: str
) -> None:
    done = film_here(*arguments)
    assert (done.code, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: film")
    assert words in done.stderr.splitlines()[-1]


# It can't be done


@pytest.mark.parametrize(
    ("name", "target", "options", "words"),
    [
        ("no.mp4", "out.mp4", (), "no.mp4 doesn't exist"),
        ("text.mp4", "out.mp4", (), "text.mp4 is not a video that ffmpeg can read"),
        ("in.mp4", "in.mp4", ("--overwrite",), "in.mp4 is the source itself"),
        ("in.mp4", "old.mp4", (), "old.mp4 exists; choose another name, or allow overwriting (--overwrite)"),
        ("in.mp4", "no/out.mp4", (), "doesn't exist; make it first"),
        ("in.mp4", "out.gif", (), "must end in .mp4"),
        ("in.mp4", "out.mp4", ("--multiplier", "65"), "from 1 to 64, not 65"),
        ("in.mp4", "out.mp4", ("--multiplier", "-1"), "from 1 to 64, not -1"),
        ("in.mp4", "out.mp4", ("--fps", "1000"), "from 1 to 240 frames a second, not 1000"),
        ("in.mp4", "out.mp4", ("--fps", "0.99"), "from 1 to 240 frames a second, not 0.99"),
        ("in.mp4", "out.mp4", ("--crf", "52"), "crf must be from 0 (best) to 51, not 52"),
        ("in.mp4", "out.mp4", ("--preset", "warp"), "preset must be one of"),
        ("in.mp4", "out.mp4", ("--model", "dreams"), "no weights are named 'dreams'"),
        ("in.mp4", "out.mp4", ("--model", "text.safetensors"), "there is no weight file text.safetensors"),
    ],
)
def test_what_can_not_be_done_ends_with_one_and_one_line(  # noqa: PLR0913, PLR0917  (a row of the table above)
    film_here: Callable[..., Ended],
    tmp_path: Path,
    source: Path,
    name: str,
    target: str,
    options: tuple[str, ...],
    words: str,
) -> None:
    (tmp_path / "text.mp4").write_text("Once upon a time.\n" * 100)
    (tmp_path / "old.mp4").write_text("precious")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert source in before
    done = film_here("interpolate", tmp_path / name, tmp_path / target, *options)
    assert (done.code, done.stdout) == (1, "")
    assert done.stderr.startswith("film: ")
    assert done.stderr.count("\n") == 1
    assert words in done.stderr
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_the_process_ends_with_the_same_codes(tmp_path: Path) -> None:
    assert film_command("interpolate", tmp_path / "no.mp4").returncode == 2
    done = film_command("interpolate", tmp_path / "no.mp4", tmp_path / "out.mp4")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"film: {tmp_path}/no.mp4 doesn't exist; name a video file\n"


def test_a_name_of_two_lines_is_complained_of_in_one(film_here: Callable[..., Ended], tmp_path: Path) -> None:
    done = film_here("interpolate", tmp_path / "two\nlines.mp4", tmp_path / "out.mp4")
    assert done.code == 1
    assert done.stderr.count("\n") == 1


# It is done


def test_a_clip_becomes_smoother(tmp_path: Path, source: Path, model: Path) -> None:
    target = tmp_path / "out.mp4"
    done = film_command(
        *("interpolate", source, target, "--multiplier", "4", "--fps", "40", "--model", model),
        *("--crf", "0", "--preset", "ultrafast"),
    )
    assert done.returncode == 0, done.stderr
    clip = probe(target)
    assert (clip.frame_count, clip.average_rate, clip.duration) == (24, Fraction(40), Fraction(3, 5))
    assert np.array_equal(frames_of(target)[::4], moving(1, 6))
    assert packets(target, "a:0") == packets(source, "a:0")
    # What came of it on standard output, how far it is on standard error.
    head, tail = done.stdout.split(", in ")
    assert head == f"{target}: 64×48, 24 frames at 40/s (0.60 s), 15 made, sound copied"
    assert tail.endswith(" s\n")
    assert all(re.fullmatch(PROGRESS, line) for line in done.stderr.splitlines())
    last = done.stderr.splitlines()[-1]
    assert last.startswith("24/24 frames, ")
    assert last.endswith(", 0 s left")


def test_two_photographs_become_a_clip(film_here: Callable[..., Ended], tmp_path: Path, model: Path) -> None:
    for name, pixels in zip("ab", flat(20, 100), strict=True):
        write_image(tmp_path / f"{name}.png", pixels)
    target = tmp_path / "out.mp4"
    done = film_here(
        "interpolate", tmp_path / "a.png", tmp_path / "b.png", target, "--multiplier", "4", "--model", model
    )
    assert done.code == 0, done.stderr
    assert done.stdout.startswith(f"{target}: 64×48, 5 frames at 30/s (0.17 s), 3 made, in ")
    assert done.stderr.splitlines()[-1].startswith("5/5 frames, ")
    assert probe(target).frame_count == 5


def test_slow_motion_without_network_or_sound(film_here: Callable[..., Ended], tmp_path: Path, source: Path) -> None:
    """At a multiplier of one nothing is made, so TensorFlow needn't load."""
    target = tmp_path / "out.mp4"
    done = film_here("interpolate", source, target, "--multiplier", "1", "--fps", "5", "--no-audio")
    assert done.stdout.startswith(f"{target}: 64×48, 6 frames at 5/s (1.20 s), 0 made, in ")
    assert probe(target).audio == ()
    again = film_here("interpolate", source, target, "--multiplier", "1", "--fps", "30000/1001", "--overwrite")
    assert "6 frames at 29.970/s (0.20 s), 0 made, sound stretched, in " in again.stdout


def test_the_duration_is_kept_where_that_is_asked_for(
    film_here: Callable[..., Ended], tmp_path: Path, source: Path
) -> None:
    target = tmp_path / "out.mp4"
    done = film_here("interpolate", source, target, "--keep-duration", "--fps", "5")
    assert "3 frames at 5/s (0.60 s), 0 made, sound copied, in " in done.stdout
    assert probe(target).average_rate == 5


def test_cuts_are_told_and_looked_for_only_where_wanted(
    film_here: Callable[..., Ended], tmp_path: Path, model: Path
) -> None:
    source = draw(tmp_path / "in.mkv", [*moving(1, 1), *moving(2, 1)])
    done = film_here("interpolate", source, tmp_path / "held.mp4")
    assert ", 0 made, 1 cut held, in " in done.stdout
    done = film_here("interpolate", source, tmp_path / "made.mp4", "--no-scene-detection", "--model", model)
    assert ", 1 made, in " in done.stdout


def test_a_name_that_is_no_text_is_fine(tmp_path: Path, source: Path) -> None:
    target = tmp_path / os.fsdecode(b"\xff [b]out%d.mp4")
    done = film_command("interpolate", source, target, "--multiplier", "1", PYTHONUTF8="1")
    assert done.returncode == 0, done.stderr
    assert probe(target.rename(tmp_path / "out.mp4")).frame_count == 6
    assert r"\udcff [b]out%d.mp4: 64×48, 6 frames" in done.stdout


def test_a_reader_that_has_gone_is_no_reason_for_a_traceback(tmp_path: Path, source: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = film_line("interpolate", source, tmp_path / "out.mp4", "--multiplier", "1")
    with os.fdopen(writing, "wb") as nowhere:
        done = subprocess.run(command, stdout=nowhere, stderr=subprocess.PIPE, text=True, check=False, timeout=PATIENCE)
    assert done.returncode == 1
    assert "Error" not in done.stderr
    assert probe(tmp_path / "out.mp4").frame_count == 6


def test_a_terminal_gets_a_bar(tmp_path: Path, source: Path) -> None:
    ours, theirs = pty.openpty()
    command = film_line("interpolate", source, tmp_path / "[b]out.mp4", "--multiplier", "1")
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "120", "NO_COLOR": "1"},
    ) as process:
        os.close(theirs)
        shown = b"".join(iter(lambda: read_terminal(ours), b"")).decode()
        printed, _ = process.communicate(timeout=PATIENCE)
    os.close(ours)
    assert process.returncode == 0
    assert "[b]out.mp4 ━" in shown
    assert "6/6" in shown
    assert "frames/s" in shown
    assert shown.endswith("\x1b[2K")  # the bar is wiped away in the end
    assert printed.startswith(f"{tmp_path}/[b]out.mp4: 64×48, 6 frames")


def read_terminal(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 1 << 16)
    except OSError:  # so Linux says that nobody holds the other end any more
        return b""


def test_no_terminal_gets_no_bar_even_if_colours_are_forced(
    film_here: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, source: Path
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    done = film_here("interpolate", source, tmp_path / "out.mp4", "--multiplier", "1")
    (line,) = done.stderr.splitlines()
    assert line.startswith("6/6 frames, ")


# It is told to end

# An ffmpeg that says who it is when it decodes or encodes, and stands still before it encodes: so a job is
# surely under way, and hangs, when the signal comes.
ANNOUNCING = """#!/bin/sh
case "$*" in
    *rawvideo*pipe:1*) echo "decoder $$" >"$ANNOUNCED" ;;
    *rawvideo*pipe:0*) echo "encoder $$" >"$ANNOUNCED"; kill -STOP $$ ;;
esac
exec "$REAL_FFMPEG" "$@"
"""


@pytest.fixture
def _signals_as_in_a_terminal() -> Iterator[None]:
    """Let children react to signals that whoever started the tests may have had ignored."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM)}
    for number in before:
        signal.signal(number, signal.default_int_handler)  # a handler becomes the default in a child
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class Job:
    """A running `film interpolate` that hangs at its encoder."""

    def __init__(self, folder: Path) -> None:
        source = draw(folder / "in.mp4", moving(1, 60) * 5, options=YUV)
        self.targets = folder / "targets"
        self.targets.mkdir()
        tools = folder / "bin"
        tools.mkdir()
        (tools / "ffmpeg").write_text(ANNOUNCING)
        (tools / "ffmpeg").chmod(0o755)
        announced = folder / "announced"
        os.mkfifo(announced)
        self._announced = os.open(announced, os.O_RDWR)
        command = film_line("interpolate", source, self.targets / "out.mp4", "--multiplier", "1")
        path = f"{tools}{os.pathsep}{os.environ['PATH']}"
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PATH": path, "ANNOUNCED": str(announced), "REAL_FFMPEG": find_ffmpeg()},
        )
        # The encoder is started first, so it is in good hands once the decoder is there.
        self.ffmpegs = dict(self._hear() for _ in range(2))
        self._ends = {role: os.pidfd_open(number) for role, number in self.ffmpegs.items()}

    def _hear(self) -> tuple[str, int]:
        assert select.select([self._announced], [], [], PATIENCE)[0], "ffmpeg was not started"
        line = b""
        while not line.endswith(b"\n"):
            line += os.read(self._announced, 1)
        role, number = line.split()
        return role.decode(), int(number)

    def ffmpegs_have_ended(self) -> bool:
        """Wait for it."""
        return all(select.select([end], [], [], PATIENCE)[0] for end in self._ends.values())

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()
        for number, end in zip(self.ffmpegs.values(), self._ends.values(), strict=True):
            if not select.select([end], [], [], 0)[0]:
                os.kill(number, signal.SIGKILL)
            os.close(end)
        os.close(self._announced)


@pytest.fixture
def job(tmp_path: Path, _signals_as_in_a_terminal: None) -> Iterator[Job]:
    job = Job(tmp_path)
    yield job
    job.close()


@pytest.mark.parametrize(
    ("number", "code", "line"),
    [
        (signal.SIGINT, 130, "film: interrupted; nothing half-written is left\n"),
        (signal.SIGTERM, 143, "film: asked to end; nothing half-written is left\n"),
        (signal.SIGHUP, 129, "film: asked to end; nothing half-written is left\n"),
    ],
)
def test_a_signal_ends_the_job_in_one_line_and_leaves_nothing(
    job: Job, number: signal.Signals, code: int, line: str
) -> None:
    assert len(names(job.targets)) == 1  # the folder in which the picture is made
    job.process.send_signal(number)
    printed, complained = job.process.communicate(timeout=PATIENCE)
    assert (job.process.returncode, printed, complained) == (code, "", line)
    assert names(job.targets) == []
    assert job.ffmpegs_have_ended()


def test_no_ffmpeg_survives_a_job_that_is_killed(job: Job) -> None:
    job.process.kill()
    job.process.wait(PATIENCE)
    os.kill(job.ffmpegs["encoder"], signal.SIGCONT)
    assert job.ffmpegs_have_ended()
    assert "out.mp4" not in names(job.targets)


def test_an_ffmpeg_that_is_killed_is_told_in_one_line(job: Job) -> None:
    os.kill(job.ffmpegs["encoder"], signal.SIGKILL)
    printed, complained = job.process.communicate(timeout=PATIENCE)
    assert (job.process.returncode, printed) == (1, "")
    assert complained.startswith("film: ffmpeg failed while encoding ")
    assert complained.endswith(": it was ended by signal 9\n")
    assert names(job.targets) == []
