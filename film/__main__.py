"""The `film` command.

Exit codes: 0 done; 1 it can't be done, and one line on standard error says why and what to
do; 2 the command line is wrong; 130 interrupted, 143 asked to end, 129 the terminal is gone.
"""

import argparse
import contextlib
import io
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType

import film
from film.errors import FilmError

__all__ = ["main"]

# Ended by a signal, a program's exit code is this and the signal's number, by the shells' custom.
_SIGNALLED = 128


class _Ended(BaseException):
    """A signal asked us to end. It passes through everything, as Ctrl-C does, so that all is cleaned up on the way."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line `arguments`, or the process's own, and give the exit code."""
    # TensorFlow tells at length what its build could do; only its errors are of use here.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup leaves it
            signal.signal(number, _end)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a file's name may be no text
    try:
        parsed = _parser().parse_args(arguments)
        code: int = parsed.run(parsed)
        sys.stdout.flush()  # here, where it is still noticed that nobody reads it
    except FilmError as error:
        _complain(" ".join(str(error).splitlines()))
        return 1
    except KeyboardInterrupt:
        _complain("interrupted; nothing half-written is left")
        return _SIGNALLED + signal.SIGINT
    except _Ended as ended:
        _complain("asked to end; nothing half-written is left")
        return _SIGNALLED + int(ended.args[0])
    except BrokenPipeError:
        # Whoever read our output has gone; and nothing more can be said to them at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


def _complain(line: str) -> None:
    with contextlib.suppress(OSError):  # the terminal may be gone
        print(f"film: {line}", file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    from film.commands import evaluate, interpolate, train, weights

    parser = argparse.ArgumentParser(prog="film", description="Smooth in-between frames for video.")
    parser.add_argument("--version", action="version", version=f"film-interpolation {film.__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in (interpolate, evaluate, train, weights):
        command.add_parser(subparsers)
    return parser


def _end(number: int, frame: FrameType | None) -> None:
    del frame
    raise _Ended(number)


if __name__ == "__main__":
    sys.exit(main())
