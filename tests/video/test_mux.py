"""Pieces joined: the same frames at the same times as in one run, and never half a file."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from film.errors import FfmpegFailed, OptionError, TargetUnwritable
from film.video import Colour, Decoder, Encoder, Encoding, join, plan_sound, probe
from tests.clips import LOSSLESS, ffmpeg, number_of, numbered, packets, tone


def _piece(target: Path, source: Path, frames: range, *, rate: Fraction, encoding: Encoding) -> Path:
    clip = probe(source)
    with (
        Decoder(clip, first=frames.start, count=len(frames)) as wanted,
        Encoder(
            target, size=(clip.width, clip.height), rate=rate, colour=clip.colour, bit_depth=8, encoding=encoding
        ) as encoder,
    ):
        for frame in wanted:
            encoder.write(frame.pixels)
    return target


@pytest.mark.parametrize(
    ("rate", "preset"),  # ultrafast reorders no frames, the others do
    [
        *(("24000/1001", "medium"), ("60", "veryfast"), ("50", "veryfast"), ("7", "ultrafast"), ("120", "veryfast")),
        *(("30000/1001", "ultrafast"), ("1000/33", "veryfast")),
    ],
)
def test_pieces_joined_equal_the_uncut_run(tmp_path: Path, rate: str, preset: str) -> None:
    source = numbered(tmp_path / "source.mp4", frames=60)
    exact, encoding = Fraction(rate), Encoding(crf=0, preset=preset)

    def make(name: str, cuts: list[tuple[int, int]]) -> Path:
        pieces = [
            _piece(tmp_path / f"{name}{first}.mp4", source, range(first, first + count), rate=exact, encoding=encoding)
            for first, count in cuts
        ]
        join(pieces, tmp_path / f"{name}.mp4", rate=exact)
        return tmp_path / f"{name}.mp4"

    whole = probe(make("whole", [(0, 60)]))
    joined = probe(make("joined", [(0, 1), (1, 2), (3, 30), (33, 27)]))
    assert joined.frame_count == whole.frame_count == 60
    assert joined.time_base == whole.time_base
    assert joined.times == whole.times
    assert joined.average_rate == whole.average_rate == exact
    assert joined.duration == whole.duration == 60 / exact
    assert [joined.time(index) for index in range(60)] == [index / exact for index in range(60)]
    with Decoder(whole) as first, Decoder(joined) as second:
        for one, other in zip(first, second, strict=True):
            assert np.array_equal(one.pixels, other.pixels)
    with Decoder(joined, first=40, count=1) as frames:
        assert number_of(next(frames).pixels) == 40


@pytest.mark.parametrize("codec", ["libx265", "libsvtav1", "libvpx-vp9"])
def test_pieces_of_every_codec_can_be_joined(tmp_path: Path, codec: str) -> None:
    source = numbered(tmp_path / "source.mp4", size=(96, 64), frames=30)
    encoding, rate = Encoding(codec=codec, preset="ultrafast", crf=5), Fraction(30000, 1001)
    pieces = [
        _piece(tmp_path / f"{first}.mp4", source, range(first, first + count), rate=rate, encoding=encoding)
        for first, count in ((0, 11), (11, 12), (23, 7))
    ]
    join(pieces, tmp_path / "joined.mp4", rate=rate)
    clip = probe(tmp_path / "joined.mp4")
    assert [clip.time(index) for index in range(clip.frame_count)] == [index / rate for index in range(30)]
    with Decoder(clip) as frames:
        assert [number_of(frame.pixels) for frame in frames] == list(range(30))


def test_many_short_pieces_do_not_drift(tmp_path: Path) -> None:
    rate = Fraction(24000, 1001)
    with Encoder(
        tmp_path / "piece.mp4", size=(32, 32), rate=rate, colour=Colour(), bit_depth=8, encoding=Encoding()
    ) as encoder:
        encoder.write(np.full((32, 32, 3), 90, np.uint8))
    join([tmp_path / "piece.mp4"] * 300, tmp_path / "joined.mp4", rate=rate)
    clip = probe(tmp_path / "joined.mp4")
    assert [clip.time(index) for index in range(300)] == [index / rate for index in range(300)]


def test_metadata_and_languages_come_along(tmp_path: Path) -> None:
    source = tmp_path / "source.mp4"
    numbered(
        source,
        *("-map", "0:v", "-map", "1:a", "-map", "1:a", *LOSSLESS, "-c:a", "aac"),
        *("-metadata", "title=A day; = \\ at 100 %", "-metadata", "creation_time=2020-02-02T20:20:20Z"),
        *("-metadata:s:a:0", "language=deu", "-metadata:s:a:1", "language=fra"),
        frames=25,
        sound=tone(),
    )
    clip = probe(source)
    target = tmp_path / "target.mp4"
    for output_rate in (Fraction(25), Fraction(50)):  # copied, and played at twice the speed
        piece = _piece(
            tmp_path / "piece.mp4", source, range(25), rate=output_rate, encoding=Encoding(preset="ultrafast")
        )
        sound = plan_sound(clip, picture_duration=25 / output_rate, output_rate=output_rate)
        join([piece], target, rate=output_rate, sound=sound, source=clip)
        metadata = ffmpeg("-i", target, "-f", "ffmetadata", "-").decode()
        assert "title=A day\\; \\= \\\\ at 100 %" in metadata
        # Seconds since 1904, in the movie header (ISO 14496-12, 8.2.2).
        header = target.read_bytes().partition(b"mvhd")[2]
        created = datetime(1904, 1, 1, tzinfo=UTC) + timedelta(seconds=int.from_bytes(header[4:8], "big"))
        assert created == datetime(2020, 2, 2, 20, 20, 20, tzinfo=UTC)
        assert [track.language for track in probe(target).audio] == ["deu", "fra"]


def test_a_silent_source_gives_its_metadata(tmp_path: Path) -> None:
    source = numbered(tmp_path / "source.mp4", *LOSSLESS, "-metadata", "title=Quiet")
    piece = _piece(tmp_path / "piece.mp4", source, range(20), rate=Fraction(25), encoding=Encoding())
    join([piece], tmp_path / "target.mp4", rate=Fraction(25), source=probe(source))
    assert b"title=Quiet" in ffmpeg("-i", tmp_path / "target.mp4", "-f", "ffmetadata", "-")


def test_the_index_is_in_front_so_that_browsers_start_at_once(tmp_path: Path) -> None:
    piece = numbered(tmp_path / "piece.mp4")
    join([piece], tmp_path / "target.mp4", rate=Fraction(25))
    data = (tmp_path / "target.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


@pytest.mark.parametrize("name", ["it's 100% (a) [b] #1.mp4", "-y.mp4", "ünï:cödé.mp4"])
def test_names_are_taken_literally(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    folder = tmp_path / "it's a 'folder' %d"
    folder.mkdir()
    monkeypatch.chdir(folder)
    numbered(tmp_path / "piece.mp4").rename(folder / name)
    join([Path(name), Path(name)], Path("out" + name), rate=Fraction(25))
    assert probe(Path("out" + name)).frame_count == 40


def test_a_target_is_replaced_only_when_the_new_one_is_whole(tmp_path: Path) -> None:
    target, broken = tmp_path / "target.mp4", tmp_path / "broken.mp4"
    target.write_text("what was there")
    broken.write_text("no piece")
    with pytest.raises(FfmpegFailed, match=r"ffmpeg failed while writing .*target\.mp4"):
        join([broken], target, rate=Fraction(25))
    assert target.read_text() == "what was there"
    assert sorted(tmp_path.iterdir()) == [broken, target]
    join([numbered(tmp_path / "piece.mp4")], target, rate=Fraction(25))
    assert probe(target).frame_count == 20


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    piece = numbered(tmp_path / "piece.mp4", "-c:v", "libx264", "-qp", "0", "-vf", "noise=alls=90:allf=t", frames=50)
    assert piece.stat().st_size > 50_000
    script = f"""
