"""The catalogue: what can be named, what is the default, and where it all lies."""

import pwd
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest

from film.errors import UnknownModel, WeightsError, WeightsMismatch
from film.network.config import FilmConfig
from film.weights import Archive, WeightSet, cache_directory, entries, find, import_saved_model, locate, save
from film.weights.catalogue import releases


@pytest.fixture
def mine(small: FilmConfig, small_tensors: dict[str, np.ndarray]) -> WeightSet:
    return WeightSet.of(
        "mine", small, tensors=small_tensors, version="3", training={"source": "a friend", "licence": "MIT"}
    )


def test_the_variable_names_the_cache(cache: Path) -> None:
    assert cache_directory() == cache


def test_the_users_cache_folder_holds_the_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FILM_WEIGHTS_DIR", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_directory() == tmp_path / "film-interpolation" / "weights"


@pytest.mark.parametrize("xdg", [None, "", "relative/folder"])
def test_without_a_usable_variable_the_home_folder_holds_the_weights(
    xdg: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FILM_WEIGHTS_DIR")
    if xdg is None:
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    else:
        monkeypatch.setenv("XDG_CACHE_HOME", xdg)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_directory() == tmp_path / ".cache" / "film-interpolation" / "weights"


def test_nothing_is_written_by_looking(cache: Path) -> None:
    entries()
    with pytest.raises(UnknownModel):
        find("style")
    assert not cache.exists()


def test_the_bundled_and_the_published_sets_are_always_listed() -> None:
    assert [(entry.name, entry.kind) for entry in entries()] == [
        ("compact", "bundled"),
        ("style", "published"),
        ("l1", "published"),
        ("vgg", "published"),
    ]
    for entry in entries()[1:]:
        assert (entry.installed, entry.path, entry.size_bytes, entry.licence) == (False, None, None, "Apache-2.0")


def test_published_sets_come_by_https_only() -> None:
    sources = [source for release in releases().values() for source in release.sources]
    assert {urlsplit(source.url).scheme for source in sources} == {"https"}
    assert all(source.sha256 is not None for source in sources if isinstance(source, Archive))


def test_an_imported_set_is_listed_with_what_its_file_says(cache: Path, mine: WeightSet) -> None:
    cache.mkdir()
    save(cache / "mine.safetensors", mine)
    (cache / "Not A Name.safetensors").write_bytes(b"")
    entry = entries()[-1]
    assert (entry.name, entry.kind, entry.installed, entry.licence) == ("mine", "imported", True, "MIT")
    assert (entry.sources, entry.version, entry.sha256) == (("a friend",), "3", mine.sha256)
    assert entry.path == cache / "mine.safetensors"
    assert entry.size_bytes == entry.path.stat().st_size
    assert entry.problem is None


def test_a_damaged_file_is_listed_with_its_problem(cache: Path) -> None:
    cache.mkdir()
    (cache / "mine.safetensors").write_bytes(b"not weights")
    entry = entries()[-1]
    assert (entry.name, entry.installed) == ("mine", True)
    assert "isn't a whole safetensors file" in str(entry.problem)


def test_a_published_set_becomes_the_default_once_it_is_there(
    saved_model: Path, small: FilmConfig, small_tensors: dict[str, np.ndarray]
) -> None:
    import_saved_model(saved_model, name="style", config=small)
    assert locate(None) == cache_directory() / "style.safetensors"
    np.testing.assert_array_equal(find().tensors["fusion/out/bias"], small_tensors["fusion/out/bias"])


def test_a_damaged_default_is_not_passed_over_in_silence(cache: Path) -> None:
    cache.mkdir()
    (cache / "style.safetensors").write_bytes(b"not weights")
    with pytest.raises(WeightsMismatch, match=r"style\.safetensors"):
        find()


def test_the_bundled_set_is_the_default_or_its_absence_is_said() -> None:
    bundled = entries()[0]
    if bundled.installed:
        assert find().sha256 == find("compact").sha256 == bundled.sha256
        assert find().config == FilmConfig.compact()
    else:
        for name in (None, "compact"):
            with pytest.raises(UnknownModel, match="the bundled weights 'compact' are missing"):
                find(name)


def test_a_file_is_found_by_its_path(tmp_path: Path, mine: WeightSet, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "own.safetensors", mine)
    save(tmp_path / "other-ending", mine)
    monkeypatch.chdir(tmp_path)
    for path in (str(tmp_path / "own.safetensors"), "own.safetensors", "./other-ending"):
        assert find(path).sha256 == mine.sha256


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("style", "the weights 'style' aren't installed; get them with `film weights fetch style`"),
        ("nothing", "no weights are named 'nothing'"),
        ("Not a name", "no weights are named 'Not a name'"),
        ("", "no weights are named ''"),
        ("none.safetensors", "there is no weight file none.safetensors"),
        ("no/folder", "there is no weight file no/folder"),
    ],
)
def test_an_unknown_name_says_what_to_do(name: str, message: str) -> None:
    with pytest.raises(UnknownModel) as caught:
        find(name)
    assert message in str(caught.value)


def test_a_user_without_a_home_is_told_which_variable_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_account(_user: int) -> None:
        raise KeyError

    for variable in ("FILM_WEIGHTS_DIR", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", no_account)
    with pytest.raises(WeightsError, match="set FILM_WEIGHTS_DIR"):
        cache_directory()


def test_tensorflow_is_not_loaded_to_find_or_fetch_weights() -> None:
    code = "import sys, film.weights as weights; weights.entries(); print('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
