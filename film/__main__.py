"""The `film` command.

Exit codes: 0 done; 1 it can't be done, and one line on standard error says why and what to
do; 2 the command line is wrong; 130 interrupted, 143 asked to end.
"""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType

import film
from film.errors import FilmError

__all__ = ["main"]

_INTERRUPTED = 128 + signal.SIGINT
_TERMINATED = 128 + signal.SIGTERM


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line `arguments`, or the process's own, and give the exit code."""
    # TensorFlow tells at length what its build could do; only its errors are of use here.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    signal.signal(signal.SIGTERM, _terminate)
    parsed = _parser().parse_args(arguments)
    try:
        code: int = parsed.run(parsed)
    except FilmError as error:
        print(f"film: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("film: interrupted; nothing was written", file=sys.stderr)
        return _INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone; and nothing more can be said to them at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


def _parser() -> argparse.ArgumentParser:
    from film.commands import evaluate, interpolate, train, weights

    parser = argparse.ArgumentParser(prog="film", description="Smooth in-between frames for video.")
    parser.add_argument("--version", action="version", version=f"film-interpolation {film.__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in (interpolate, evaluate, train, weights):
        command.add_parser(subparsers)
    return parser


def _terminate(number: int, frame: FrameType | None) -> None:
    """End as an exception does, so that files and processes are cleaned up on the way."""
    del number, frame
    raise SystemExit(_TERMINATED)


if __name__ == "__main__":
    sys.exit(main())
