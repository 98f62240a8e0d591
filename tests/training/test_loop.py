"""A training run: it learns, it can be stopped and gone on with, and it doesn't run off."""

import json
import math
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from film.errors import OptionError, TrainingError
from film.network import FilmConfig, FilmNetwork
from film.training.feed import draw
from film.training.loop import Plan, Trainer
from film.training.textures import load
from film.weights import WeightSet

from .conftest import TINY


class Clock:
    """A clock that is a second later every time it is looked at, so a step takes one."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        self.seconds += 1.0
        return self.seconds


def plan(photographs: Path, **changes: Any) -> Plan:
    chosen = {"minutes": 2.0, "size": 32, "learning_rate": 1e-2, "validation": 6, "network": TINY}
    return Plan(textures=(photographs,), **{**chosen, **changes})


def weight_set(
    tensors: Mapping[str, NDArray[np.float32]], *, config: FilmConfig = TINY, training: Mapping[str, Any] | None = None
) -> WeightSet:
    return WeightSet.of("before", config, tensors=tensors, version="1", training=training or {})


@pytest.fixture(scope="module")
def trained(photographs: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Trainer, list[float]]:
    """Give a run of two minutes by its clock, and the validations that it reported, the one before it first."""
    trainer = Trainer(plan(photographs), tmp_path_factory.mktemp("run"), clock=Clock())
    held_out = draw(load([photographs]).validation(), size=32, batch=1, seed=0)
    validations = [trainer.validate([next(held_out) for _ in range(6)])]
    validations += [progress.best_psnr for progress in trainer.run()]
    return trainer, validations


def test_a_run_learns(trained: tuple[Trainer, list[float]]) -> None:
    trainer, validations = trained
    assert len(validations) == 3  # before, and each minute
    assert validations[0] + 2 < validations[1] < validations[2]  # dB
    assert validations[2] == trainer.progress.best_psnr


def test_a_run_ends_when_its_minutes_are_over(trained: tuple[Trainer, list[float]]) -> None:
    progress = trained[0].progress
    assert 2.0 <= progress.minutes < 2.1
    assert 110 <= progress.steps <= 120  # a second each, but for the clock's other readers
    assert progress.skipped == 0
    assert progress.gradient_norm > 0


def test_provenance_is_plain_and_names_no_place(trained: tuple[Trainer, list[float]], photographs: Path) -> None:
    found = json.loads(json.dumps(trained[0].provenance(), allow_nan=False))
    assert found["plan"]["textures"] == [photographs.name]
    assert FilmConfig.from_json(found["plan"]["network"]) == TINY
    assert found["progress"]["steps"] == trained[0].progress.steps


def test_a_resumed_run_knows_everything_and_goes_on(
    trained: tuple[Trainer, list[float]], photographs: Path, tmp_path: Path
) -> None:
    before = trained[0]
    shutil.copy(before.state_path, tmp_path)
    trainer = Trainer(plan(photographs, minutes=2.25), tmp_path, clock=Clock())
    trainer.resume()
    trainer.save()
    assert trainer.state_path.read_bytes() == before.state_path.read_bytes()  # progress, weights, average, optimizer

    steps, validated = before.progress.steps, before.progress.best_psnr
    reports = [(progress.steps, progress.minutes, progress.best_psnr) for progress in trainer.run()]
    assert len(reports) == 1
    assert steps + 10 <= reports[0][0] <= steps + 16
    assert reports[0][1] == pytest.approx(2.25, abs=0.05)
    assert reports[0][2] >= validated
    best = trainer.best
    assert set(best) == set(TINY.weight_shapes())


def test_a_run_of_another_network_is_not_gone_on_with(
    trained: tuple[Trainer, list[float]], photographs: Path, tmp_path: Path
) -> None:
    shutil.copy(trained[0].state_path, tmp_path)
    wider = FilmConfig(**{**TINY.__dict__, "filters": 6})
    trainer = Trainer(plan(photographs, network=wider), tmp_path)
    before = trainer.network.named_weights()
    with pytest.raises(TrainingError, match="of another network than the planned one"):
        trainer.resume()
    assert trainer.progress.steps == 0
    assert all(np.array_equal(value, before[name]) for name, value in trainer.network.named_weights().items())


def test_there_must_be_a_run_to_go_on_with(photographs: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="not a checkpoint to resume from"):
        Trainer(plan(photographs), tmp_path).resume()


def test_steps_that_are_not_finite_are_not_taken_and_end_the_run_when_there_are_only_those(
    photographs: Path, tmp_path: Path
) -> None:
    huge = {name: np.full(shape, 1e30, np.float32) for name, shape in TINY.weight_shapes().items()}
    trainer = Trainer(plan(photographs, batch=1), tmp_path, start=weight_set(huge), clock=Clock())
    with pytest.raises(TrainingError, match=r"diverged at step 51.*a lower rate than 0\.01"):
        list(trainer.run())
    assert (trainer.progress.steps, trainer.progress.skipped) == (51, 51)
    for name, weight in trainer.network.named_weights().items():
        np.testing.assert_array_equal(weight, huge[name])


def test_a_run_begins_with_the_weights_it_is_given(photographs: Path, tmp_path: Path) -> None:
    weights = FilmNetwork(TINY).named_weights()
    trainer = Trainer(plan(photographs), tmp_path, start=weight_set(weights))
    for found in (trainer.network.named_weights(), trainer.best):
        assert all(np.array_equal(found[name], weight) for name, weight in weights.items())


def test_weights_without_corrections_start_a_network_with_them(photographs: Path, tmp_path: Path) -> None:
    blend = replace(TINY, head="blend", any_instant=True)
    weights = FilmNetwork(blend).named_weights()
    trainer = Trainer(
        plan(photographs, network=replace(blend, refined=True)), tmp_path, start=weight_set(weights, config=blend)
    )
    found = trainer.network.named_weights()
    assert all(np.array_equal(found[name], weight) for name, weight in weights.items())
    assert not found["fusion/1/motion_b/kernel"].any()  # says nothing yet


def test_weights_of_another_network_can_not_be_started_with(photographs: Path, tmp_path: Path) -> None:
    wider = replace(TINY, filters=6)
    start = weight_set(FilmNetwork(wider).named_weights(), config=wider)
    with pytest.raises(OptionError, match="'before' are of another network than the planned one"):
        Trainer(plan(photographs), tmp_path, start=start)


def test_what_a_run_started_from_is_told_even_after_it_was_gone_on_with(photographs: Path, tmp_path: Path) -> None:
    start = weight_set(FilmNetwork(TINY).named_weights(), training={"start": None, "progress": {"steps": 3}})
    trainer = Trainer(plan(photographs), tmp_path, start=start)
    trainer.save()
    again = Trainer(plan(photographs), tmp_path)
    assert "start" not in again.provenance()
    again.resume()
    for run in (trainer, again):
        assert run.provenance()["start"] == {"name": "before", "sha256": start.sha256, "training": start.training}


def test_the_same_seed_begins_with_the_same_weights(photographs: Path, tmp_path: Path) -> None:
    first, again, other = (Trainer(plan(photographs, seed=seed), tmp_path).best for seed in (1, 1, 2))
    kernel = "features/stage_0/a/kernel"
    assert np.array_equal(first[kernel], again[kernel])
    assert not np.array_equal(first[kernel], other[kernel])


def test_a_still_scene_can_not_outweigh_all_others(photographs: Path, tmp_path: Path) -> None:
    blend = FilmConfig(**{**TINY.__dict__, "head": "blend", "any_instant": True})
    trainer = Trainer(plan(photographs, network=blend), tmp_path)
    moving = next(draw(load([photographs]).validation(), size=32, batch=1, seed=0))
    still = moving._replace(frames=np.repeat(moving.frames[:, :1], 3, axis=1))
    alone = trainer.validate([moving])
    assert trainer.validate([still]) == pytest.approx(58.9)
    assert trainer.validate([moving, still]) == pytest.approx((alone + 58.9) / 2, abs=1e-3)


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("minutes", 0, "minutes must be positive"),
        ("minutes", math.nan, "minutes must be positive"),
        ("minutes", math.inf, "minutes must be positive"),
        ("size", -32, "size must be positive"),
        ("size", 8, "size must be at least 16"),
        ("size", 33, "size must be a multiple of 2"),
        ("batch", 0, "batch must be positive"),
        ("learning_rate", 0.0, "learning_rate must be positive"),
        ("validation", 0, "validation must be positive"),
        ("warp_weight", -0.1, "warp_weight can't be -0.1"),
        ("motion_weight", math.inf, "motion_weight can't be inf"),
        ("decibel_weight", -1.0, "decibel_weight can't be -1.0"),
        ("seed", -1, "seed can't be -1"),
        ("average", 1.0, "average must be at least 0 and below 1"),
    ],
)
def test_a_plan_out_of_range_is_refused(name: str, value: float, complaint: str, photographs: Path) -> None:
    make: Callable[..., Plan] = plan
    with pytest.raises(OptionError, match=complaint):
        make(photographs, **{name: value})
