"""The training loop: steps against the clock, kept safe from divergence."""

import logging
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from film.errors import OptionError, TrainingError, WeightsMismatch
from film.network import FilmConfig, FilmNetwork
from film.network.compiling import compiled
from film.network.model import Made
from film.training.checkpoints import Checkpoint, Progress
from film.training.feed import Batch, Feed, draw
from film.training.losses import decibel_loss, motion_loss, picture_loss, psnr
from film.training.plan import Plan
from film.training.textures import load
from film.weights.files import disk_errors
from film.weights.weightset import WeightSet, check_weights

__all__ = ["Plan", "Trainer"]

logger = logging.getLogger(__name__)

_LEVELS = 255.0
# The gradient is cut to this norm; and a step whose gradient exceeds the running mean this many
# times isn't taken at all.
_CLIP_NORM = 0.2
_EXPLOSION = 25.0
_NORM_MEMORY = 0.99
# After so many skipped steps in a row there is no way back but a lower rate.
_MOST_SKIPPED = 50
_WARM_UP_STEPS = 200
_CHECKPOINT_MINUTES = 3.0
_REPORT_SECONDS = 60.0
# What rounding to 8 bits leaves of a perfect picture, dB: 10·log10(12·255²). Without a limit one still
# example would outweigh all others, or be infinite.
_HIGHEST_PSNR = 58.9


