"""The plane shows what is forgotten: one call is taken out here, all of them by `benchmarks.mutations`."""

from benchmarks.mutations import failing_test, mutations


def test_all_calls_are_found() -> None:
    found = [(mutation.file.rpartition("/")[2], mutation.call.partition("(")[0]) for mutation in mutations()]
    assert found == [
        ("artifacts.py", "self._volume.commit"),
        ("artifacts.py", "reload"),
        ("artifacts.py", "volume.reload"),
        ("pieces.py", "self._volume.commit"),
        ("pieces.py", "reload"),
        ("pieces.py", "reload"),
        ("pieces.py", "self._volume.commit"),
    ]


def test_a_commit_that_is_forgotten_is_missed() -> None:
    failed = failing_test(mutations()[0], ["tests/modal/test_artifacts.py", "-k", "found_in_all"])
    assert failed == "test_artifacts.py::test_what_is_put_in_one_container_is_found_in_all"
