"""Frames that come out of `Decoder`: which ones, when, and what is done to them."""

import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from film.errors import OptionError, SourceBroken, SourceUnreadable
from film.video import Decoder, probe
from tests.clips import LOSSLESS, ffmpeg, number_of, numbered, packets, turn_header, variable

H264 = ("-c:v", "libx264", "-bf", "3", "-g", "12")


def test_every_frame_comes_once_and_at_its_time(tmp_path: Path) -> None:
    clip = probe(numbered(tmp_path / "clip.mp4", *H264, rate="30000/1001", frames=40))
    with Decoder(clip) as frames:
        seen = [(frame.index, frame.time, number_of(frame.pixels)) for frame in frames]
    assert seen == [(index, Fraction(1001 * index, 30000), index) for index in range(40)]


def test_frames_are_rows_of_rgb(tmp_path: Path) -> None:
    with Decoder(probe(numbered(tmp_path / "clip.mp4", size=(80, 48)))) as frames:
        pixels = next(frames).pixels
    assert pixels.shape == (48, 80, 3)
    assert pixels.dtype == np.uint8


def test_more_than_8_bits_come_as_16(tmp_path: Path) -> None:
    white = "nullsrc=s=32x32:r=25,format=yuv420p10le,geq=lum=940:cb=512:cr=512"
    ffmpeg("-f", "lavfi", "-i", white, "-frames:v", "2", "-c:v", "libx264", "-qp", "0", tmp_path / "clip.mp4")
    with Decoder(probe(tmp_path / "clip.mp4")) as frames:
        pixels = next(frames).pixels
    assert pixels.dtype == np.uint16
    assert pixels.min() >= 65533  # white is the whole scale


@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        ("mp4", H264),
        ("mp4", ("-c:v", "libx264", "-g", "12", "-x264-params", "open-gop=1:bframes=3")),
        ("mkv", H264),
        ("ts", H264),
        ("avi", ("-c:v", "mpeg4", "-bf", "2", "-g", "12")),
        ("webm", ("-c:v", "libvpx", "-g", "12", "-b:v", "400k")),
        ("mpg", ("-c:v", "mpeg2video", "-bf", "2", "-b:v", "2M")),
    ],
)
def test_any_range_of_frames_is_what_decoding_all_gives(tmp_path: Path, suffix: str, options: tuple[str, ...]) -> None:
    clip = probe(numbered(tmp_path / f"clip.{suffix}", *options, frames=60))
    with Decoder(clip) as frames:
        everything = [frame.pixels for frame in frames]
    # MPEG-PS dates few frames, and ffmpeg's guess for the last two can be the same.
    assert len(everything) == clip.frame_count >= (59 if suffix == "mpg" else 60)
    for first, count in ((1, 1), (23, 3), (24, 2), (25, 2), (37, 20), (58, 1)):
        with Decoder(clip, first=first, count=count) as frames:
            part = list(frames)
        assert [frame.index for frame in part] == list(range(first, first + count))
        assert all(np.array_equal(frame.pixels, everything[frame.index]) for frame in part)
        assert part[0].time == clip.time(first)


def test_a_variable_rate_is_sought_exactly(tmp_path: Path) -> None:
    clip = probe(variable(tmp_path / "clip.mkv", "N*N", "-g", "3"))
    for first in (1, 9, 10, 19):
        with Decoder(clip, first=first, count=1) as frames:
            frame = next(frames)
        assert (number_of(frame.pixels), frame.time) == (first, Fraction(first * first, 1000))


def test_frames_that_an_edit_list_hides_are_not_given(tmp_path: Path) -> None:
    whole, cut = numbered(tmp_path / "whole.mp4", *LOSSLESS, "-g", "30", frames=60), tmp_path / "cut.mp4"
    ffmpeg("-ss", "0.4", "-i", whole, "-c", "copy", cut)
    assert len(packets(cut, "v:0")) == 60
    with Decoder(probe(cut)) as frames:
        assert [number_of(frame.pixels) for frame in frames] == list(range(10, 60))
    with Decoder(probe(cut), first=30, count=2) as frames:
        assert [number_of(frame.pixels) for frame in frames] == [40, 41]


