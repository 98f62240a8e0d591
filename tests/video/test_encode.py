"""What `Encoder` writes, what it refuses, and what it leaves behind where it fails."""

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from film.errors import FfmpegFailed, FfmpegMissing, NoSpace, OptionError, TargetUnwritable
from film.video import CODECS, Colour, Decoder, Encoder, Encoding, Pixels, check_encoder, probe
from tests.clips import ffmpeg

FAST = Encoding(preset="ultrafast", crf=0)


def _encoder(
    target: Path, *, size: tuple[int, int] = (64, 48), rate: str = "25", bit_depth: int = 8, encoding: Encoding = FAST
) -> Encoder:
    return Encoder(target, size=size, rate=Fraction(rate), colour=Colour(), bit_depth=bit_depth, encoding=encoding)


def _grey(level: int, size: tuple[int, int] = (64, 48), kind: type = np.uint8) -> Pixels:
    return np.full((size[1], size[0], 3), level, kind)


@pytest.mark.parametrize("rate", ["24000/1001", "7", "120", "25/2", "1000/33"])
def test_the_rate_is_exact(tmp_path: Path, rate: str) -> None:
    with _encoder(tmp_path / "clip.mp4", rate=rate) as encoder:
        for index in range(15):
            encoder.write(_grey(10 * index))
    clip = probe(tmp_path / "clip.mp4")
    assert clip.frame_count == 15
    assert clip.average_rate == Fraction(rate)
    assert [clip.time(index) for index in range(15)] == [index / Fraction(rate) for index in range(15)]


@pytest.mark.parametrize(
    ("size", "pixel_format"), [((64, 48), "yuv420p"), ((63, 48), "yuv444p"), ((64, 47), "yuv444p"), ((2, 2), "yuv420p")]
)
def test_every_size_is_kept(tmp_path: Path, size: tuple[int, int], pixel_format: str) -> None:
    with _encoder(tmp_path / "clip.mp4", size=size) as encoder:
        encoder.write(_grey(100, size))
    clip = probe(tmp_path / "clip.mp4")
    assert (clip.width, clip.height, clip.pixel_format) == (*size, pixel_format)


def test_more_than_8_bits_become_10(tmp_path: Path) -> None:
    with _encoder(tmp_path / "clip.mp4", bit_depth=12) as encoder:
        encoder.write(_grey(40_000, kind=np.uint16))
    clip = probe(tmp_path / "clip.mp4")
    assert (clip.pixel_format, clip.bit_depth) == ("yuv420p10le", 10)
    with Decoder(clip) as frames:
        assert abs(next(frames).pixels.astype(int) - 40_000).max() <= 64  # a step of 10 bits


@pytest.mark.parametrize("codec", sorted(CODECS))
@pytest.mark.parametrize(("size", "bit_depth"), [((96, 64), 8), ((65, 63), 8), ((96, 64), 10)])
def test_every_codec_keeps_frames_size_and_grey(
    tmp_path: Path, codec: str, size: tuple[int, int], bit_depth: int
) -> None:
    if codec == "libsvtav1" and size[0] % 2:
        with pytest.raises(OptionError, match="needs even sides, not 65×63; choose one of libx264, "):
            _encoder(tmp_path / "clip.mp4", size=size, encoding=Encoding(codec=codec))
        return
    kind, level = (np.uint8, 100) if bit_depth == 8 else (np.uint16, 100 * 257)
    with _encoder(
        tmp_path / "clip.mp4", size=size, bit_depth=bit_depth, encoding=Encoding(codec=codec, preset="ultrafast")
    ) as encoder:
        for _ in range(5):
            encoder.write(_grey(level, size, kind))
    clip = probe(tmp_path / "clip.mp4")
    assert (clip.frame_count, clip.width, clip.height) == (5, *size)
    assert clip.bit_depth == bit_depth
    with Decoder(clip) as frames:
        for frame in frames:
            assert abs(frame.pixels.mean() / level - 1) < 0.02


