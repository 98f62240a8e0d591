"""What `probe` says of clips whose contents are known."""

import os
import struct
import zlib
from fractions import Fraction
from pathlib import Path

import pytest

from film.errors import FrameTooLarge, NotAVideo, NoVideoStream, SourceBroken, SourceUnreadable
from film.video import probe
from film.video.pixel_formats import bit_depth_of
from tests.clips import LOSSLESS, ffmpeg, numbered, packets, real_clip, tone, turn_header, variable


@pytest.mark.parametrize("rate", ["24000/1001", "25", "30000/1001", "50", "60000/1001", "7", "120", "25/2"])
@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_constant_rate_is_exact_in_every_container(tmp_path: Path, rate: str, suffix: str) -> None:
    # Matroska has milliseconds only, so no frame of 24000/1001 is quite at its time there.
    clip = probe(numbered(tmp_path / f"clip.{suffix}", rate=rate, frames=40))
    assert clip.frame_count == 40
    assert clip.average_rate == Fraction(rate)
    assert clip.duration == 40 / Fraction(rate)
    for index in (0, 1, 17, 39):
        assert abs(clip.time(index) - index / Fraction(rate)) <= clip.time_base


def test_size_format_and_streams_are_read(tmp_path: Path) -> None:
    clip = probe(numbered(tmp_path / "clip.mp4", size=(80, 48)))
    assert (clip.width, clip.height) == (80, 48)
    assert (clip.pixel_format, clip.bit_depth) == ("yuv420p", 8)
    assert (clip.container, clip.codec, clip.stream_index) == ("mov", "h264", 0)
    assert (clip.rotation, clip.interlaced, clip.audio) == (0, False, ())


def test_reordered_frames_come_in_presentation_order(tmp_path: Path) -> None:
    clip = probe(numbered(tmp_path / "clip.mp4", "-c:v", "libx264", "-bf", "3", "-g", "12", frames=50))
    assert list(clip.times) == sorted(clip.times)
    assert [clip.time(index) for index in (0, 1, 49)] == [0, Fraction(1, 25), Fraction(49, 25)]


def test_a_variable_rate_keeps_every_time(tmp_path: Path) -> None:
    # Frame n at n² milliseconds: 0, 1, 4, 9, …
    path = variable(tmp_path / "clip.mkv", "N*N")
    clip = probe(path)
    assert [clip.time(index) for index in range(20)] == [Fraction(index * index, 1000) for index in range(20)]
    assert clip.average_rate == (20 / clip.duration).limit_denominator(100_000)
    assert clip.duration >= clip.time(19)


def test_of_frames_with_one_time_one_counts(tmp_path: Path) -> None:
    # 0, 0, 40, 40, 80, 80, … milliseconds
    clip = probe(variable(tmp_path / "clip.mkv", "40*floor(N/2)"))
    assert clip.frame_count == 10
    assert clip.average_rate == 25


def test_a_long_last_frame_counts_into_the_duration(tmp_path: Path) -> None:
    numbered(tmp_path / "a.mp4", frames=10)
    (tmp_path / "list").write_text("file a.mp4\nduration 2\nfile a.mp4\n")
    joined = tmp_path / "joined.mp4"
    ffmpeg("-f", "concat", "-i", tmp_path / "list", "-c", "copy", joined)
    clip = probe(joined)
    assert clip.frame_count == 20
    assert clip.time(10) == 2
    assert clip.duration == Fraction(24, 10)


@pytest.mark.parametrize(
    ("codec", "suffix"),
    [
        (("libvpx", "-auto-alt-ref", "1", "-lag-in-frames", "16", "-b:v", "300k"), "webm"),  # hidden frames
        (("libvpx-vp9", "-lag-in-frames", "16", "-cpu-used", "8"), "webm"),  # hidden frames inside of packets
        (("libx264", "-bf", "3"), "avi"),  # no presentation times
        (("libx264", "-bf", "3"), "ts"),  # a clock that starts at 1.4 s
        (("libx264", "-bf", "3"), "flv"),
        (("mpeg2video", "-bf", "2"), "mpg"),  # packets without times
        (("mpeg4", "-bf", "2"), "mp4"),
        (("libx264", "-bf", "3"), "h264"),  # no container at all
        (("gif",), "gif"),
    ],
)
def test_every_shown_frame_counts_whatever_the_container(tmp_path: Path, codec: tuple[str, ...], suffix: str) -> None:
    clip = probe(numbered(tmp_path / f"clip.{suffix}", "-c:v", *codec, frames=40))
    assert clip.frame_count == 40
    assert clip.average_rate == 25
    assert clip.duration == Fraction(8, 5)