class Trainer:
    """One training run in a folder: `state.safetensors` to go on from, and the best weights so far."""

    def __init__(
        self,
        plan: Plan,
        directory: Path,
        *,
        start: WeightSet | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin a run; `resume` goes on with an earlier one.

        Args:
            plan: How to train.
            directory: The run's folder.
            start: Weights to begin with, fresh ones where none are given. They may lack what corrects the
                flows (`FilmConfig.refined`), which changes nothing before it has learnt something.
            clock: Seconds; only ever forward. What `plan.minutes` is measured by.

        Raises:
            OptionError: If `start` isn't of the plan's network.
        """
        keras.utils.set_random_seed(plan.seed)
        self.plan = plan
        self.directory = directory
        self._clock = clock
        self.progress = Progress()
        self.network = FilmNetwork(plan.network)
        self._start: dict[str, object] | None = None
        if start is not None:
            self.network.set_named_weights(_adopt(plan.network, start, self.network.named_weights()))
            # Told by every weight file that comes of it: what was learnt before was learnt from something too.
            self._start = {"name": start.name, "sha256": start.sha256, "training": dict(start.training)}
        self._weights = list(self.network.trainable_variables)
        self._optimizer = keras.optimizers.Adam(plan.learning_rate, beta_2=0.99)
        self._optimizer.build(self._weights)
        self._average = FilmNetwork(plan.network)
        self._average.set_named_weights(self.network.named_weights())
        self._best = self.network.named_weights()
        self._skipped_in_a_row = 0
        self._gradients = compiled(self._find_gradients, whole=False)
        self._apply = compiled(self._take_step, whole=False)
        self._render = compiled(self._middle, whole=False)

    @property
    def state_path(self) -> Path:
        """Where the state to resume from lies."""
        return self.directory / "state.safetensors"

    @property
    def best(self) -> dict[str, NDArray[np.float32]]:
        """The averaged weights that validated best."""
        return dict(self._best)

    def provenance(self) -> dict[str, object]:
        """Say how the weights came about, in plain values that JSON can hold."""
        plan = asdict(self.plan)
        plan["textures"] = [path.name for path in self.plan.textures]
        plan["network"] = self.plan.network.to_json()
        progress = {name: round(value, 3) for name, value in asdict(self.progress).items()}
        found: dict[str, object] = {"plan": plan, "progress": progress, "date": datetime.now(UTC).date().isoformat()}
        return found if self._start is None else {**found, "start": self._start}

    def resume(self) -> None:
        """Go on where the run in the folder stopped.

        Raises:
            TrainingError: If there is nothing to resume, or it is of another network; then nothing was changed.
        """
        state = Checkpoint.load(self.state_path)
        self._check(state)
        self.network.set_named_weights(state.weights)
        self._average.set_named_weights(state.average)
        self._best = dict(state.best)
        self.progress = state.progress
        self._start = state.start
        for variable, value in zip(self._optimizer.variables, state.optimizer, strict=True):
            variable.assign(np.reshape(value, variable.shape))

    def _check(self, state: Checkpoint) -> None:
        sizes = [tuple(variable.shape) for variable in self._optimizer.variables]
        try:
            for weights in (state.weights, state.average, state.best):
                check_weights(self.plan.network, weights)
        except WeightsMismatch as error:
            raise TrainingError(f"{self.state_path} is of another network than the planned one: {error}") from error
        if [value.size for value in state.optimizer] != [math.prod(size) for size in sizes]:
            raise TrainingError(f"{self.state_path} is not a checkpoint to resume from: its optimizer is another one")

    def save(self) -> None:
        """Write the state to resume from.

        Raises:
            NoSpace: If the disk is full.
            TargetUnwritable: If the file can't be written for another reason.
        """
        optimizer = [variable.numpy() for variable in self._optimizer.variables]
        weights, average = self.network.named_weights(), self._average.named_weights()
        Checkpoint(self.progress, weights, average, self._best, optimizer, self._start).save(self.state_path)

    def run(self) -> Iterator[Progress]:
        """Train until the planned minutes are over; yield after every report.

        Raises:
            TrainingError: If there is nothing to learn from, or too many steps in a row exploded.
            NoSpace: If the disk is full.
            TargetUnwritable: If the run's folder can't be written.
        """
        plan = self.plan
        with disk_errors(self.directory):  # before any work, not after the first minutes of it
            self.directory.mkdir(parents=True, exist_ok=True)
        held_out = load(plan.textures).validation()
        examples = draw(held_out, size=plan.size, batch=1, seed=plan.seed)
        validation = [next(examples) for _ in range(plan.validation)]
        del held_out
        seed = plan.seed + 1 + self.progress.steps  # a resumed run doesn't see the same pictures again
        with Feed(plan.textures, size=plan.size, batch=plan.batch, seed=seed) as feed:
            next(feed)  # the clock starts when the first pictures are there
            yield from self._run(feed, validation)

    def _run(self, feed: Iterator[Batch], validation: list[Batch]) -> Iterator[Progress]:
        """Take steps, report every minute and save every few; the clock runs from here."""
        earlier, started = self.progress.minutes, self._clock()
        reported, saved = started, started
        losses: list[float] = []
        self.progress.best_psnr = self._validate_best(validation)
        while self.progress.minutes < self.plan.minutes:
            losses.append(self._step(next(feed)))
            now = self._clock()
            self.progress.minutes = earlier + (now - started) / 60
            if now - reported >= _REPORT_SECONDS or self.progress.minutes >= self.plan.minutes:
                self._report(validation, losses)
                reported = self._clock()
                losses.clear()
                yield self.progress
            if now - saved >= _CHECKPOINT_MINUTES * 60:
                self.save()
                saved = self._clock()
        self.save()

    def _report(self, validation: list[Batch], losses: list[float]) -> None:
        psnr_db = self.validate(validation)
        taken = [loss for loss in losses if math.isfinite(loss)]
        if psnr_db > self.progress.best_psnr:
            self.progress.best_psnr = psnr_db
            self._best = self._average.named_weights()
        logger.info(
            "%.1f min  step %d  loss %.5f  validation %.2f dB  best %.2f dB  rate %.1e  skipped %d",
            self.progress.minutes,
            self.progress.steps,
            float(np.mean(taken)) if taken else math.nan,
            psnr_db,
            self.progress.best_psnr,
            self._fall() * self.plan.learning_rate,
            self.progress.skipped,
        )

    def _validate_best(self, validation: list[Batch]) -> float:
        """Measure the best weights again: a resumed run may validate on other pictures than before."""
        average = self._average.named_weights()
        self._average.set_named_weights(self._best)
        psnr_db = self.validate(validation)
        self._average.set_named_weights(average)
        return psnr_db

    def validate(self, examples: list[Batch]) -> float:
        """Give the averaged weights' mean PSNR over `examples`, dB; no single one counts for more than 58.9."""
        return float(np.mean([np.minimum(self._render(batch).numpy(), _HIGHEST_PSNR) for batch in examples]))

    def _fall(self) -> float:
        """Say which share of the first learning rate holds now: a half cosine from 1 down to 0.01, by the clock."""
        done = min(1.0, self.progress.minutes / self.plan.minutes)
        return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done))

    def _step(self, batch: Batch) -> float:
        progress = self.progress
        fall = self._fall()
        weights = max(fall**2, 0.01) * np.array([self.plan.warp_weight, self.plan.motion_weight], np.float32)
        loss, norm, gradients = self._gradients(batch, weights)
        norm = float(norm)
        progress.steps += 1
        usual = progress.gradient_norm
        if not math.isfinite(norm) or (progress.steps > _WARM_UP_STEPS and norm > _EXPLOSION * usual):
            progress.skipped += 1
            self._skipped_in_a_row += 1
            if self._skipped_in_a_row > _MOST_SKIPPED:
                raise TrainingError(
                    f"learning diverged at step {progress.steps}: go on from the last checkpoint with a lower rate "
                    f"than {self.plan.learning_rate}"
                )
            return math.nan
        self._skipped_in_a_row = 0
        progress.gradient_norm = _NORM_MEMORY * usual + (1 - _NORM_MEMORY) * norm if usual else norm
        rate = self.plan.learning_rate * fall * min(1.0, progress.steps / _WARM_UP_STEPS)
        self._optimizer.learning_rate = rate
        # An average that begins at random weights must forget them soon.
        self._apply(gradients, tf.constant(min(self.plan.average, progress.steps / (progress.steps + 10)), tf.float32))
        return float(loss)

    def _find_gradients(self, batch: Batch, weights: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, list[tf.Tensor]]:
        with tf.GradientTape() as tape:
            made, truth = _made_again(self.network, batch)
            loss = picture_loss(made.image, truth) + self.plan.decibel_weight * decibel_loss(made.image, truth)
            moved = 0.5 * (picture_loss(made.x0_warped, truth) + picture_loss(made.x1_warped, truth))
            off = motion_loss(made.motions, tf.cast(batch.motions, tf.float32), batch.known)
            total = loss + weights[0] * moved + weights[1] * off
        gradients, norm = tf.clip_by_global_norm(tape.gradient(total, self._weights), _CLIP_NORM)
        return loss, norm, gradients

    def _take_step(self, gradients: list[tf.Tensor], keep: tf.Tensor) -> None:
        self._optimizer.apply_gradients(zip(gradients, self._weights, strict=True))
        for average, weight in zip(self._average.trainable_variables, self._weights, strict=True):
            average.assign(average * keep + weight * (1.0 - keep))

    def _middle(self, batch: Batch) -> tf.Tensor:
        made, truth = _made_again(self._average, batch)
        return psnr(made.image, truth)


def _made_again(network: FilmNetwork, batch: Batch) -> tuple[Made, tf.Tensor]:
    """Make a batch's middle frames from its outer ones; give what was made, and the true ones."""
    first, truth, second = tf.unstack(tf.cast(batch.frames, tf.float32) / _LEVELS, axis=1)
    pair = network.encode(first), network.encode(second)
    flows = network.flows(*pair, tf.cast(batch.found, tf.float32))
    return network.make(*pair, flows, batch.instants), truth


def _adopt(
    config: FilmConfig, start: WeightSet, fresh: dict[str, NDArray[np.float32]]
) -> dict[str, NDArray[np.float32]]:
    """Put a weight set's tensors in place of fresh ones, all but those that it may lack."""
    tensors = {name: start.tensors.get(name, value) for name, value in fresh.items() if "/motion_" in name}
    try:
        check_weights(config, found := {**tensors, **start.tensors})
    except WeightsMismatch as error:
        raise OptionError(f"the weights {start.name!r} are of another network than the planned one: {error}") from error
    return found
