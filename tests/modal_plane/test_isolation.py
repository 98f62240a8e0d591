"""What a container sees: what was declared, and nothing else of the machine or of its neighbours."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import modal
import pytest

from tests.modal_plane.fixture import ROOT, Plane, PlaneFailed
from tests.modal_plane.rooms import HOME

APPS = Path(__file__).parent / "apps"


@pytest.fixture(params=["plane", "linked"])
def any_plane(request: pytest.FixtureRequest) -> Plane:
    """A plane whose containers have namespaces, where the machine permits, and one whose don't."""
    plane = request.getfixturevalue(request.param)
    assert isinstance(plane, Plane)
    return plane


def _seen(plane: Plane, packages: list[str], paths: list[str]) -> dict[str, Any]:
    surroundings = plane.function("sample", "surroundings")
    told: dict[str, Any] = surroundings.remote(packages, paths)
    return told


def test_of_packages_only_those_are_there_that_are_declared_or_installed(any_plane: Plane) -> None:
    packages = ["declared_room", "undeclared_room", "film", "tests.modal_plane", "aiohttp"]
    seen = _seen(any_plane, packages, [])
    assert seen["packages"] == ["declared_room", "aiohttp"]
    assert seen["greeting"] == "hello from what was declared"


def test_an_app_that_forgets_a_package_does_not_start(plane: Plane, tmp_path: Path) -> None:
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
        plane.modal("run", str(app), extra={"PYTHONPATH": str(APPS / "packages")})


def test_the_app_s_file_is_the_only_one_that_goes_up_by_itself(plane: Plane) -> None:
    assert plane.functions()["wait"].uploads == ["root/declared_room/__init__.py", "root/sample.py"]


def test_the_environment_is_the_image_s_the_secrets_and_what_modal_gives(any_plane: Plane) -> None:
    environment = _seen(any_plane, [], [])["environment"]
    declared = {"COLOUR": "red", "SHAPE": "round", "API_KEY": "s3cret"}
    assert declared.items() <= environment.items()
    others = {name for name in environment if not name.startswith("MODAL_")} - declared.keys()
    own = {"HOME", "LANG", "PATH", "PYTHONPATH", "PYTHONUNBUFFERED", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES"}
    assert others <= own | {"TMPDIR"}


def test_temporary_files_are_a_container_s_own(any_plane: Plane) -> None:
    assert "mine" in _seen(any_plane, [], [])["temporary"]
    assert not Path("/tmp/mine").exists()  # noqa: S108  # where it would be if it were shared


def test_with_namespaces_a_container_sees_nothing_else_of_the_machine(plane: Plane, tmp_path: Path) -> None:
    if not plane.isolated:  # all that can be asked of it here is that it says so
        assert "containers have one root" in plane.output
        return
    seen = _seen(plane, [], [str(ROOT / "pyproject.toml"), str(tmp_path), "/usr/bin"])
    assert seen["paths"] == ["/usr/bin"]
    assert (seen["file"], seen["folder"]) == (f"{HOME}/sample.py", HOME)


def test_an_image_s_packages_are_known_though_it_isn_t_built(plane: Plane) -> None:
    image = plane.functions()["wait"]
    assert image.packages == ["left-pad==1.0", "right-pad>=2"]
    assert image.environment == {"COLOUR": "red"}
    assert any(command.startswith("FROM python:3.11") for command in image.commands)


def test_two_planes_share_nothing(plane: Plane, lenient: Plane) -> None:
    modal.Dict.from_name("mine", create_if_missing=True, client=plane.client).hydrate()
    with pytest.raises(modal.exception.NotFoundError):
        modal.Dict.from_name("mine", client=lenient.client).hydrate()
    with pytest.raises(modal.exception.NotFoundError):
        plane.function("pages", "web").hydrate()


def test_the_launcher_says_what_it_can_t_do(tmp_path: Path) -> None:
    launcher = Path(__file__).parent / "guest" / "launch.py"
    ended = subprocess.run([sys.executable, str(launcher), str(tmp_path / "none")], check=False, capture_output=True)
    assert b"No such file" in ended.stderr