import resource
from fractions import Fraction
from pathlib import Path
from film.errors import NoSpace
from film.video import join
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    join([Path({str(piece)!r})], Path({str(tmp_path / "target.mp4")!r}), rate=Fraction(25))
except NoSpace as error:
    print("told:", error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("told: the disk is full")
    assert list(tmp_path.iterdir()) == [piece]


def test_what_cannot_be_joined_is_refused(tmp_path: Path) -> None:
    piece = numbered(tmp_path / "piece.mp4")
    with pytest.raises(OptionError, match="no pieces"):
        join([], tmp_path / "target.mp4", rate=Fraction(25))
    with pytest.raises(TargetUnwritable, match="doesn't exist"):
        join([piece], tmp_path / "nowhere" / "target.mp4", rate=Fraction(25))
    with pytest.raises(TargetUnwritable, match="is a folder"):
        join([piece], tmp_path, rate=Fraction(25))
    assert list(tmp_path.iterdir()) == [piece]


def test_chapters_come_along_where_time_stays(tmp_path: Path) -> None:
    (tmp_path / "chapters").write_text(
        ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=500\ntitle=One\n"
        "[CHAPTER]\nTIMEBASE=1/1000\nSTART=500\nEND=1000\ntitle=Two\n"
    )
    plain = numbered(tmp_path / "plain.mp4", *LOSSLESS, "-c:a", "aac", frames=25, sound=tone())
    source = tmp_path / "source.mp4"
    ffmpeg("-i", plain, "-i", tmp_path / "chapters", "-map", "0", "-map_chapters", "1", "-c", "copy", source)
    clip = probe(source)
    sound = plan_sound(clip, picture_duration=Fraction(1), output_rate=Fraction(25))
    join([plain], tmp_path / "target.mp4", rate=Fraction(25), sound=sound, source=clip)
    metadata = ffmpeg("-i", tmp_path / "target.mp4", "-f", "ffmetadata", "-").decode()
    assert metadata.index("title=One") < metadata.index("title=Two")
    assert packets(tmp_path / "target.mp4", "a:0") == packets(source, "a:0")
