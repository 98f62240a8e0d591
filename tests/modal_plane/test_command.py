"""The command that starts a plane, and its end."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
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
def busy(tmp_path: Path) -> Iterator[tuple[Plane, int]]:
    """A plane whose container works, and the container's process."""
    with Plane(tmp_path) as plane:
        plane.deploy(APPS / "versions.py")
        modal.Function.from_name("versions", "version", client=plane.client).spawn(60)
        eventually(lambda: "running 1" in plane.logs("version"))
        yield plane, plane.containers("version")[0].pid


def test_a_plane_that_is_told_to_end_takes_its_containers_along(busy: tuple[Plane, int]) -> None:
    plane, pid = busy
    assert plane.end() == 0
    assert not _alive(pid)


def test_no_container_outlives_a_plane_that_is_killed(busy: tuple[Plane, int]) -> None:
    plane, pid = busy
    assert plane.end(signal.SIGKILL) == -signal.SIGKILL
    eventually(lambda: not _alive(pid))


def test_it_serves_the_port_it_is_told_to_on_loopback_only(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "tests.modal_plane", "--port", str(port), "--state", str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout
        assert process.stdout.readline().startswith(f"# ready: gRPC at http://127.0.0.1:{port}, ")
        assert f"export MODAL_SERVER_URL=http://127.0.0.1:{port} " in process.stdout.readline()
        process.send_signal(signal.SIGINT)
    assert process.returncode == 0


def test_a_plane_that_can_t_start_says_why(tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(PlaneFailed, match="[Aa]ddress already in use"),
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
