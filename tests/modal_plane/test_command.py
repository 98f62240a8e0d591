"""The command that starts a plane, and its end."""

import io
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import modal
import pytest

from tests.modal_plane.fixture import ROOT, Plane, PlaneFailed, eventually
from tests.modal_plane.version import PINNED, WrongModal, require_modal

APPS = Path(__file__).parent / "apps"


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _working(plane: Plane) -> int:
    """Have a container work, and give its process."""
    plane.deploy(APPS / "versions.py")
    plane.function("versions", "version").spawn(60)
    return eventually(lambda: next((each.pid for each in plane.containers() if each.running), None))


def test_a_plane_that_is_told_to_end_takes_its_containers_along_and_keeps_its_data(tmp_path: Path, port: int) -> None:
    with Plane(tmp_path) as plane:
        modal.Dict.from_name("kept", create_if_missing=True, client=plane.client)["key"] = "value"
        with modal.Volume.from_name(
            "kept", create_if_missing=True, version=2, client=plane.client
        ).batch_upload() as up:
            up.put_file(io.BytesIO(b"content"), "/file")
        pid = _working(plane)
        assert plane.end(signal.SIGTERM) == 0
        assert not _alive(pid)
    with Plane(tmp_path, port=port) as plane:
        assert plane.url == f"http://127.0.0.1:{port}"
        assert modal.Dict.from_name("kept", client=plane.client)["key"] == "value"
        assert b"".join(modal.Volume.from_name("kept", client=plane.client).read_file("file")) == b"content"
        assert plane.end(signal.SIGINT) == 0


def test_no_container_outlives_a_plane_that_is_killed(tmp_path: Path) -> None:
    with Plane(tmp_path) as plane:
        pid = _working(plane)
        assert plane.end(signal.SIGKILL) == -signal.SIGKILL
        eventually(lambda: not _alive(pid))


def test_a_plane_that_can_t_start_says_why(tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(PlaneFailed, match=r"[Aa]ddress already in use"),
        Plane(tmp_path, port=taken.getsockname()[1]),
    ):
        pass


@pytest.mark.parametrize("installed", ["1.6.3", None])
def test_another_modal_than_the_pinned_one_is_refused(installed: str | None) -> None:
    require_modal(PINNED)
    found = f"modal {installed} is" if installed else "modal is not"
    with pytest.raises(WrongModal, match=f"modal {PINNED}, but {found} installed: pip install modal=={PINNED}"):
        require_modal(installed)


def test_the_command_says_which_modal_it_needs(tmp_path: Path) -> None:
    metadata = tmp_path / "modal-9.9.9.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.1\nName: modal\nVersion: 9.9.9\n")
    ended = subprocess.run(
        [sys.executable, "-m", "tests.modal_plane", "--state", str(tmp_path)],
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 1
    assert ended.stderr == (
        f"error: the plane speaks the protocol of modal {PINNED}, but modal 9.9.9 is installed: "
        f"pip install modal=={PINNED}\n"
    )
