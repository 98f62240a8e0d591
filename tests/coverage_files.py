"""Drops the coverage of processes that tests killed while they wrote it: one broken file would spoil all.

    python -m tests.coverage_files

A step of `make test`, between the tests and the report.
"""

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

__all__ = ["broken", "main"]


def broken(folder: Path) -> Iterator[Path]:
    """Give coverage's data files in a folder that can't be read whole."""
    for file in sorted(folder.glob(".coverage.*")):
        try:
            with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as data:
                whole = data.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
                whole = whole and data.execute("SELECT count(*) FROM coverage_schema").fetchone() == (1,)
        except sqlite3.Error:
            whole = False
        if not whole:
            yield file


def main() -> int:
    """Remove them from the folder that we are in, and say how many there were."""
    found = list(broken(Path()))
    for file in found:
        file.unlink()
    if found:
        print(f"{len(found)} processes were killed while they wrote their coverage")
    return 0


if __name__ == "__main__":
    sys.exit(main())
