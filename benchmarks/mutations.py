"""Whether a forgotten commit or reload of a Volume would be noticed: each is taken out in turn, and tests are run.

    python -m benchmarks.mutations [--only TEXT]

Prints a line for each call of `service.backends.modal`, and ends with 1 if one of them isn't missed by any test.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.modal.copies import copy_project
from tests.modal_plane.fixture import ROOT

__all__ = ["Mutation", "failing_test", "main", "mutations"]

_PLACE = "service/backends/modal"
_CALL = re.compile(r"^(?P<indent>\s+)(?:self\._volume\.commit\(\)|volume\.reload\(\)|reload\(self\._volume.*?\))")
_TESTS = (
    "tests/modal/test_artifacts.py",
    "tests/modal/test_losses.py",
    "-k",
    "in_all or given_away or in_several_containers or container_is_killed",
)


@dataclass(frozen=True, kw_only=True)
class Mutation:
    """A call that is taken out."""

    file: str
    line: int
    call: str
    text: str
    """All of the file, without it."""

    def __str__(self) -> str:
        """Say which one it is."""
        return f"{self.file}:{self.line} {self.call}"


def mutations() -> list[Mutation]:
    """Find every call that commits or reloads a Volume."""
    found = []
    for file in sorted((ROOT / _PLACE).glob("*.py")):
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
        for number, line in enumerate(lines):
            match = _CALL.match(line)
            if match is not None:
                text = "".join([*lines[:number], f"{match['indent']}pass\n", *lines[number + 1 :]])
                name = file.relative_to(ROOT).as_posix()
                found.append(Mutation(file=name, line=number + 1, call=match[0].strip(), text=text))
    return found


def failing_test(mutation: Mutation, tests: Sequence[str] = _TESTS) -> str | None:
    """Run tests without a call, and give the first that fails; None where none does."""
    with tempfile.TemporaryDirectory(prefix="film-mutation-") as name:
        project = copy_project(Path(name), {mutation.file: mutation.text}, tests=True)
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
        ended = subprocess.run(command, check=False, cwd=project, stdout=subprocess.PIPE, text=True)
    failed = re.search(r"^(?:FAILED|ERROR) \S*?([\w-]+\.py::\S+)", ended.stdout, re.MULTILINE)
    assert (ended.returncode == 0) == (failed is None), ended.stdout
    return None if failed is None else failed[1]


def main(arguments: Sequence[str] | None = None) -> int:
    """Take out each call in turn."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutations", description=__doc__)
    parser.add_argument("--only", default="", metavar="TEXT", help="calls in whose place or text this is")
    only = parser.parse_args(arguments).only
    survived = 0
    for mutation in mutations():
        if only not in str(mutation):
            continue
        began = time.monotonic()
        failed = failing_test(mutation)
        survived += failed is None
        print(f"{mutation}: {failed or 'NOT NOTICED'} ({time.monotonic() - began:.0f} s)", flush=True)
    return int(survived > 0)


if __name__ == "__main__":
    sys.exit(main())
