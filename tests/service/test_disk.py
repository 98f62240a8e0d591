"""What the folder of files does beyond what every artifact store does."""

import errno
from pathlib import Path

import pytest

from service.backends.disk import DiskArtifacts
from service.errors import BackendAway
from tests.service.fakes import Clock


@pytest.fixture
def artifacts(tmp_path: Path, clock: Clock) -> DiskArtifacts:
    return DiskArtifacts(tmp_path / "files", clock)


def test_nobody_else_can_read_anything(artifacts: DiskArtifacts, tmp_path: Path) -> None:
    (tmp_path / "made").write_bytes(b"x")
    artifacts.put("results/a/1/clip.mp4", tmp_path / "made")
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "files").rglob("*")}
    assert modes == {0o700, 0o600}


def test_a_file_comes_whole_from_another_disk(
    artifacts: DiskArtifacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "made"
    file.write_bytes(b"content")
    rename = Path.replace

    def elsewhere(self: Path, target: Path) -> Path:
        if self == file:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", elsewhere)
    artifacts.put("uploads/a/source.mp4", file)
    assert artifacts.path("uploads/a/source.mp4").read_bytes() == b"content"
    assert not file.exists()
    assert list((tmp_path / "files" / "incoming").iterdir()) == []


def test_a_full_disk_is_a_backend_that_is_away(
    artifacts: DiskArtifacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "made").write_bytes(b"content")

    def full(self: Path, target: Path) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device", str(self), None, str(target))

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(BackendAway) as raised:
        artifacts.put("uploads/a/source.mp4", tmp_path / "made")
    assert str(tmp_path) not in str(raised.value)
    assert list(artifacts.names("uploads")) == []


@pytest.mark.parametrize("name", ["../x", "/x", "a/../b", "", "a/.b", "x" * 201])
def test_nothing_outside_the_folder_has_a_name(artifacts: DiskArtifacts, tmp_path: Path, name: str) -> None:
    (tmp_path / "made").write_bytes(b"content")
    with pytest.raises(ValueError, match="name"):
        artifacts.put(name, tmp_path / "made")
    with pytest.raises(ValueError, match="name"):
        artifacts.remove(name)


def test_what_was_left_half_copied_is_removed_after_a_while(
    artifacts: DiskArtifacts, tmp_path: Path, clock: Clock
) -> None:
    half = tmp_path / "files" / "incoming" / "half"
    half.write_bytes(b"x")
    clock.now = clock.now.fromtimestamp(half.stat().st_mtime, clock.now.tzinfo)
    artifacts.sweep_workspaces(lambda *_: True)
    assert half.exists()
    clock.forward(3700)
    artifacts.sweep_workspaces(lambda *_: True)
    assert not half.exists()