def test_an_unknown_codec_is_named_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="'h999'"):
        Encoding(codec="h999")
    with pytest.raises(FfmpegMissing, match="'h999'"):
        check_encoder("h999")
    check_encoder("libx264")
    assert not list(tmp_path.iterdir())


def test_options_outside_their_range_are_refused() -> None:
    with pytest.raises(OptionError, match="crf must be from 0"):
        Encoding(crf=52)
    with pytest.raises(OptionError, match="preset"):
        Encoding(preset="instant")


def test_a_frame_of_another_shape_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    def write_wrong(pixels: Pixels) -> None:
        with _encoder(tmp_path / "clip.mp4") as encoder:
            encoder.write(_grey(1))
            encoder.write(pixels)

    for wrong in (_grey(1, (48, 64)), _grey(1, kind=np.uint16)):
        with pytest.raises(OptionError, match="a frame must be"):
            write_wrong(wrong)
    assert not list(tmp_path.iterdir())


def test_an_impossible_size_or_rate_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="1×48"):
        _encoder(tmp_path / "clip.mp4", size=(1, 48))
    for rate in ("0", "-25", "4000000007/3"):
        with pytest.raises(OptionError, match="rate"):
            _encoder(tmp_path / "clip.mp4", rate=rate)


def test_a_target_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TargetUnwritable, match="doesn't exist"):
        _encoder(tmp_path / "nowhere" / "clip.mp4")
    with pytest.raises(TargetUnwritable, match="is a folder"):
        _encoder(tmp_path)


def test_an_exception_ends_ffmpeg_and_removes_the_file(tmp_path: Path) -> None:
    def fail() -> None:
        with _encoder(tmp_path / "clip.mp4") as encoder:
            encoder.write(_grey(1))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_told_and_nothing_is_left(tmp_path: Path) -> None:
    target = tmp_path / "clip.mp4"
    target.symlink_to("/dev/full")  # every write there fails as on a full disk

    def fill() -> None:
        noise = np.random.default_rng(1)
        with _encoder(target, size=(256, 256)) as encoder:
            for _ in range(30):
                encoder.write(noise.integers(0, 256, (256, 256, 3), np.uint8))

    with pytest.raises(NoSpace):
        fill()
    assert not list(tmp_path.iterdir())


def test_a_limit_on_file_sizes_is_told_like_a_full_disk(tmp_path: Path) -> None:
    script = f"""
import resource
import numpy as np
from fractions import Fraction
from pathlib import Path
from film.errors import NoSpace
from film.video import Colour, Encoder, Encoding
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
noise = np.random.default_rng(1)
try:
    with Encoder(Path({str(tmp_path / "clip.mp4")!r}), size=(256, 256), rate=Fraction(25), colour=Colour(),
                 bit_depth=8, encoding=Encoding(preset="ultrafast")) as encoder:
        for _ in range(30):
            encoder.write(noise.integers(0, 256, (256, 256, 3), np.uint8))
except NoSpace as error:
    print("told:", error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("told: the disk is full")
    assert not list(tmp_path.iterdir())


def test_ffmpeg_failing_is_told_in_its_own_words(tmp_path: Path) -> None:
    # 10 000 000 pixels wide: no H.264 is.
    def write() -> None:
        with _encoder(tmp_path / "clip.mp4", size=(100_000, 2)) as encoder:
            for _ in range(50):
                encoder.write(_grey(1, (100_000, 2)))

    with pytest.raises(FfmpegFailed, match="ffmpeg failed while encoding"):
        write()
    assert not list(tmp_path.iterdir())


def test_key_frames_come_at_least_every_five_seconds(tmp_path: Path) -> None:
    with _encoder(tmp_path / "clip.mp4", rate="10") as encoder:
        for _ in range(120):
            encoder.write(_grey(100))
    lines = ffmpeg("-i", tmp_path / "clip.mp4", "-c", "copy", "-f", "framecrc", "-").splitlines()
    keys = [index for index, line in enumerate(x for x in lines if not x.startswith(b"#")) if b"F=" not in line]
    assert keys == [0, 50, 100]
