"""What a container sees: what was declared, and nothing else of the machine or of its neighbours."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import modal
import pytest

from tests.modal_plane.fixture import ROOT, Plane, PlaneFailed
from tests.modal_plane.rooms import HOME

APPS = Path(__file__).parent / "apps"
PACKAGES = {"PYTHONPATH": str(APPS / "packages")}


@pytest.fixture(scope="module", params=["auto", "links"])
def scoped(plane: Plane, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """A plane with the app that forgets a package; the second way is there for machines without namespaces."""
    if request.param == "auto":
        plane.deploy(APPS / "scoped.py", PACKAGES)
        yield plane
        plane.modal("app", "stop", "--yes", "scoped")
        return
    with Plane(tmp_path_factory.mktemp("links"), isolation="links") as linked:
        linked.deploy(APPS / "scoped.py", PACKAGES)
        yield linked


@pytest.fixture
def call(scoped: Plane) -> Callable[..., object]:
    return lambda name, *arguments: modal.Function.from_name("scoped", name, client=scoped.client).remote(*arguments)


def test_a_declared_package_is_there(call: Callable[..., object]) -> None:
    assert call("greeting") == "hello from what was declared"


@pytest.mark.parametrize("package", ["undeclared_room", "film", "tests.modal_plane"])
def test_a_package_that_was_not_declared_is_missing(call: Callable[..., object], package: str) -> None:
    assert not call("can_import", package)


def test_a_package_that_is_installed_is_there(call: Callable[..., object]) -> None:
    assert call("can_import", "aiohttp")


def test_the_app_s_file_is_the_only_one_that_goes_up_by_itself(scoped: Plane) -> None:
    uploads = scoped.functions()["greeting"].uploads
    assert uploads == ["root/declared_room/__init__.py", "root/scoped.py"]


def test_an_app_that_forgets_a_package_it_needs_does_not_start(scoped: Plane, tmp_path: Path) -> None:
    app = tmp_path / "forgetful.py"
    app.write_text(
        "import modal\n"
        "app = modal.App('forgetful', image=modal.Image.debian_slim())\n"
        "import undeclared_room\n"
        "@app.function()\n"
        "def run():\n"
        "    pass\n",
    )
    with pytest.raises(PlaneFailed, match="No module named 'undeclared_room'"):
        scoped.modal("run", str(app), extra=PACKAGES)


def test_the_environment_is_the_image_s_the_secrets_and_what_modal_gives(plane: Plane) -> None:
    environment = modal.Function.from_name("sample", "surroundings", client=plane.client).remote()
    assert {name: environment[name] for name in ("COLOUR", "SHAPE", "API_KEY")} == {
        "COLOUR": "red",
        "SHAPE": "round",
        "API_KEY": "s3cret",
    }
    others = {name for name in environment if not name.startswith("MODAL_")} - {"COLOUR", "SHAPE", "API_KEY"}
    own = {"HOME", "LANG", "PATH", "PYTHONPATH", "PYTHONUNBUFFERED", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES"}
    assert others <= own | {"TMPDIR", "LC_CTYPE"}


def test_an_image_s_packages_are_known_though_it_isn_t_built(plane: Plane) -> None:
    image = plane.functions()["wait"]
    assert image.packages == ["left-pad==1.0", "right-pad>=2"]
    assert image.environment == {"COLOUR": "red"}
    assert any(command.startswith("FROM python:3.11") for command in image.commands)


def test_containers_with_namespaces_see_neither_the_checkout_nor_each_other_s_files(
    plane: Plane,
    tmp_path: Path,
) -> None:
    plane.deploy(APPS / "scoped.py", PACKAGES)
    if not plane.isolated:  # then there is nothing to see here but that the plane says so
        assert "containers have one root" in plane.output
        return
    exists = modal.Function.from_name("scoped", "exists", client=plane.client)
    assert not exists.remote(str(ROOT / "pyproject.toml"))
    assert not exists.remote(str(tmp_path))
    place, folder, _ = modal.Function.from_name("scoped", "place", client=plane.client).remote()
    assert (place, folder) == (f"{HOME}/scoped.py", HOME)
    assert modal.Function.from_name("scoped", "leave_behind", client=plane.client).remote("/tmp/mine") == 1  # noqa: S108
    assert not Path("/tmp/mine").exists()  # noqa: S108


def test_two_planes_share_nothing(plane: Plane, tmp_path: Path) -> None:
    with Plane(tmp_path) as other:
        with pytest.raises(modal.exception.NotFoundError):
            modal.Function.from_name("sample", "wait", client=other.client).remote(0)
        other.deploy(APPS / "versions.py")
        assert modal.Function.from_name("versions", "version", client=other.client).remote() == "1"
    assert "versions" not in {each.app for each in plane.containers()}


def test_the_launcher_says_what_it_can_t_do(tmp_path: Path) -> None:
    launcher = Path(__file__).parent / "guest" / "launch.py"
    ended = subprocess.run([sys.executable, str(launcher), str(tmp_path / "none")], check=False, capture_output=True)
    assert b"No such file" in ended.stderr
