"""`film train`: teach a network, from photographs and clips alone."""

import argparse
import logging
from pathlib import Path
from typing import Any

from film import weights
from film.commands.loading import quiet
from film.errors import OptionError

__all__ = ["add_parser"]

_RESULT = "weights.safetensors"


def add_parser(subparsers: Any) -> None:
    """Add the `train` command to an argument parser's subcommands; see `film.training.loop.Plan` for the ranges."""
    parser = subparsers.add_parser(
        "train",
        help="train the compact network on folders of photographs and videos",
        description="Trains the compact network. A line a minute says how far it is; the state to resume from and "
        f"the best weights so far ({_RESULT}) are written to the run's folder.",
    )
    parser.add_argument("--textures", type=Path, nargs="+", required=True, metavar="DIR", help="what to learn from")
    parser.add_argument("--minutes", type=float, required=True, help="when to be done, resumed runs included")
    parser.add_argument("--run", type=Path, default=Path("runs/compact"), dest="directory", help="the run's folder")
    parser.add_argument("--resume", action="store_true", help="go on with the run in that folder")
    parser.add_argument("--start", metavar="NAME", help="begin from this weight set instead of fresh weights")
    parser.add_argument("--name", default="compact", help="the name that the weights get")
    parser.add_argument("--size", type=int, default=128, help="height and width of the crops, pixels")
    parser.add_argument("--batch", type=int, default=4, help="crops in a step")
    parser.add_argument("--learning-rate", type=float, default=8e-4, help="Adam's, at the start")
    parser.add_argument("--warp-weight", type=float, default=0.5, help="what the bare flows count at the start")
    parser.add_argument("--motion-weight", type=float, default=0.01, help="what the true motion counts at the start")
    parser.add_argument("--decibel-weight", type=float, default=0.004, help="what a decibel counts")
    parser.add_argument("--average", type=float, default=0.999, help="what a step leaves of the weights' average")
    parser.add_argument("--validation", type=int, default=48, help="triplets to validate on every minute")
    parser.add_argument("--seed", type=int, default=0)
    parser.set_defaults(run=_train)


def _train(arguments: argparse.Namespace) -> int:
    # TensorFlow is loaded here rather than above: every other command starts without it.
    with quiet():
        from film.training.loop import Plan, Trainer

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    plan = Plan(
        textures=tuple(arguments.textures),
        minutes=arguments.minutes,
        size=arguments.size,
        batch=arguments.batch,
        learning_rate=arguments.learning_rate,
        warp_weight=arguments.warp_weight,
        motion_weight=arguments.motion_weight,
        decibel_weight=arguments.decibel_weight,
        average=arguments.average,
        validation=arguments.validation,
        seed=arguments.seed,
    )
    trainer = Trainer(plan, arguments.directory, start=weights.find(arguments.start) if arguments.start else None)
    if arguments.resume:
        trainer.resume()
    elif trainer.state_path.exists():
        raise OptionError(f"{trainer.state_path} exists: go on with --resume, or choose another folder with --run")
    result = arguments.directory / _RESULT
    best = trainer.progress.best_psnr
    try:
        for progress in trainer.run():
            if progress.best_psnr > best:
                best = progress.best_psnr
                _write(result, trainer, arguments.name)
    except BaseException as ended:
        if not isinstance(ended, Exception):  # by Ctrl-C or a signal: what was learnt since the last checkpoint is kept
            trainer.save()
        raise
    _write(result, trainer, arguments.name)
    print(result)
    return 0


def _write(path: Path, trainer: Any, name: str) -> None:
    provenance = trainer.provenance()
    found = weights.WeightSet.of(
        name,
        trainer.plan.network,
        tensors=trainer.best,
        version=str(provenance["date"]),
        training=provenance,
    )
    weights.save(path, found)
