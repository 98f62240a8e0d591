"""The rules that import-linter can't see: what an import costs, what a module promises, what the tree may hold."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("film", "schemas", "service")
MODULES = sorted(file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))

HEAVY = ("tensorflow", "keras", "cv2", "skimage", "scipy")

# Beyond the commands themselves: where the user's weights are. The service's settings are pydantic's to read.
READS_THE_ENVIRONMENT = {"film/__main__.py", "film/weights/cache.py", "service/__main__.py"}


def _name(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _loaded_by(statement: str) -> set[str]:
    """Give the top-level modules that a fresh interpreter has loaded after a statement."""
    code = f"import sys; {statement}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    ended = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return set(ended.stdout.split())


def test_importing_film_loads_no_numerics() -> None:
    assert not _loaded_by("import film") & {"numpy", "ffmpeg", "rich", *HEAVY}


@pytest.mark.parametrize(
    "module",
    ["errors", "timeline", "schedule", "tiles", "network.config", "weights", "video", "scenes"],
)
def test_rooms_that_compute_nothing_load_no_tensorflow(module: str) -> None:
    assert not _loaded_by(f"import film.{module}") & {"tensorflow", "keras"}


def test_the_arithmetic_floors_load_nothing_but_the_standard_library() -> None:
    loaded = _loaded_by("import film.errors, film.timeline, film.schedule")
    assert loaded - {"film"} <= set(sys.stdlib_module_names) | _loaded_by("pass")


@pytest.mark.parametrize("file", MODULES, ids=_name)
def test_every_module_says_what_it_is_and_what_it_offers(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), "no module docstring"
    if file.name == "__main__.py":
        return  # importing it is not running it, but what it offers is a command
    module = importlib.import_module(_name(file))
    offered = module.__all__
    assert len(set(offered)) == len(offered)
    missing = [name for name in offered if not hasattr(module, name)]
    assert not missing
    defined = {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and not any(ast.unparse(decorator).startswith("router.") for decorator in node.decorator_list)
    }
    assert defined <= set(offered), "public names that __all__ leaves out"


def test_the_web_process_knows_neither_the_library_nor_numerics(tmp_path: Path) -> None:
    made = (
        "from pathlib import Path; import service.bootstrap, service.commands.serve, service.web.server; "
        "from service.settings import Settings; from service.web.app import create_app; "
        f"create_app(service.bootstrap.open_shop(Settings(data_dir=Path({str(tmp_path)!r})))).openapi()"
    )
    assert not _loaded_by(made) & {"film", "numpy", "modal", *HEAVY}


def test_every_folder_that_holds_modules_is_a_package() -> None:
    folders = {file.parent for file in MODULES}
    assert [folder for folder in sorted(folders) if not (folder / "__init__.py").is_file()] == []


def test_the_environment_is_read_in_known_places_only() -> None:
    readers = set()
    for file in MODULES:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            named = (isinstance(node, ast.Attribute) and node.attr in {"environ", "environb", "getenv"}) or (
                isinstance(node, ast.alias) and node.name in {"environ", "environb", "getenv"}
            )
            if named:
                readers.add(file.relative_to(ROOT).as_posix())
    assert readers <= READS_THE_ENVIRONMENT


def test_only_commands_print() -> None:
    printers = {
        file.relative_to(ROOT).as_posix()
        for file in MODULES
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    }
    rooms = tuple(f"{package}/{room}" for package in PACKAGES for room in ("commands/", "__main__.py"))
    assert {name for name in printers if not name.startswith(rooms)} == set()


def test_only_settings_and_bootstrap_ask_for_what_an_operator_set() -> None:
    """Whoever else needs a setting is given it: `Settings.read` is for where a process begins."""
    readers = {
        file.relative_to(ROOT).as_posix()
        for file in MODULES
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and (
            (isinstance(node.func, ast.Name) and node.func.id == "Settings")
            or (isinstance(node.func, ast.Attribute) and ast.unparse(node.func) == "Settings.read")
        )
    }
    assert readers == {"service/commands/common.py"}


def test_the_lock_file_names_versions_and_no_place() -> None:
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert len(pins) > 40
    assert [pin for pin in pins if pin.count("==") != 1 or set(pin) & set("/@: ;")] == []


def test_no_path_of_the_machine_it_was_written_on_is_in_the_tree() -> None:
    places = tuple(f"/{folder}/" for folder in ("work", "root", "home", "Users"))
    texts = [
        file
        for folder in (*PACKAGES, "tests", "benchmarks", ".ci")
        for file in sorted((ROOT / folder).rglob("*"))
        if file.is_file() and file.suffix in {".py", ".md", ".json", ".toml", ""}
    ]
    texts += [file for file in ROOT.iterdir() if file.is_file() and file.suffix in {".md", ".toml", ".lock", ""}]
    found = [
        str(file.relative_to(ROOT))
        for file in texts
        if any(place in file.read_text(encoding="utf-8", errors="replace") for place in places)
    ]
    assert found == []