def test_frames_that_an_edit_list_hides_do_not_count(tmp_path: Path) -> None:
    whole = numbered(tmp_path / "whole.mp4", *LOSSLESS, "-g", "30", frames=60)
    cut = tmp_path / "cut.mp4"
    # Copying from 0.4 s keeps the frames from the key frame at 0 s on, and hides the first ten.
    ffmpeg("-ss", "0.4", "-i", whole, "-c", "copy", cut)
    assert len(packets(cut, "v:0")) == 60
    assert probe(cut).frame_count == 50


def test_a_rotated_clip_has_the_size_that_players_show(tmp_path: Path) -> None:
    upright = probe(turn_header(numbered(tmp_path / "turned90.mp4"), 90))
    assert (upright.width, upright.height) == (48, 64)
    assert upright.rotation in (90, 270)
    over = probe(turn_header(numbered(tmp_path / "turned180.mp4"), 180))
    assert (over.width, over.height, over.rotation) == (64, 48, 180)


def test_non_square_pixels_become_square_ones(tmp_path: Path) -> None:
    def size(aspect: str) -> tuple[int, int]:
        clip = probe(numbered(tmp_path / "clip.mp4", "-vf", f"setsar={aspect}", *LOSSLESS, size=(72, 58)))
        return clip.width, clip.height

    assert size("16/15") == (76, 58)  # 76.8, and even
    assert size("8/9") == (64, 58)
    assert size("4/3") == (96, 58)
    assert size("1/100") == (72, 58)  # no real pixel is like that
    assert probe(real_clip("carphone_pristine.mp4")).width == 192  # 176 · 128/117


def test_colour_tags_are_read(tmp_path: Path) -> None:
    tags = "setparams=colorspace=bt2020nc:color_primaries=bt2020:color_trc=smpte2084:range=tv"
    clip = probe(numbered(tmp_path / "clip.mp4", "-vf", f"format=yuv420p10le,{tags}", "-c:v", "libx264"))
    colour = clip.colour
    assert (colour.matrix, colour.primaries, colour.transfer) == ("bt2020nc", "bt2020", "smpte2084")
    assert (colour.full_range, colour.range_tagged) == (False, True)
    assert (clip.pixel_format, clip.bit_depth) == ("yuv420p10le", 10)


def test_an_untagged_clip_has_no_tags(tmp_path: Path) -> None:
    colour = probe(numbered(tmp_path / "clip.mp4")).colour
    assert (colour.matrix, colour.primaries, colour.transfer, colour.full_range) == (None, None, None, False)


def test_full_range_is_read(tmp_path: Path) -> None:
    tagged = numbered(tmp_path / "clip.mp4", "-vf", "scale=out_range=full,setparams=range=pc", *LOSSLESS)
    assert probe(tagged).colour.full_range
    assert probe(numbered(tmp_path / "clip.avi", "-pix_fmt", "yuvj420p", "-c:v", "mjpeg")).colour.full_range


def test_interlaced_clips_are_known(tmp_path: Path) -> None:
    fields = numbered(
        tmp_path / "clip.mkv", "-vf", "interlace", "-c:v", "mpeg2video", "-flags", "+ilme+ildct", "-field_order", "tt",
        rate="50",
    )  # fmt: skip
    clip = probe(fields)
    assert clip.interlaced
    assert clip.frame_count == 10


