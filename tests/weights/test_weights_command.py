"""`film weights`: what it prints, and what it leaves to the errors."""

import argparse
import hashlib
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from film.commands.weights import add_parser
from film.errors import FetchFailed, FilmError, OptionError, TargetExists, UnknownModel, WeightsMismatch
from film.network.config import FilmConfig
from film.weights import find, import_saved_model

from .conftest import pack
from .server import Answer, Site


def _run(*words: str) -> int:
    parser = argparse.ArgumentParser(prog="film")
    add_parser(parser.add_subparsers(required=True))
    arguments = parser.parse_args(["weights", *words])
    code = arguments.run(arguments)
    assert isinstance(code, int)
    return code


def test_list_has_a_line_for_each_set(
    saved_model: Path, small: FilmConfig, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import_saved_model(saved_model, name="mine", config=small, training={"licence": "MIT"})
    (cache / "broken.safetensors").write_bytes(b"not weights")
    assert _run("list") == 0
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [line[0] for line in lines] == ["compact", "style", "l1", "vgg", "broken", "mine"]
    assert lines[1][1:5] == ["published", "-", "Apache-2.0", "not installed"]
    assert lines[1][5].startswith("https://www.kaggle.com/")
    assert lines[4][1:5] == ["imported", "0.0 MiB", "unknown", "damaged"]
    assert lines[5][1:] == ["imported", "0.0 MiB", "MIT", "installed", str(cache / "mine.safetensors")]


def test_list_as_json_has_every_detail(
    saved_model: Path, small: FilmConfig, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = import_saved_model(saved_model, name="mine", config=small, training={"licence": "MIT"})
    assert _run("list", "--json") == 0
    mine = json.loads(capsys.readouterr().out)[-1]
    assert mine == {
        "name": "mine",
        "kind": "imported",
        "description": "imported on this machine",
        "sources": [str(saved_model)],
        "licence": "MIT",
        "installed": True,
        "path": str(cache / "mine.safetensors"),
        "size_bytes": path.stat().st_size,
        "version": "1",
        "sha256": find("mine").sha256,
        "problem": None,
    }


def test_on_a_terminal_the_list_is_a_table() -> None:
    code = (
        "import argparse; from film.commands.weights import add_parser; parser = argparse.ArgumentParser()\n"
        "add_parser(parser.add_subparsers())\n"
        "arguments = parser.parse_args(['weights', 'list']); arguments.run(arguments)"
    )
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": "160", "TERM": "xterm"}
    with subprocess.Popen([sys.executable, "-c", code], stdout=theirs, env=environment) as process:
        os.close(theirs)
        shown = b""
        try:
            while chunk := os.read(ours, 4096):
                shown += chunk
        except OSError:  # Linux says so when the other side has closed
            pass
    os.close(ours)
    assert process.returncode == 0
    assert b"what and where from" in shown
    assert b"akhaliq/frame-interpolation-film-style" in shown


def test_path_prints_where_a_set_is(saved_model: Path, small: FilmConfig, capsys: pytest.CaptureFixture[str]) -> None:
    path = import_saved_model(saved_model, name="mine", config=small)
    assert _run("path", "mine") == 0
    assert capsys.readouterr().out == f"{path}\n"
    with pytest.raises(UnknownModel, match="no weights are named 'other'"):
        _run("path", "other")


def test_import_converts_the_published_network(
    published_model: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ("import", str(published_model), "--name", "style", "--licence", "Apache-2.0")
    assert _run(*command) == 0
    assert capsys.readouterr().out == f"{cache / 'style.safetensors'}\n"
    assert find().training == {"licence": "Apache-2.0", "source": str(published_model)}
    with pytest.raises(TargetExists):
        _run(*command)


def test_import_refuses_another_network(saved_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(WeightsMismatch, match=r"weight 0 \(features/stage_0/a/kernel\) should be of shape"):
        _run("import", str(saved_model), "--name", "mine")
    assert not capsys.readouterr().out


def test_fetch_shows_its_progress_and_prints_the_path(
    site: Site, published_model: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = pack(published_model)
    url = site.serve("/film.tar.gz", content, Answer(cut_after=len(content) // 2), Answer())
    assert _run("fetch", "style", "--from", url, "--sha256", hashlib.sha256(content).hexdigest()) == 0
    shown = capsys.readouterr()
    size = f"{len(content) / 2**20:.1f}"
    assert shown.out == f"{cache / 'style.safetensors'}\n"
    assert shown.err.splitlines()[-1] == f"style: {size} of {size} MiB"
    assert find().training["source"] == url


def test_on_a_terminal_fetch_draws_a_bar(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # makes rich take the captured stream for a terminal
    monkeypatch.setenv("COLUMNS", "120")
    url = site.serve("/film.tar.gz", bytes(3_000_000))
    with pytest.raises(FetchFailed, match="SHA-256"):
        _run("fetch", "style", "--from", url, "--sha256", "0" * 64)
    assert "3.0/3.0 MB" in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", capsys.readouterr().err)


def test_fetch_names_each_source_that_failed(monkeypatch: pytest.MonkeyPatch, site: Site) -> None:
    # Every listed source is https; through a proxy that doesn't know CONNECT none is reached.
    for variable in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(variable, site.url)
    with pytest.raises(
        FetchFailed, match=r"www\.kaggle\.com.* can't be reached.*; .*huggingface\.co.*import DIR --name style"
    ):
        _run("fetch", "style")


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("fetch", "nothing"), UnknownModel),
        (("fetch", "style", "--from", "nonsense"), OptionError),
        (("fetch", "style", "--sha256", "00"), OptionError),
        (("import", "nowhere", "--name", "mine"), WeightsMismatch),
        (("import", "nowhere", "--name", "Not a name"), OptionError),
        (("path", "style"), UnknownModel),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(words: tuple[str, ...], error: type[FilmError]) -> None:
    with pytest.raises(error) as caught:
        _run(*words)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("words", [(), ("import", "directory"), ("fetch",), ("unheard-of",)])
def test_wrong_usage_exits_with_2(words: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as caught:
        _run(*words)
    assert caught.value.code == 2
