"""Single pictures, read and written."""

from pathlib import Path

import numpy as np
import pytest

from film.errors import NotAVideo, OptionError, SourceUnreadable, TargetUnwritable
from film.video import Pixels, read_image, write_image
from tests.clips import ffmpeg


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("size", [(64, 48), (7, 5), (1, 1)])
def test_a_picture_comes_back_as_it_was_written(
    tmp_path: Path, kind: type[np.uint8 | np.uint16], size: tuple[int, int]
) -> None:
    random = np.random.default_rng(3).random((size[1], size[0], 3)) * np.iinfo(kind).max
    pixels: Pixels = random.astype(np.uint8) if kind is np.uint8 else random.astype(np.uint16)
    write_image(tmp_path / "picture.png", pixels)
    back = read_image(tmp_path / "picture.png")
    assert back.dtype == pixels.dtype
    assert np.array_equal(back, pixels)
    assert [file.name for file in tmp_path.iterdir()] == ["picture.png"]


@pytest.mark.parametrize("name", ["a%d.png", "-y.png", "http:x.png", "no suffix", "*.png"])
def test_a_name_is_taken_literally(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    pixels = np.full((8, 8, 3), 77, np.uint8)
    write_image(Path(name), pixels)
    assert np.array_equal(read_image(Path(name)), pixels)


@pytest.mark.parametrize("suffix", ["jpg", "bmp", "tiff", "ppm", "webp", "gif", "pgm"])
def test_every_usual_format_is_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"picture.{suffix}"
    palette = ("-pix_fmt", "gray") if suffix == "gif" else ()  # its usual one has no such grey
    ffmpeg("-f", "lavfi", "-i", "color=0x808080:s=64x48", "-frames:v", "1", *palette, path)
    pixels = read_image(path)
    assert pixels.shape == (48, 64, 3)
    assert pixels.dtype == np.uint8
    assert abs(pixels.astype(int) - 128).max() <= 2


# Where the dark corner of an upright picture lies in the file, for each value of Exif's tag
# Orientation (Exif 2.32, 4.6.4 A), as (row, column) from the top left: 0 first, −1 last.
@pytest.mark.parametrize(
    ("orientation", "stored"),
    [(1, (0, 0)), (2, (0, -1)), (3, (-1, -1)), (4, (-1, 0)), (5, (0, 0)), (6, (-1, 0)), (7, (-1, -1)), (8, (0, -1))],
)
@pytest.mark.parametrize("order", ["II", "MM"])
def test_a_photograph_is_turned_as_its_camera_was(
    tmp_path: Path, orientation: int, stored: tuple[int, int], order: str
) -> None:
    # The upright picture is 64×48, dark at the top left; from 5 on the file holds it lying.
    size = (48, 64) if orientation >= 5 else (64, 48)
    pixels = np.full((size[1], size[0], 3), 200, np.uint8)
    rows = slice(0, 16) if stored[0] == 0 else slice(-16, None)
    columns = slice(0, 16) if stored[1] == 0 else slice(-16, None)
    pixels[rows, columns] = 20
    raw = ("-f", "rawvideo", "-pixel_format", "rgb24", "-video_size", f"{size[0]}x{size[1]}", "-i", "-")
    plain = ffmpeg(*raw, "-c:v", "mjpeg", "-q:v", "1", "-pix_fmt", "yuvj444p", "-f", "image2pipe", "-",
                   stdin=pixels.tobytes())  # fmt: skip
    ends = "little" if order == "II" else "big"

    def number(value: int, length: int) -> bytes:
        return value.to_bytes(length, "little" if ends == "little" else "big")

    entry = number(0x0112, 2) + number(3, 2) + number(1, 4) + number(orientation, 2) + bytes(2)
    exif = b"Exif\0\0" + order.encode() + number(42, 2) + number(8, 4) + number(1, 2) + entry + bytes(4)
    segment = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    (tmp_path / "photo.jpg").write_bytes(plain[:2] + segment + plain[2:])
    shown = read_image(tmp_path / "photo.jpg")
    assert shown.shape == (48, 64, 3)
    assert shown[:14, :14].max() < 40
    assert min(shown[20:].min(), shown[:, 20:].min()) > 180


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(NotAVideo):
        read_image(tmp_path / "text.png")
    with pytest.raises(SourceUnreadable):
        read_image(tmp_path / "nothing.png")


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    pixels = np.zeros((8, 8, 3), np.uint8)
    with pytest.raises(TargetUnwritable):
        write_image(tmp_path / "nowhere" / "picture.png", pixels)
    for wrong in (pixels[..., 0], pixels.astype(np.float32)):
        with pytest.raises(OptionError, match="uint8 or uint16"):
            write_image(tmp_path / "picture.png", wrong)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())
