"""Volumes as containers and clients see them: what isn't committed isn't there, what isn't reloaded isn't seen."""

import io
from typing import Any

import modal
import pytest

from tests.modal_plane.fixture import Plane, eventually

MEGABYTE = 1 << 20

Hand = Any  # an instance of a class that is known to the plane only


def _hand(plane: Plane, name: str) -> Hand:
    """Give the container of a name, which has its own view."""
    return plane.cls("sample", "Hand")(name=name)


@pytest.fixture
def writer(plane: Plane) -> Hand:
    return _hand(plane, "writer")


@pytest.fixture
def reader(plane: Plane) -> Hand:
    return _hand(plane, "reader")


@pytest.fixture
def shelf(plane: Plane) -> modal.Volume:
    return modal.Volume.from_name("shelf", client=plane.client)


def _read(shelf: modal.Volume, path: str) -> bytes:
    return b"".join(shelf.read_file(path))


def test_a_file_is_seen_elsewhere_only_after_commit_and_reload(writer: Hand, reader: Hand) -> None:
    reader.reload.remote()
    writer.write.remote("both/steps", "written")
    reader.reload.remote()
    assert reader.read.remote("both/steps") is None, "not committed"
    writer.commit.remote()
    assert reader.read.remote("both/steps") is None, "not reloaded"
    reader.reload.remote()
    assert reader.read.remote("both/steps") == "written"


def test_overwriting_a_published_file_changes_nothing_elsewhere_until_then(writer: Hand, reader: Hand) -> None:
    writer.write.remote("twice", "first")
    writer.commit.remote()
    reader.reload.remote()
    writer.write.remote("twice", "second")
    writer.write.remote("twice", " and more", mode="a")
    assert reader.read.remote("twice") == "first"
    writer.commit.remote()
    assert reader.read.remote("twice") == "first"
    reader.reload.remote()
    assert reader.read.remote("twice") == "second and more"


def test_what_isn_t_python_can_t_write_to_published_files(writer: Hand, reader: Hand) -> None:
    writer.write.remote("tool", "published")
    writer.commit.remote()
    reader.reload.remote()
    assert writer.write_by_shell.remote("tool", "replaced") != 0
    assert not writer.write_by_libc.remote("tool")
    assert writer.write_by_shell.remote("tool.new", "replaced") == 0
    writer.rename.remote("tool.new", "tool")
    assert reader.read.remote("tool") == "published"
    writer.commit.remote()
    reader.reload.remote()
    assert reader.read.remote("tool") == "replaced\n"


def test_removals_and_renames_are_published_too(writer: Hand, reader: Hand) -> None:
    for name in ("gone", "old"):
        writer.write.remote(f"moved/{name}", name)
    writer.write.remote("folder/inside", "x")
    writer.commit.remote()
    reader.reload.remote()
    writer.remove.remote("moved/gone")
    writer.rename.remote("moved/old", "moved/new")
    writer.remove.remote("folder/inside")
    writer.remove.remote("folder")
    assert {"moved/gone", "moved/old", "folder"} <= set(reader.listing.remote())
    writer.commit.remote()
    reader.reload.remote()
    listing = set(reader.listing.remote())
    assert "moved/new" in listing
    assert not listing & {"moved/gone", "moved/old", "folder", "folder/inside"}


def test_the_last_who_commits_a_file_wins_and_other_files_are_left_alone(writer: Hand, reader: Hand) -> None:
    writer.write.remote("contested", "from the writer")
    writer.write.remote("of-the-writer", "kept")
    reader.write.remote("contested", "from the reader")
    writer.commit.remote()
    reader.commit.remote()
    writer.reload.remote()
    assert writer.read.remote("contested") == "from the reader"
    assert writer.read.remote("of-the-writer") == "kept"


def test_reload_keeps_what_was_written_and_not_committed(writer: Hand, reader: Hand) -> None:
    writer.write.remote("pending", "mine")
    reader.write.remote("unrelated", "theirs")
    reader.commit.remote()
    writer.reload.remote()
    assert writer.read.remote("pending") == "mine"
    assert writer.read.remote("unrelated") == "theirs"
    reader.reload.remote()
    assert reader.read.remote("pending") is None


def test_reload_fails_while_a_file_is_open(reader: Hand) -> None:
    reader.write.remote("held", "x")
    reader.hold.remote("held")
    with pytest.raises(RuntimeError, match="open files preventing the operation"):
        reader.reload.remote()
    reader.let_go.remote()
    reader.reload.remote()


