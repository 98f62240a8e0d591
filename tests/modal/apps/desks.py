"""Containers with the shop's file store, each with its own view of one Volume."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO

import modal

HOME = "/root"  # where programs start in a container
MOUNT = "/artifacts"

image = (
    modal.Image.debian_slim(python_version="3.11")
    .pip_install("hypothesis", "modal", "numpy", "psycopg[binary]", "pydantic-settings", "pytest", "sqlalchemy")
    .add_local_python_source("film", "service")
    .add_local_dir("tests", f"{HOME}/tests", ignore=["**/__pycache__/**", "**/*.mp4"])
)
app = modal.App("desks", image=image)
shelf = modal.Volume.from_name("shelf-of-desks", create_if_missing=True, version=2)


@app.function(volumes={MOUNT: shelf}, timeout=300)
def judge() -> list[tuple[str, str]]:
    """Run the contract of file stores in here, and give each test's name, and what was wrong."""
    import pytest

    from tests.modal.apps.judging import Judge

    said = Judge(Path(MOUNT), shelf)
    chosen = ["tests/contracts/test_artifact_store.py", "-k", "volume", "-q", "--import-mode=importlib"]
    settings = ["-c", "/dev/null", "--rootdir", ".", "-p", "no:cacheprovider", "-o", "pythonpath=."]
    pytest.main([*chosen, *settings], plugins=[said])
    return said.outcomes


@app.cls(volumes={MOUNT: shelf}, scaledown_window=300)
class Desk:
    """A container of a name."""

    name: str = modal.parameter()

    @modal.enter()
    def open(self) -> None:
        from service.backends.disk import DiskArtifacts
        from service.backends.modal import VolumeArtifacts
        from service.jobs import utc_now

        self.store = VolumeArtifacts(Path(MOUNT), DiskArtifacts(Path(MOUNT), utc_now), shelf, utc_now)
        self.held: list[IO[bytes]] = []
        self.begun: list[AbstractContextManager[Path]] = []

    @modal.method()
    def put(self, name: str, content: bytes) -> None:
        file = Path("/tmp/made")  # noqa: S108  # the container's own
        file.write_bytes(content)
        self.store.put(name, file)

    @modal.method()
    def read(self, name: str) -> bytes | None:
        from service.errors import FileNotFound

        try:
            return self.store.path(name).read_bytes()
        except FileNotFound:
            return None

    @modal.method()
    def hold(self, name: str) -> None:
        """Open a file, as while somebody downloads it."""
        self.held.append(self.store.path(name).open("rb"))

    @modal.method()
    def let_go(self) -> None:
        while self.held:
            self.held.pop().close()

    @modal.method()
    def remove(self, prefix: str) -> None:
        self.store.remove(prefix)

    @modal.method()
    def names(self, prefix: str) -> list[str]:
        return sorted(stored.name for stored in self.store.names(prefix))

    @modal.method()
    def die_at_work(self, job_id: str, attempt: int) -> None:
        """Leave a workspace as one does that is killed: published, and never cleared."""
        self.begun.append(self.store.workspace(job_id, attempt))
        folder = self.begun[-1].__enter__()
        (folder / "piece").write_bytes(b"piece")
        shelf.commit()

    @modal.method()
    def sweep(self, live: list[tuple[str, int]]) -> int:
        return self.store.sweep_workspaces(lambda job_id, attempt: (job_id, attempt) in live)