def test_sound_may_come_first_in_the_file(tmp_path: Path) -> None:
    path = numbered(
        tmp_path / "clip.mp4", "-map", "1:a", "-map", "0:v", *LOSSLESS, "-c:a", "aac", frames=25, sound=tone()
    )
    clip = probe(path)
    assert clip.stream_index == 1
    assert [(track.index, track.codec, track.sample_rate, track.channels) for track in clip.audio] == [
        (0, "aac", 48000, 1)
    ]


def test_the_samples_that_an_encoder_adds_in_front_are_not_heard(tmp_path: Path) -> None:
    (track,) = probe(numbered(tmp_path / "clip.mp4", *LOSSLESS, "-c:a", "aac", frames=25, sound=tone())).audio
    assert track.start == 0  # its first packet is at −1024 samples
    assert abs(track.duration - 1) < Fraction(1, 40)


@pytest.mark.parametrize("offset", ["0.5", "-0.5"])
def test_sound_that_starts_elsewhere_is_where_it_was(tmp_path: Path, offset: str) -> None:
    sound = ("-itsoffset", offset, *tone())
    (track,) = probe(numbered(tmp_path / "clip.mkv", *LOSSLESS, "-c:a", "flac", frames=50, sound=sound)).audio
    assert abs(track.start - Fraction(offset)) <= Fraction(1, 1000)


def test_languages_and_all_tracks_are_read(tmp_path: Path) -> None:
    path = numbered(
        tmp_path / "clip.mkv",
        *("-map", "0:v", "-map", "1:a", "-map", "1:a", "-map", "1:a", *LOSSLESS),
        *("-c:a:0", "aac", "-c:a:1", "flac", "-c:a:2", "libopus", "-ac:a:1", "2"),
        *("-metadata:s:a:0", "language=deu", "-metadata:s:a:1", "language=eng"),
        frames=25,
        sound=tone(),
    )
    tracks = probe(path).audio
    assert [(track.codec, track.language, track.channels) for track in tracks] == [
        ("aac", "deu", 1),
        ("flac", "eng", 2),
        ("opus", None, 1),
    ]


def test_cover_art_is_not_a_video(tmp_path: Path) -> None:
    cover, song = tmp_path / "cover.png", tmp_path / "song.m4a"
    numbered(cover, "-frames:v", "1")
    ffmpeg(*tone(), "-i", cover, "-map", "0:a", "-map", "1:v", "-c:a", "aac", "-c:v", "png",
           "-disposition:v:0", "attached_pic", "-f", "mp4", song)  # fmt: skip
    with pytest.raises(NoVideoStream, match=r"song\.m4a has no video stream"):
        probe(song)


def test_a_still_has_one_frame(tmp_path: Path) -> None:
    assert probe(numbered(tmp_path / "still.png", "-frames:v", "1")).frame_count == 1
    assert probe(numbered(tmp_path / "still.jpg", "-frames:v", "1", "-pix_fmt", "yuvj420p")).frame_count == 1


