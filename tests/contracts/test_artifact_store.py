"""What every ArtifactStore does."""

from pathlib import Path

import pytest

from service.errors import FileNotFound
from service.ports import ArtifactStore, Stored
from tests.service.fakes import Clock


def _file(folder: Path, content: bytes = b"content") -> Path:
    path = folder / "made"
    path.write_bytes(content)
    return path


def _names(artifacts: ArtifactStore, prefix: str) -> list[str]:
    return sorted(stored.name for stored in artifacts.names(prefix))


def test_a_file_is_taken_in_and_given_back(artifacts: ArtifactStore, tmp_path: Path, clock: Clock) -> None:
    file = _file(tmp_path)
    stored = artifacts.put("results/job/1/clip.mp4", file)
    assert stored == Stored(name="results/job/1/clip.mp4", size_bytes=7, stored_at=clock())
    assert artifacts.path("results/job/1/clip.mp4").read_bytes() == b"content"
    assert not file.exists()


def test_a_file_made_in_a_workspace_can_be_kept(artifacts: ArtifactStore) -> None:
    with artifacts.workspace("job", 1) as folder:
        artifacts.put("results/job/1/clip.mp4", _file(folder))
    assert artifacts.path("results/job/1/clip.mp4").read_bytes() == b"content"


def test_a_file_that_was_never_stored_is_not_found(artifacts: ArtifactStore, tmp_path: Path) -> None:
    artifacts.put("results/job/1/clip.mp4", _file(tmp_path))
    for name in ("results/job/1/other.mp4", "results/job", "results/job/1/clip.mp4/x", "results"):
        with pytest.raises(FileNotFound):
            artifacts.path(name)


@pytest.mark.parametrize(
    "name", ["", "..", "../x", "/x", "results/../../x", "results//x", ".hidden", "a/.b", "a\0b", "a b", "ä", "a\n"]
)
def test_what_is_no_name_is_not_found(artifacts: ArtifactStore, name: str) -> None:
    with pytest.raises(FileNotFound):
        artifacts.path(name)


def test_the_files_below_a_name_are_listed(artifacts: ArtifactStore, tmp_path: Path, clock: Clock) -> None:
    for name in ("results/a/1/clip.mp4", "results/b/1/clip.mp4", "uploads/a/source.mp4"):
        artifacts.put(name, _file(tmp_path))
        clock.forward(10)
    assert _names(artifacts, "results") == ["results/a/1/clip.mp4", "results/b/1/clip.mp4"]
    assert _names(artifacts, "results/b") == ["results/b/1/clip.mp4"]
    assert _names(artifacts, "sources") == []
    stored = next(iter(artifacts.names("uploads")))
    assert stored.size_bytes == 7
    assert (clock() - stored.stored_at).total_seconds() == pytest.approx(10, abs=1)


def test_a_file_or_all_below_a_name_are_removed(artifacts: ArtifactStore, tmp_path: Path) -> None:
    for name in ("results/a/1/x.mp4", "results/a/1/y.mp4", "results/a/2/x.mp4", "results/ab/1/x.mp4"):
        artifacts.put(name, _file(tmp_path))
    artifacts.remove("results/a/1/x.mp4")
    assert _names(artifacts, "results/a") == ["results/a/1/y.mp4", "results/a/2/x.mp4"]
    artifacts.remove("results/a")
    artifacts.remove("results/a")
    assert _names(artifacts, "results") == ["results/ab/1/x.mp4"]
    with pytest.raises(FileNotFound):
        artifacts.path("results/a/1/y.mp4")


def test_a_workspace_is_empty_and_gone_afterwards(artifacts: ArtifactStore) -> None:
    with artifacts.workspace("job", 1) as folder, artifacts.workspace("job", 2) as other:
        assert list(folder.iterdir()) == []
        assert folder != other
        (folder / "deep").mkdir()
        _file(folder / "deep")
    assert not folder.exists()
    assert not other.exists()


def test_a_workspace_is_gone_when_the_work_fails(artifacts: ArtifactStore) -> None:
    left = []

    def work() -> None:
        with artifacts.workspace("job", 1) as folder:
            left.append(_file(folder).parent)
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        work()
    assert [folder.exists() for folder in left] == [False]


def test_workspaces_of_the_dead_are_swept(artifacts: ArtifactStore) -> None:
    asked = []

    def is_live(job_id: str, attempt: int) -> bool:
        asked.append((job_id, attempt))
        return attempt == 2

    with artifacts.workspace("job", 1) as dead, artifacts.workspace("job", 2) as alive:
        _file(dead)
        _file(alive)
        assert artifacts.sweep_workspaces(is_live) == 1
        assert not dead.exists()
        assert (alive / "made").exists()
        assert sorted(asked) == [("job", 1), ("job", 2)]
    assert artifacts.sweep_workspaces(is_live) == 0
