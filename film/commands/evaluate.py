"""`film eval`: how good a model's frames are on triplets and clips."""

import argparse
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from film.commands.loading import quiet
from film.evaluation import SPACINGS, Evaluation, Score, evaluate

__all__ = ["add_parser"]

_COLUMNS = ("set", "frames", "PSNR", "SSIM", "blend PSNR", "blend SSIM", "gain", "s/frame")


def add_parser(subparsers: Any) -> None:
    """Add the `eval` command to an argument parser's subcommands.

    It sets `run` to a function that takes the parsed arguments and gives the exit code; a
    `FilmError` passes through it.
    """
    parser = subparsers.add_parser(
        "eval",
        help="measure quality on triplets and clips",
        description="Make known frames again and compare them with the true ones, beside a plain blend.",
    )
    parser.add_argument(
        "paths",
        nargs="+",
        type=Path,
        metavar="PATH",
        help="a folder of triplets (NAME/im1.png im2.png im3.png), or a clip whose frames are dropped and made again",
    )
    parser.add_argument("--model", metavar="NAME", help="the weight set; the best installed one by default")
    parser.add_argument(
        "--every",
        type=_spacing,
        default=2,
        metavar="N",
        help="of N frames of a clip keep one and make the others, 2 to 64; default 2",
    )
    parser.add_argument("--limit", type=_limit, metavar="N", help="measure at most N pairs of each set")
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    # Here, so that usage errors and --help don't wait for TensorFlow.
    with quiet():
        from film.interpolator import Interpolator

    maker = Interpolator(arguments.model)
    found: list[Evaluation] = []
    for path in arguments.paths:
        with _progress(path.name, quiet=arguments.json) as on_pair:
            found.append(evaluate(path, maker, every=arguments.every, limit=arguments.limit, on_pair=on_pair))
    if arguments.json:
        print(json.dumps({"model": maker.name, "sets": [evaluation.to_json() for evaluation in found]}, indent=2))
    else:
        Console().print(_table(maker.name, found), markup=False)
    return 0


def _table(model: str, found: list[Evaluation]) -> Table:
    """Lay out one line for every set, and below it one for every instant where there are several."""
    table = Table(title=f"{model}: PSNR and gain in dB", title_justify="left", box=None, pad_edge=False)
    for index, column in enumerate(_COLUMNS):
        # A long name is folded; a figure is never broken.
        table.add_column(column, justify="right" if index else "left", overflow="fold", min_width=6 if index else 12)
    for evaluation in found:
        table.add_row(evaluation.name, *_cells(evaluation.total), f"{evaluation.seconds_per_frame:.3f}")
        if len(evaluation.by_instant) > 1:
            for instant, score in evaluation.by_instant.items():
                table.add_row(f"  at {instant}", *_cells(score), "")
    return table


def _cells(score: Score) -> tuple[str, ...]:
    return (
        str(score.frames),
        f"{score.psnr:.2f}",
        f"{score.ssim:.4f}",
        f"{score.blend_psnr:.2f}",
        f"{score.blend_ssim:.4f}",
        f"{score.gain:+.2f}",
    )


@contextmanager
def _progress(name: str, *, quiet: bool) -> Iterator[Callable[[int], None] | None]:
    """Count pairs on standard error while it is a terminal."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield None
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}: {task.completed} pairs", markup=False))
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as bar:
        task = bar.add_task(name, total=None)
        yield lambda count: bar.update(task, completed=count)


def _spacing(text: str) -> int:
    """Read `--every`."""
    return _whole_number(text, SPACINGS[0], SPACINGS[-1])


def _limit(text: str) -> int:
    """Read `--limit`."""
    return _whole_number(text, 1, None)


def _whole_number(text: str, lowest: int, highest: int | None) -> int:
    wanted = f"a whole number from {lowest}" + ("" if highest is None else f" to {highest}")
    try:
        value = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not {wanted}") from None
    if value < lowest or (highest is not None and value > highest):
        raise argparse.ArgumentTypeError(f"{value} is not {wanted}")
    return value
