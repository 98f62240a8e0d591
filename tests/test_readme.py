"""What the README shows is run, in a folder with the files that it names."""

import re
import shlex
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from film.__main__ import main
from film.video import probe
from service.__main__ import main as service_main
from service.commands.settings import render
from service.settings import Settings
from tests.clips import ffmpeg, numbered, tone

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")

# The service's own is run against the real server, in tests/service/test_segmind_client.py.
EXAMPLES = [code for code in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "segmind" not in code]
COMMANDS = re.findall(r"^\$ film (.*)$", README, re.MULTILINE)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Be in a folder with a clip of 8 frames at 25 a second and two photographs."""
    numbered(tmp_path / "clip.mp4", frames=8, sound=tone(0.32))
    for number, name in enumerate(("first.png", "second.png")):
        ffmpeg("-i", tmp_path / "clip.mp4", "-vf", f"select=eq(n\\,{number})", "-frames:v", "1", tmp_path / name)
    monkeypatch.chdir(tmp_path)
    handler = signal.getsignal(signal.SIGTERM)
    yield tmp_path
    signal.signal(signal.SIGTERM, handler)  # the command sets its own


def test_there_are_examples_to_run() -> None:
    assert len(EXAMPLES) == 2
    assert len(COMMANDS) == 5


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_python_example_runs(example: str, folder: Path) -> None:
    before = set(folder.iterdir())
    exec(compile(example, "README.md", "exec"), {})  # noqa: S102 (our own text)
    assert set(folder.iterdir()) > before


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_runs(command: str) -> None:
    assert main(shlex.split(command)) == 0


def test_the_commands_give_the_frames_and_durations_that_the_text_says(folder: Path) -> None:
    made = {shlex.split(command)[2]: command for command in COMMANDS if command.startswith("interpolate clip")}
    frames = {}
    for name, command in made.items():
        main(shlex.split(command))
        frames[name] = probe(folder / name).frame_count
    # 8 frames are 0.32 s; at 60 a second these are 19.2.
    assert frames == {"smooth.mp4": 16, "slow.mp4": 32, "steady.mp4": 19}


def test_every_option_of_the_main_command_is_in_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["interpolate", "--help"])
    options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help"}
    assert options
    assert options <= set(re.findall(r"--[a-z-]+", README))


def test_every_setting_of_the_service_is_in_the_table() -> None:
    assert len(Settings.model_fields) > 30
    assert render() in README


def test_the_services_commands_that_are_shown_exist() -> None:
    shown = {line.split("#")[0].strip() for line in re.findall(r"^(?:\$ )?film-service (.*)$", README, re.MULTILINE)}
    assert len(shown) > 5
    for command in shown:
        words = [word for word in shlex.split(command) if word != "50"]
        group = words[:1] if words[0] in {"serve", "worker", "settings"} else words[:2]
        with pytest.raises(SystemExit) as ended:
            service_main([*group, "--help"])
        assert ended.value.code == 0
