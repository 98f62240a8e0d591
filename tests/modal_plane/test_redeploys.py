"""Deploying an app again while it works."""

from pathlib import Path

import modal
import pytest

from tests.modal_plane.fixture import Plane, eventually

APPS = Path(__file__).parent / "apps"


def test_running_work_ends_in_the_old_version_and_new_work_runs_in_the_new_one(plane: Plane) -> None:
    plane.deploy(APPS / "versions.py", {"VERSION": "1"})
    version = modal.Function.from_name("versions", "version", client=plane.client)
    old = version.spawn(4)
    eventually(lambda: "running 1" in plane.logs("version"))
    plane.deploy(APPS / "versions.py", {"VERSION": "2"})
    assert version.remote() == "2", "though the old container still works and only one is allowed"
    assert old.get(timeout=20) == "1"
    eventually(lambda: len(plane.containers("version")) == 1)
    with pytest.raises(modal.exception.NotFoundError):
        modal.Function.from_name("versions", "only_in_the_first", client=plane.client).remote()


def test_recreating_an_app_interrupts_its_containers_and_runs_their_inputs_again(plane: Plane) -> None:
    plane.deploy(APPS / "versions.py", {"VERSION": "3"})
    call = modal.Function.from_name("versions", "version", client=plane.client).spawn(60, only_in="3")
    eventually(lambda: "running 3" in plane.logs("version"))
    plane.modal("deploy", "--strategy", "recreate", str(APPS / "versions.py"), extra={"VERSION": "4"})
    assert call.get(timeout=20) == "4"


def test_an_app_that_is_stopped_is_gone(plane: Plane) -> None:
    plane.deploy(APPS / "versions.py")
    call = modal.Function.from_name("versions", "version", client=plane.client).spawn(60)
    eventually(lambda: plane.containers("version"))
    plane.modal("app", "stop", "--yes", "versions")
    with pytest.raises(modal.exception.RemoteError):
        call.get(timeout=5)
    with pytest.raises(modal.exception.NotFoundError):
        modal.Function.from_name("versions", "version", client=plane.client).remote()
    eventually(lambda: not plane.containers("version"))
