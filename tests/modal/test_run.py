"""`modal run modal_app.py`: a file here becomes a smoother file here, made in the cloud."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import modal
import pytest

from film.video import probe
from service.accounts import mint_key
from tests.clips import LOSSLESS, colours
from tests.modal.copies import QUICK, copy_project
from tests.modal.shop import SECRET
from tests.modal_plane.fixture import Plane

FRAMES = 6
SECONDS_A_FRAME = 0.5


class Operator(NamedTuple):
    """Somebody in a folder with a video, and a project to run."""

    plane: Plane
    project: Path
    folder: Path

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start `modal run`, both its outputs in one."""
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore Ctrl-C otherwise
        command = [sys.executable, "-m", "modal", "run", str(self.project / "modal_app.py"), *arguments]
        environment = {**self.plane.environment, "FILM_MODEL": "compact"}
        out = subprocess.PIPE
        return subprocess.Popen(
            command, cwd=self.folder, env=environment, stdout=out, stderr=subprocess.STDOUT, text=True
        )

    def run(self, *arguments: str) -> tuple[int, str]:
        """Run it, and give exit code and output."""
        with self.start(*arguments) as process:
            output, _ = process.communicate(timeout=90)
        return process.returncode, output


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    folder = tmp_path_factory.mktemp("operator")
    colours(folder / "clip.mp4", *LOSSLESS, "-pix_fmt", "yuv420p", size=(64, 48), frames=FRAMES)
    (folder / "words.mp4").write_text("no video at all")
    with Plane(folder / "plane", period_scale=0.0) as plane:
        keys = f"FILM_TEAM_KEYS=me:{mint_key()}"
        plane.modal("secret", "create", "film", f"FILM_SECRET={SECRET}", keys, f"FILM_STUB_SECONDS={SECONDS_A_FRAME}")
        yield Operator(plane, copy_project(folder / "project", QUICK), folder)


def _left(operator: Operator) -> list[str]:
    volume = modal.Volume.from_name("film-artifacts", client=operator.plane.client)
    return [entry.path for place in ("work", "kept/sources") for entry in volume.listdir(place)]


def _say_lines(output: str, *lines: str) -> None:
    assert [line for line in output.splitlines() if line in lines] == list(lines), output
    assert "Traceback" not in output, output


def test_a_file_is_made_with_word_of_how_far_it_is(operator: Operator) -> None:
    code, output = operator.run("--source", "clip.mp4", "--target", "smooth.mp4", "--multiplier", "2", "--fps", "60")
    assert code == 0, output
    _say_lines(output, "sending clip.mp4", "fetching the result", f"smooth.mp4: {2 * FRAMES} frames")
    assert f" of {2 * FRAMES} frames" in output
    made = probe(operator.folder / "smooth.mp4")
    assert (made.frame_count, made.average_rate) == (2 * FRAMES, Fraction(60))
    assert _left(operator) == []


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("missing.mp4", "new.mp4"), "error: missing.mp4 is not a file; name a video"),
        (("clip.mp4", "words.mp4"), "error: words.mp4 exists; choose another name, or allow overwriting (--overwrite)"),
        (("words.mp4", "new.mp4"), "error: input_video is not a video that ffmpeg can read: "),
    ],
    ids=["no source", "a target that exists", "a source that fails"],
)
def test_what_can_t_be_done_is_said_in_a_line(operator: Operator, arguments: tuple[str, str], line: str) -> None:
    code, output = operator.run("--source", arguments[0], "--target", arguments[1], "--fps", "60")
    assert code == 1, output
    assert line in output
    assert "Traceback" not in output, output
    assert not (operator.folder / "new.mp4").exists()


def test_ctrl_c_cancels_the_job(operator: Operator) -> None:
    with operator.start("--source", "clip.mp4", "--target", "never.mp4", "--multiplier", "8", "--fps", "60") as process:
        assert process.stdout is not None
        said = ""
        while " frames\n" not in said:
            line = process.stdout.readline()
            assert line, said
            said += line
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
    assert process.returncode == 1, rest
    assert rest.splitlines()[-1] == "cancelled"
    assert "Traceback" not in rest, rest
    jobs = modal.Dict.from_name("film-jobs", client=operator.plane.client)
    codes = [value["failure"]["code"] for key, value in jobs.items() if key.endswith("/outcome") and value["failure"]]
    assert "cancelled" in codes
    assert not (operator.folder / "never.mp4").exists()
