"""Deploying an app again while it works."""

from pathlib import Path
from typing import Any

import modal
import pytest

from tests.modal_plane.fixture import Plane, eventually

Function = Any  # it is known to the plane only

APPS = Path(__file__).parent / "apps"


@pytest.fixture(scope="module")
def version(plane: Plane) -> Function:
    plane.deploy(APPS / "versions.py", {"VERSION": "1"})
    return plane.function("versions", "version")


def test_running_work_ends_in_the_old_version_and_new_work_runs_in_the_new_one(
    plane: Plane,
    version: Function,
) -> None:
    seen = modal.Dict.from_name("seen", client=plane.client)
    now = version.remote()
    old = version.spawn(60, only_in=now, until="deployed")
    eventually(lambda: any(each.running for each in plane.containers("version")))
    plane.deploy(APPS / "versions.py", {"VERSION": f"{now}+"})
    assert version.remote() == f"{now}+", "though the old container still works and only one is allowed"
    seen["deployed"] = True
    assert old.get(timeout=20) == now
    eventually(lambda: len(plane.containers("version")) == 1)
    with pytest.raises(modal.exception.NotFoundError):
        plane.function("versions", "only_in_the_first").hydrate()


def test_recreating_an_app_interrupts_its_containers_and_runs_their_inputs_again(
    plane: Plane,
    version: Function,
) -> None:
    now = version.remote()
    call = version.spawn(60, only_in=now)
    eventually(lambda: any(each.running for each in plane.containers("version")))
    plane.modal("deploy", "--strategy", "recreate", str(APPS / "versions.py"), extra={"VERSION": f"{now}!"})
    assert call.get(timeout=20) == f"{now}!"