@pytest.mark.parametrize("name", ["-y.mp4", "a:b.mp4", "100%d.mp4", "con cat|'x'.mp4", "ünï.mp4", "http:", "*.mp4"])
def test_a_name_is_taken_literally(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    numbered(tmp_path / "clip.mp4", frames=3).rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert probe(Path(name)).frame_count == 3


def test_what_is_missing_or_no_file_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(SourceUnreadable, match=r"nothing\.mp4 doesn't exist"):
        probe(tmp_path / "nothing.mp4")
    with pytest.raises(SourceUnreadable, match="is a folder"):
        probe(tmp_path)
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(SourceUnreadable, match="is not a file"):
        probe(tmp_path / "pipe.mp4")
    with pytest.raises(SourceUnreadable):
        probe(Path("zero\0byte.mp4"))


def test_what_is_no_video_is_refused(tmp_path: Path) -> None:
    empty, text, noise = tmp_path / "empty.mp4", tmp_path / "text.mp4", tmp_path / "noise.mp4"
    empty.touch()
    text.write_text("This is not a video.\n" * 100)
    noise.write_bytes(bytes(range(1, 256)) * 400)
    with pytest.raises(NotAVideo, match=r"empty\.mp4 is empty"):
        probe(empty)
    for path in (text, noise):
        with pytest.raises(NotAVideo, match=f"{path} is not a video"):
            probe(path)


def test_a_playlist_is_refused_and_what_it_names_stays_shut(tmp_path: Path) -> None:
    secret = numbered(tmp_path / "secret.ts", *LOSSLESS, "-f", "mpegts")
    hls, concat, script = tmp_path / "list.m3u8", tmp_path / "list.ffconcat", tmp_path / "clip.mp4"
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:1,\n{secret}\n#EXT-X-ENDLIST\n"
    hls.write_text(playlist)
    script.write_text(playlist)
    concat.write_text(f"ffconcat version 1.0\nfile {secret.name}\n")
    for path in (hls, concat, script):
        with pytest.raises(NotAVideo):
            probe(path)


def test_only_sound_is_no_video(tmp_path: Path) -> None:
    ffmpeg(*tone(), "-c:a", "aac", tmp_path / "sound.m4a")
    with pytest.raises(NoVideoStream):
        probe(tmp_path / "sound.m4a")


@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        ("mp4", ("-movflags", "+faststart")),  # an index in front, and half of what it promises
        ("mp4", ()),  # the index was at the end
        ("mkv", ()),
        ("webm", ("-c:v", "libvpx", "-b:v", "300k")),
        ("flv", ()),
    ],
)
def test_a_truncated_source_is_refused(tmp_path: Path, suffix: str, options: tuple[str, ...]) -> None:
    codec = () if "-c:v" in options else LOSSLESS
    path = numbered(tmp_path / f"clip.{suffix}", *codec, *options, frames=100, size=(160, 120))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 6 // 10 - 7])
    with pytest.raises(SourceBroken, match=rf"clip\.{suffix}"):
        probe(path)


def test_every_pixel_format_has_the_depth_that_ffmpeg_lists() -> None:
    # "IO... yuv420p10le   3   15   10-10-10", after a legend.
    listing = ffmpeg("-hide_banner", "-pix_fmts").decode().partition("-----\n")[2]
    rows = [line.split() for line in listing.splitlines() if line[3:4] != "H"]  # H: lives on a graphics card
    wrong = {}
    for _, name, _, _, depths in rows:
        depth = min(16, max(8, *(int(part) for part in depths.split("-"))))  # rgb565 and the like become 8 bits
        if name.startswith("bayer"):
            depth = 16 if "16" in name else 8  # listed as what is left of them for each colour
        if bit_depth_of(name) != depth:
            wrong[name] = (depth, bit_depth_of(name))
    assert rows
    assert wrong == {}


def test_frames_of_more_pixels_than_allowed_are_refused_by_their_size_alone(tmp_path: Path) -> None:
    clip = numbered(tmp_path / "clip.mp4", size=(64, 48))
    assert probe(clip, max_pixels=64 * 48).max_pixels == 64 * 48
    with pytest.raises(FrameTooLarge, match=r"64×48 pixels, and 3071 are allowed"):
        probe(clip, max_pixels=64 * 48 - 1)


def test_a_small_file_that_holds_a_huge_frame_is_refused_before_that_is_decoded(tmp_path: Path) -> None:
    width, height = 14_000, 14_000
    rows = zlib.compressobj(9)
    data = b"".join(rows.compress(bytes(1 + width)) for _ in range(height)) + rows.flush()

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)  # 8 bits of grey
    picture = tmp_path / "huge.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b""))
    with pytest.raises(FrameTooLarge, match="14000×14000"):
        probe(picture, max_pixels=4096 * 2304)


def test_frames_that_grow_later_are_not_decoded_either(tmp_path: Path) -> None:
    small = numbered(tmp_path / "small.ts", size=(64, 48), frames=5)
    large = numbered(tmp_path / "large.ts", size=(640, 480), frames=5)
    grown = tmp_path / "grown.ts"
    grown.write_bytes(small.read_bytes() + large.read_bytes())
    with pytest.raises(FrameTooLarge, match=r"640×480 pixels, and 3072 are allowed"):
        probe(grown, max_pixels=64 * 48)
