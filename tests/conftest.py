"""What every test runs under."""

import os

import pytest
from hypothesis import settings

pytest_plugins = ["tests.planes", "tests.postgres"]

# Before anything loads TensorFlow. It says a page about the processor on every start, and
# would spread tests of small arrays over all cores for nothing.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "2")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "2")

settings.register_profile("laptop", deadline=None)  # the first example may load TensorFlow
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "laptop")


@pytest.fixture(autouse=True)
def _own_weights_folder(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep weight sets that this machine's user has imported out of the tests."""
    monkeypatch.setenv("FILM_WEIGHTS_DIR", str(tmp_path_factory.getbasetemp() / "weights"))
