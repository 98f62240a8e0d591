"""`film train`, from folder to weight file."""

import argparse
from collections.abc import Iterator
from pathlib import Path

import pytest

from film import weights
from film.commands.train import add_parser
from film.errors import OptionError, TrainingError, UnknownModel
from film.network import FilmConfig, FilmNetwork
from film.training.checkpoints import Checkpoint, Progress
from film.training.loop import Trainer

from .conftest import TINY


def run(*arguments: str | Path) -> int:
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    parsed = parser.parse_args(["train", *map(str, arguments)])
    code: int = parsed.run(parsed)
    return code


def test_training_writes_weights_that_say_how_they_came_about(
    photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    short = ("--textures", photographs, "--minutes", "1e-4", "--size", "64", "--batch", "1")
    assert run(*short, "--run", folder, "--name", "mine", "--seed", "7") == 0
    file = folder / "weights.safetensors"
    assert capsys.readouterr().out == f"{file}\n"

    found = weights.load(file)
    assert (found.name, found.config) == ("mine", FilmConfig.compact())
    assert found.training["plan"]["seed"] == 7
    assert found.training["plan"]["textures"] == [photographs.name]
    assert found.training["progress"]["steps"] == 1
    assert found.training["progress"]["best_psnr"] > 10
    assert found.version == found.training["date"]

    with pytest.raises(OptionError, match="go on with --resume"):
        run(*short, "--run", folder)


class Ended(BaseException):
    """What a signal that asks a command to end is turned into passes as Ctrl-C does."""


@pytest.mark.parametrize(("end", "kept"), [(KeyboardInterrupt, True), (Ended, True), (TrainingError, False)])
def test_what_was_learnt_is_kept_when_training_is_ended_and_not_when_it_failed(
    end: type[BaseException], kept: bool, photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ended_after_one_step(trainer: Trainer) -> Iterator[Progress]:
        trainer.progress.steps = 1
        yield trainer.progress
        raise end

    monkeypatch.setattr(Trainer, "run", ended_after_one_step)
    with pytest.raises(end):
        run("--textures", photographs, "--minutes", "9", "--run", tmp_path)
    state = tmp_path / "state.safetensors"
    assert state.exists() == kept
    assert not kept or Checkpoint.load(state).progress.steps == 1


def test_training_from_weights_that_there_are_not_is_refused(photographs: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownModel, match="nobody"):
        run("--textures", photographs, "--minutes", "1", "--run", tmp_path, "--start", "nobody")


def test_training_from_weights_of_another_network_is_refused(photographs: Path, tmp_path: Path) -> None:
    file = tmp_path / "tiny.safetensors"
    tensors = FilmNetwork(TINY).named_weights()
    weights.save(file, weights.WeightSet.of("tiny", TINY, tensors=tensors, version="1", training={}))
    with pytest.raises(OptionError, match="of another network than the planned one"):
        run("--textures", photographs, "--minutes", "1", "--run", tmp_path, "--start", str(file))
