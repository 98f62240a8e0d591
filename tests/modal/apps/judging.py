"""Runs contract tests where the files are: a plugin of the pytest that runs in a container."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import modal
import pytest

from service.backends.disk import DiskArtifacts
from service.backends.modal import VolumeArtifacts
from service.ports import ArtifactStore
from tests.contracts.backends import ARTIFACTS

__all__ = ["Judge"]


class Judge:
    """Adds the mounted Volume to the stores that are tested, and notes what comes out."""

    def __init__(self, mount: Path, volume: modal.Volume) -> None:
        self.outcomes: list[tuple[str, str]] = []

        @contextmanager
        def volume_store(request: pytest.FixtureRequest) -> Iterator[ArtifactStore]:
            clock = request.getfixturevalue("clock")
            yield VolumeArtifacts(mount, DiskArtifacts(mount, clock), volume, clock)
            for entry in volume.listdir("/"):
                volume.remove_file(entry.path, recursive=True)
                shutil.rmtree(mount / entry.path, ignore_errors=True)
            volume.commit()

        ARTIFACTS["volume"] = volume_store

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.failed:
            self.outcomes.append((report.nodeid.partition("::")[2], report.longreprtext if report.failed else ""))
