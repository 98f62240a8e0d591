"""The state of a training run on disk, complete enough to go on as if nothing had happened."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from film.errors import TrainingError
from film.weights.files import disk_errors

__all__ = ["Checkpoint", "Progress"]


@dataclass
class Progress:
    """How far a run has come.

    Attributes:
        steps: Steps taken.
        skipped: Of these, steps whose gradient wasn't finite or exploded, and wasn't applied.
        minutes: Time spent learning, in all sessions together.
        best_psnr: Best validation so far, dB.
        gradient_norm: Running mean of the gradient's norm, which tells what an explosion is.
    """

    steps: int = 0
    skipped: int = 0
    minutes: float = 0.0
    best_psnr: float = float("-inf")
    gradient_norm: float = 0.0


@dataclass(frozen=True)
class Checkpoint:
    """Everything that a run has to remember."""

    progress: Progress
    weights: Mapping[str, NDArray[np.float32]]
    average: Mapping[str, NDArray[np.float32]]
    best: Mapping[str, NDArray[np.float32]]
    optimizer: Sequence[NDArray[np.generic]]
    start: dict[str, object] | None = None  # the weights that it began with: name, digest, how they were trained

    def save(self, path: Path) -> None:
        """Write to `path`, by way of a file beside it, so that a crash leaves the one before.

        Raises:
            NoSpace: If the disk is full.
            TargetUnwritable: If the file can't be written for another reason.
        """
        tensors: dict[str, NDArray[np.generic]] = {}
        for part in ("weights", "average", "best"):
            tensors |= {f"{part}/{name}": np.ascontiguousarray(value) for name, value in getattr(self, part).items()}
        for index, value in enumerate(self.optimizer):
            tensors[f"optimizer/{index:04d}"] = np.atleast_1d(np.ascontiguousarray(value))
        content = save(tensors, {"progress": json.dumps({**asdict(self.progress), "start": self.start})})
        beside = path.with_name(f".{path.name}.partial")
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with beside.open("wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                beside.replace(path)
            finally:
                beside.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: Path) -> "Checkpoint":
        """Read what `save` wrote.

        Raises:
            TrainingError: If there is no such file, or it isn't a checkpoint.
        """
        parts: dict[str, dict[str, NDArray[np.generic]]] = {"weights": {}, "average": {}, "best": {}, "optimizer": {}}
        try:
            with safe_open(path, "np") as file:
                values = json.loads((file.metadata() or {})["progress"])
                start = values.pop("start")
                progress = Progress(**values)
                for key in file.keys():  # noqa: SIM118 (not a mapping)
                    part, _, name = key.partition("/")
                    parts[part][name] = file.get_tensor(key)
        except (OSError, SafetensorError, AttributeError, KeyError, TypeError, ValueError) as error:
            raise TrainingError(f"{path} is not a checkpoint to resume from: {error}") from error
        optimizer = [value for _, value in sorted(parts.pop("optimizer").items())]
        return cls(progress, optimizer=optimizer, start=start, **parts)  # type: ignore[arg-type]
