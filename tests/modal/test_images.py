"""Images are not built in tests, so what they declare is compared with what their code imports."""

import functools
import json
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.modal.shop import Shop
from tests.modal_plane.fixture import ROOT

OURS = {"film", "schemas", "service"}
GIVEN = "modal"  # with all that it needs, it is in every container

# The GPU's image has the package for all devices, this machine the one for processors alone.
HERE = {"tensorflow": "tensorflow-cpu"}

OPENED = """
import contextlib
import service.backends.modal, service.bootstrap, service.logs, service.settings
from service.backends.sql import Database
from service.errors import BackendAway
with contextlib.suppress(BackendAway):
    Database.at("postgresql://nobody@127.0.0.1:1/none")
"""
WEB = f"""{OPENED}
import service.backends.modal.operator, service.backends.modal.progress, service.web.app, service.web.bodies
"""
JOB = f"""{OPENED}
import film.video, service.backends.modal.pieces, service.web.bodies, service.worker.called
film.video.find_ffmpeg()
"""
IMPORTS = {
    "begin": WEB,
    "look": WEB,
    "sweep": WEB,
    "web": WEB,
    "run_job": JOB,
    "Interpolator": f"{JOB}\nimport film.interpolator, film.weights",
}

# Whatever isn't declared can't be imported; a library that tries something optional finds that it isn't there.
ONLY_DECLARED = """
import json, re, sys
from importlib.metadata import packages_distributions

allowed, found = set(json.loads(sys.argv[1])), packages_distributions()

class Refuse:
    @staticmethod
    def find_spec(name, path=None, target=None):
        homes = {re.sub(r"[-_.]+", "-", home).lower() for home in found.get(name.partition(".")[0], ())}
        if homes and not homes & allowed:
            raise ModuleNotFoundError(f"{name} isn't declared", name=name)

sys.meta_path.insert(0, Refuse)
"""


@functools.cache
def imported(statements: str, declared: frozenset[str]) -> str:
    """Run statements where nothing but the declared can be imported; give what went wrong."""
    allowed = json.dumps(sorted({*declared, "film-interpolation"}))
    command = [sys.executable, "-c", ONLY_DECLARED + statements, allowed]
    ended = subprocess.run(command, check=False, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    return ended.stderr if ended.returncode else ""


def closure_of(requirements: list[str]) -> set[str]:
    """Give the names of what is installed with requirements, as it is installed here."""
    found: set[str] = set()
    asked: set[tuple[str, str]] = set()
    waiting = [Requirement(each) for each in requirements]
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        found |= {name, HERE.get(name, name)}
        for extra in ("", *wanted.extras):
            if (name, extra) in asked:
                continue
            asked.add((name, extra))
            try:
                needed = distribution(HERE.get(name, name)).requires or []
            except PackageNotFoundError:  # for a GPU
                continue
            further = [Requirement(each) for each in needed]
            waiting += [each for each in further if each.marker is None or each.marker.evaluate({"extra": extra})]
    return found


@pytest.mark.parametrize("function", sorted(IMPORTS))
def test_an_image_declares_what_its_code_imports(shop: Shop, function: str) -> None:
    declared = closure_of([*shop.plane.functions()[function].packages, GIVEN])
    assert imported(IMPORTS[function], frozenset(declared)) == ""
    without = frozenset(declared - {"psycopg", "psycopg-binary"})
    assert "psycopg isn't declared" in imported(WEB, without)


def test_every_function_is_looked_at(shop: Shop) -> None:
    assert set(shop.plane.functions()) == set(IMPORTS)


def test_what_images_declare_is_what_was_tested(shop: Shop) -> None:
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    locked: dict[str, str] = {
        canonicalize_name(line.partition("==")[0]): line.partition("==")[2] for line in lines if "==" in line
    }
    declared = {each for function in shop.plane.functions().values() for each in function.packages}
    for each in declared:
        name, version = re.fullmatch(r"([\w.-]+)(?:\[[\w,-]+\])?==([\w.]+)", each).groups()  # type: ignore[union-attr]  # it fails where it isn't pinned
        assert locked[HERE.get(name, canonicalize_name(name))] == version, each


def test_the_web_has_neither_the_library_nor_its_network(shop: Shop) -> None:
    functions = shop.plane.functions()
    rooms = {
        name: {file.split("/")[1] for file in function.uploads if file.startswith("root/")} & OURS
        for name, function in functions.items()
    }
    assert {name for name, found in rooms.items() if "film" in found} == {"run_job", "Interpolator"}
    assert all({"schemas", "service"} <= found for found in rooms.values())
    heavy = {name: "tensorflow" in " ".join(function.packages) for name, function in functions.items()}
    assert {name for name, is_heavy in heavy.items() if is_heavy} == {"Interpolator"}
    assert not any("numpy" in each for each in functions["web"].packages)
    assert {name for name, function in functions.items() if function.gpu} == {"Interpolator"}