def test_a_file_that_is_still_written_to_is_published_as_it_is_at_the_commit(writer: Hand, reader: Hand) -> None:
    writer.write_on.remote("growing", "one ")
    writer.commit.remote()
    writer.write_on.remote("growing", "two")
    reader.reload.remote()
    assert reader.read.remote("growing") == "one "
    writer.let_go.remote()
    writer.commit.remote()
    reader.reload.remote()
    assert reader.read.remote("growing") == "one two"


def test_a_container_starts_with_what_is_committed_then_so_one_that_is_killed_loses_the_rest(plane: Plane) -> None:
    mortal = _hand(plane, "mortal")
    mortal.write.remote("saved", "x")
    mortal.commit.remote()
    mortal.write.remote("unsaved", "x")
    call = mortal.sleep.spawn(60)
    dying = eventually(lambda: next((each for each in plane.containers("Hand") if each.running), None))
    plane.kill(dying)
    call.cancel(terminate_containers=True)
    assert mortal.read.remote("saved") == "x"
    assert mortal.read.remote("unsaved") is None


def test_large_files_are_published_and_mounted_without_copying(writer: Hand, reader: Hand, shelf: modal.Volume) -> None:
    assert writer.fill.remote("large", 64 * MEGABYTE) < 1.0
    reader.reload.remote()
    assert next(entry.size for entry in shelf.listdir("/") if entry.path == "large") == 64 * MEGABYTE


def test_a_read_only_mount_can_t_be_written_to(plane: Plane) -> None:
    assert plane.function("sample", "tamper").remote() in {"OSError", "PermissionError"}


def test_clients_upload_list_read_and_remove_files(shelf: modal.Volume, reader: Hand) -> None:
    large = bytes(range(256)) * (36 * 1024) + b"\0" * 3 * MEGABYTE + b"end\0\0"
    with shelf.batch_upload() as batch:
        batch.put_file(io.BytesIO(large), "/upload/large.bin")
        batch.put_file(io.BytesIO(b""), "/upload/deep/empty")
    assert _read(shelf, "upload/large.bin") == large
    assert _read(shelf, "upload/deep/empty") == b""
    assert {entry.path for entry in shelf.listdir("upload")} == {"upload/deep", "upload/large.bin"}
    reader.reload.remote()
    assert "upload/deep/empty" in reader.listing.remote()
    shelf.remove_file("upload", recursive=True)
    assert not [entry for entry in shelf.listdir("/", recursive=True) if entry.path.startswith("upload")]
    with pytest.raises(FileNotFoundError):
        _read(shelf, "upload/large.bin")


def test_an_upload_overwrites_only_when_forced(shelf: modal.Volume) -> None:
    for force in (False, True):
        with shelf.batch_upload(force=force) as batch:
            batch.put_file(io.BytesIO(b"second" if force else b"first"), "/once")
    assert _read(shelf, "once") == b"second"
    with pytest.raises(FileExistsError), shelf.batch_upload() as batch:
        batch.put_file(io.BytesIO(b"third"), "/once")


def test_a_container_that_ends_commits_if_the_plane_is_told_to_be_like_the_service(lenient: Plane) -> None:
    _hand(lenient, "x").write.remote("forgotten", "x")
    (container,) = lenient.containers("Hand")
    shelf = modal.Volume.from_name("shelf", client=lenient.client)
    assert shelf.listdir("/") == []
    lenient.stop(container)
    eventually(lambda: [entry.path for entry in shelf.listdir("/")] == ["forgotten"])


def test_running_containers_are_committed_if_the_plane_is_told_to(linked: Plane) -> None:
    _hand(linked, "first").write.remote("forgotten", "x")
    shelf = modal.Volume.from_name("shelf", client=linked.client)
    eventually(lambda: "forgotten" in [entry.path for entry in shelf.listdir("/")])


def test_containers_have_their_own_views_without_namespaces_too(linked: Plane) -> None:
    first, second = _hand(linked, "first"), _hand(linked, "second")
    second.reload.remote()
    first.write.remote("linked", "x")
    first.commit.remote()
    assert second.read.remote("linked") is None
    second.reload.remote()
    assert second.read.remote("linked") == "x"
    assert first.write_by_shell.remote("linked", "replaced") != 0
