"""The `film-service` command.

Exit codes: 0 done, which for `serve` and `worker` means that SIGTERM ended them in good order; 1 it can't be
done, and one line on standard error says why; 2 the command line or a setting is wrong; 130 interrupted,
143 asked to end before that was possible in good order, 129 the terminal is gone.
"""

import argparse
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Sequence

from service.commands import keys, serve, settings
from service.commands.common import SettingsError
from service.errors import ServiceError

__all__ = ["main"]

_WRONG = 2
_SIGNALLED = 128


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line `arguments`, or the process's own, and give the exit code."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # the workers' TensorFlow: only its errors are of use
    logging.basicConfig(handlers=[logging.NullHandler()])  # one line says what is wrong; servers log for themselves
    try:
        parsed = _parser().parse_args(arguments)
        code: int = parsed.run(parsed)
        sys.stdout.flush()  # here, where it is still noticed that nobody reads it
    except SettingsError as error:
        _complain(str(error))
        return _WRONG
    except ServiceError as error:
        _complain(str(error))
        return 1
    except KeyboardInterrupt:
        _complain("interrupted")
        return _SIGNALLED + signal.SIGINT
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


def _complain(line: str) -> None:
    with contextlib.suppress(OSError):  # the terminal may be gone
        print(f"film-service: {' '.join(line.splitlines())}", file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="film-service", description="Frame interpolation as a service.")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in (serve, keys, settings):
        command.add_parser(subparsers)
    return parser


if __name__ == "__main__":
    sys.exit(main())
