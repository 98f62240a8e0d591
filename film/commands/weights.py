"""`film weights`: list, path, import, fetch."""

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Table

from film.commands.loading import quiet
from film.errors import OptionError
from film.weights import Archive, CatalogueEntry, entries, fetch, import_saved_model, locate
from film.weights.download import Progress as OnProgress

__all__ = ["add_parser"]

_MIB = 1024 * 1024
_PLAIN_STEP_BYTES = 16 * _MIB  # one line of plain progress each


def add_parser(subparsers: Any) -> None:
    """Add the `weights` command to an argument parser's subcommands.

    Each of its actions sets `run` to a function that takes the parsed arguments and gives the
    exit code; a `FilmError` passes through it.
    """
    parser = subparsers.add_parser("weights", help="list, locate, import and fetch trained weights")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)

    listing = actions.add_parser("list", help="show every weight set that can be named with --model")
    listing.add_argument("--json", action="store_true", help="as JSON, with all details")
    listing.set_defaults(run=_list)

    path = actions.add_parser("path", help="print where the file of a weight set is")
    path.add_argument("name", metavar="NAME")
    path.set_defaults(run=_path)

    importing = actions.add_parser("import", help="convert a SavedModel of the published network")
    importing.add_argument("directory", metavar="SAVED_MODEL_DIR", help="the folder that holds saved_model.pb")
    importing.add_argument("--name", required=True, help="what to call it; `style` makes it the default")
    importing.add_argument("--licence", default="unknown", help="its licence, kept with it (an SPDX identifier)")
    importing.add_argument("--overwrite", action="store_true", help="replace a set of that name")
    importing.set_defaults(run=_import)

    fetching = actions.add_parser("fetch", help="download a published weight set")
    fetching.add_argument("name", metavar="NAME", help="style, l1 or vgg")
    fetching.add_argument("--from", dest="url", metavar="URL", help="a mirror's tar.gz instead of the listed sources")
    fetching.add_argument("--sha256", help="that archive's digest, checked before it is unpacked")
    fetching.set_defaults(run=_fetch)


def _list(arguments: argparse.Namespace) -> int:
    found = entries()
    if arguments.json:
        plain = [{**asdict(entry), "path": None if entry.path is None else str(entry.path)} for entry in found]
        print(json.dumps(plain, indent=2))
    elif sys.stdout.isatty():
        _print_table(found)
    else:
        for entry in found:
            print("\t".join((entry.name, entry.kind, _size(entry), entry.licence, _state(entry), _where(entry))))
    return 0


def _path(arguments: argparse.Namespace) -> int:
    print(locate(arguments.name))
    return 0


def _import(arguments: argparse.Namespace) -> int:
    _load_tensorflow()
    path = import_saved_model(
        arguments.directory,
        name=arguments.name,
        training={"licence": arguments.licence},
        overwrite=arguments.overwrite,
    )
    print(path)
    return 0


def _load_tensorflow() -> None:
    with quiet():
        import film.network.model  # noqa: F401 (TensorFlow, which the import of a SavedModel needs)


def _fetch(arguments: argparse.Namespace) -> int:
    if arguments.sha256 is not None and arguments.url is None:
        raise OptionError("--sha256 is for an archive named with --from; listed sources have theirs")
    sources = None if arguments.url is None else (Archive(url=arguments.url, sha256=arguments.sha256),)
    _load_tensorflow()
    with _progress(arguments.name) as on_progress:
        path = fetch(arguments.name, on_progress=on_progress, sources=sources)
    print(path)
    return 0


def _print_table(found: list[CatalogueEntry]) -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("name", "kind", "size", "licence", "state", "what and where from"):
        table.add_column(column, justify="right" if column == "size" else "left", overflow="fold")
    for entry in found:
        what = "\n".join((entry.description, *entry.sources))
        table.add_row(entry.name, entry.kind, _size(entry), entry.licence, _state(entry), what)
    Console(markup=False).print(table)  # a path may have brackets in it


def _size(entry: CatalogueEntry) -> str:
    return "-" if entry.size_bytes is None else f"{entry.size_bytes / _MIB:.1f} MiB"


def _state(entry: CatalogueEntry) -> str:
    if entry.problem is not None:
        return "damaged"
    return "installed" if entry.installed else "not installed"


def _where(entry: CatalogueEntry) -> str:
    return str(entry.path) if entry.path is not None else ", ".join(entry.sources) or "-"


@contextmanager
def _progress(name: str) -> Iterator[OnProgress]:
    """Show a download on standard error: a bar on a terminal, else a line now and then."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _plain_progress(name)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _plain_progress(name: str) -> OnProgress:
    told = -1

    def tell(done: int, total: int | None) -> None:
        nonlocal told
        step = done // _PLAIN_STEP_BYTES
        if step == told and done != total:
            return
        told = step
        of = "" if total is None else f" of {total / _MIB:.1f}"
        print(f"{name}: {done / _MIB:.1f}{of} MiB", file=sys.stderr)

    return tell