def test_a_clip_that_starts_between_key_frames_is_exact(tmp_path: Path) -> None:
    # The first pictures of an open group of pictures need frames that a cut recording lacks.
    whole, cut = tmp_path / "whole.ts", tmp_path / "cut.ts"
    numbered(whole, "-c:v", "mpeg2video", "-bf", "2", "-g", "12", "-b:v", "2M", frames=60)
    data = whole.read_bytes()
    cut.write_bytes(data[len(data) // 188 // 3 * 188 :])
    clip = probe(cut)
    with Decoder(clip) as frames:
        numbers = [number_of(frame.pixels) for frame in frames]
    assert len(numbers) == clip.frame_count < 60
    assert numbers == list(range(60 - clip.frame_count, 60))


def test_rotation_and_pixel_aspect_are_applied(tmp_path: Path) -> None:
    # A bright left half, stored lying; players turn it by 90° clockwise, so the top is bright.
    path = tmp_path / "clip.mov"
    picture = "color=black:s=64x32:r=25,drawbox=w=32:h=32:color=white:t=fill,setsar=2/1"
    ffmpeg("-f", "lavfi", "-i", picture, "-frames:v", "2", *LOSSLESS, path)
    with Decoder(probe(turn_header(path, 90))) as frames:
        pixels = next(frames).pixels
    assert pixels.shape == (64, 16, 3)  # 32×64, and its pixels half as wide as they are high
    assert pixels[:28].min() > 250
    assert pixels[36:].max() < 5


def test_fields_are_woven_into_whole_frames(tmp_path: Path) -> None:
    # A bar that moves 8 pixels a field: every second row of an interlaced frame is elsewhere.
    path = tmp_path / "clip.mkv"
    picture = "color=black:s=128x96:r=50[b];color=white:s=16x96:r=50[w];[b][w]overlay=x=8*n:y=0,trim=end_frame=24"
    ffmpeg("-f", "lavfi", "-i", f"{picture},interlace=lowpass=off", *LOSSLESS, "-flags", "+ilme+ildct", path)
    clip = probe(path)
    assert clip.interlaced
    assert clip.frame_count == 12
    with Decoder(clip) as frames:
        seen = [(frame.time, frame.pixels[..., 0].astype(int)) for frame in frames]
    assert [time for time, _ in seen] == [Fraction(index, 25) for index in range(12)]
    _, middle = seen[5]
    assert abs(middle[20:76:2] - middle[21:77:2]).mean() < 4  # 32 where fields are left alone
    with Decoder(clip, first=5, count=1) as frames:
        assert np.array_equal(next(frames).pixels[..., 0], middle)


def test_frames_of_another_size_are_scaled_to_the_first_one(tmp_path: Path) -> None:
    small = numbered(tmp_path / "small.h264", size=(64, 48), frames=10)
    large = numbered(tmp_path / "large.h264", size=(128, 96), frames=10)
    both = tmp_path / "both.h264"
    both.write_bytes(small.read_bytes() + large.read_bytes())
    clip = probe(both)
    with Decoder(clip) as frames:
        seen = [(frame.pixels.shape, number_of(frame.pixels)) for frame in frames]
    assert seen == [((48, 64, 3), index) for index in (*range(10), *range(10))]


def test_what_is_transparent_is_shown_over_black(tmp_path: Path) -> None:
    # White, and from left to right opaque, half and fully transparent.
    pixels = np.full((16, 48, 4), 255, np.uint8)
    pixels[:, 16:32, 3], pixels[:, 32:, 3] = 128, 0
    raw = ("-f", "rawvideo", "-pixel_format", "rgba", "-video_size", "48x16", "-i", "-")
    ffmpeg(*raw, "-c:v", "png", tmp_path / "clip.mov", stdin=pixels.tobytes())
    with Decoder(probe(tmp_path / "clip.mov")) as frames:
        shown = next(frames).pixels
    assert [shown[8, x].tolist() for x in (8, 24, 40)] == [[255] * 3, [128] * 3, [0] * 3]


def test_frames_that_a_clip_does_not_have_are_refused(tmp_path: Path) -> None:
    clip = probe(numbered(tmp_path / "clip.mp4", frames=10))
    for first, count in ((-1, 2), (10, None), (5, 6), (0, 0)):
        with pytest.raises(OptionError, match="frames 0 to 9"):
            Decoder(clip, first=first, count=count)


def test_a_clip_that_is_gone_is_unreadable(tmp_path: Path) -> None:
    clip = probe(numbered(tmp_path / "clip.mp4"))
    clip.path.unlink()
    with pytest.raises(SourceUnreadable, match="doesn't exist"):
        Decoder(clip)


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_damaged_frame_is_not_shown_as_if_it_were_whole(tmp_path: Path, suffix: str) -> None:
    path = numbered(tmp_path / f"clip.{suffix}", "-c:v", "libx264", "-g", "10", "-bf", "0", size=(160, 120), frames=60)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 200] = bytes(200)
    path.write_bytes(data)

    def decode_all() -> None:
        with Decoder(probe(path)) as frames:
            for _ in frames:
                pass

    with pytest.raises(SourceBroken, match=re.escape(str(path))):
        decode_all()


def test_a_source_that_shrinks_while_it_is_read_is_broken(tmp_path: Path) -> None:
    path = numbered(tmp_path / "clip.mp4", *LOSSLESS, "-movflags", "+faststart", frames=100, size=(160, 120))
    clip = probe(path)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with Decoder(clip) as frames, pytest.raises(SourceBroken, match="damaged"):
        for _ in frames:
            pass
