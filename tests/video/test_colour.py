"""Colours that pass through: decoded, encoded and decoded again they are what they were."""

from pathlib import Path

import numpy as np
import pytest

from film.video import Clip, Decoder, Encoder, Encoding, join, probe
from tests.clips import LOSSLESS, colours, ffmpeg, turn_header, variable

SD, HD = (128, 96), (1280, 722)


def _tags(matrix: str, primaries: str, transfer: str, *, full: bool = False) -> str:
    return (
        f"scale=out_color_matrix={matrix}:out_range={'full' if full else 'limited'},"
        f"setparams=colorspace={matrix}:color_primaries={primaries}:color_trc={transfer}:range={'pc' if full else 'tv'}"
    )


BT601 = _tags("smpte170m", "smpte170m", "smpte170m")
BT709 = _tags("bt709", "bt709", "bt709")
BT2020 = _tags("bt2020nc", "bt2020", "smpte2084")
FULL = _tags("bt709", "bt709", "bt709", full=True)
UNTAGGED = "setparams=colorspace=unknown:color_primaries=unknown:color_trc=unknown:range=unknown"


def _made(folder: Path, filters: str, pixel_format: str = "yuv420p", size: tuple[int, int] = SD) -> Path:
    return colours(
        folder / "clip.mkv",
        *("-vf", f"{filters},format={pixel_format}", "-c:v", "libx264", "-preset", "ultrafast", "-qp", "0"),
        size=size,
        frames=2,
    )


def _through(clip: Clip, folder: Path) -> Clip:
    """Encode a clip's frames as they are, nearly without loss."""
    piece, target = folder / "piece.mp4", folder / "through.mp4"
    with (
        Decoder(clip) as frames,
        Encoder(
            piece,
            size=(clip.width, clip.height),
            rate=clip.average_rate,
            colour=clip.colour,
            bit_depth=clip.bit_depth,
            encoding=Encoding(crf=0, preset="ultrafast"),
        ) as encoder,
    ):
        for frame in frames:
            encoder.write(frame.pixels)
    join([piece], target, rate=clip.average_rate, source=clip)
    return probe(target)


def _pixels(clip: Clip) -> np.ndarray:
    with Decoder(clip) as frames:
        return np.stack([frame.pixels for frame in frames])


def _raw(path: Path, pixel_format: str) -> np.ndarray:
    """Give a clip's own samples, as the decoder has them: no conversion of ours takes part."""
    kind = "<u2" if "10" in pixel_format else np.uint8
    raw = ffmpeg("-noautorotate", "-i", path, "-pix_fmt", pixel_format, "-f", "rawvideo", "-")
    return np.frombuffer(raw, kind).astype(int)


@pytest.mark.parametrize(
    ("filters", "pixel_format", "size"),
    [
        (BT601, "yuv420p", SD),
        (BT709, "yuv420p", SD),
        (BT2020, "yuv420p", SD),
        (UNTAGGED, "yuv420p", SD),
        (UNTAGGED, "yuv420p", HD),
        (FULL, "yuv420p", SD),
        (BT2020, "yuv420p10le", SD),
        (BT709, "yuv420p10le", SD),
        (FULL, "yuv420p10le", SD),
        (BT709, "yuv444p", (97, 63)),
        (UNTAGGED, "yuv444p10le", (97, 63)),
    ],
)
def test_samples_and_tags_come_back(tmp_path: Path, filters: str, pixel_format: str, size: tuple[int, int]) -> None:
    source = probe(_made(tmp_path, filters, pixel_format, size))
    result = _through(source, tmp_path)
    assert (result.width, result.height) == size
    # ffmpeg calls 8 bits of full range yuvj.
    assert (result.pixel_format.replace("yuvj", "yuv"), result.bit_depth) == (pixel_format, source.bit_depth)
    for tag in ("matrix", "primaries", "transfer", "full_range"):
        assert getattr(result.colour, tag) == getattr(source.colour, tag)
    samples, back = _raw(source.path, pixel_format), _raw(result.path, pixel_format)
    step = 1 if source.bit_depth == 8 else 4  # of 8 bits, in samples
    assert abs((back - samples).mean()) < 0.1 * step
    assert abs(back - samples).max() <= 2 * step


@pytest.mark.parametrize(
    ("source_format", "filters"),
    [("yuv422p", BT709), ("yuv444p", BT601), ("yuv422p10le", BT709), ("yuv444p12le", BT2020), ("gbrp", "null")],
)
def test_colours_of_other_formats_stay(tmp_path: Path, source_format: str, filters: str) -> None:
    path = colours(tmp_path / "clip.mkv", "-vf", f"{filters},format={source_format}", "-c:v", "ffv1", frames=2)
    source = probe(path)
    result = _through(source, tmp_path)
    assert result.bit_depth == (8 if source.bit_depth == 8 else 10)
    before, after = _pixels(source).astype(int), _pixels(result).astype(int)
    one = 1 if source.bit_depth == 8 else 257  # 1/255
    assert abs((after - before).mean(axis=(0, 1, 2))).max() < one
    luma = (after - before)[..., 1].mean(axis=(0, 1))  # green down every column of the ramp
    assert abs(luma).max() < 2 * one


@pytest.mark.parametrize("kind", ["rotated", "variable", "anamorphic"])
def test_mean_colours_stay_whatever_else_is_done(tmp_path: Path, kind: str) -> None:
    if kind == "rotated":
        upright = _made(tmp_path, BT709)
        path = tmp_path / "turned.mov"
        ffmpeg("-i", upright, "-c", "copy", path)
        turn_header(path, 90)
    elif kind == "variable":
        path = variable(tmp_path / "variable.mkv", "N*N")
    else:
        path = _made(tmp_path, f"{BT601},setsar=16/15")
    source = probe(path)
    result = _through(source, tmp_path)
    assert (result.width, result.height) == {
        "rotated": (96, 128),
        "variable": (64, 48),
        "anamorphic": (136, 96),
    }[kind]
    difference = _pixels(result).mean(axis=(1, 2)) - _pixels(source).mean(axis=(1, 2))
    assert abs(difference).max() < 1


@pytest.mark.parametrize(("filters", "weights"), [(BT601, (0.299, 0.587)), (BT709, (0.2126, 0.7152))])
@pytest.mark.parametrize("full", [False, True])
def test_rgb_is_what_the_tags_say(tmp_path: Path, filters: str, weights: tuple[float, float], *, full: bool) -> None:
    # One flat colour: Y 120, Cb 110, Cr 150, by the formulas of H.273 section 8.3.
    path = tmp_path / "clip.mkv"
    tags = filters.partition(",")[2].replace("range=tv", "range=pc" if full else "range=tv")
    picture = "nullsrc=s=64x48:r=25,format=yuv420p,geq=lum=120:cb=110:cr=150"
    ffmpeg("-f", "lavfi", "-i", picture, "-vf", tags, "-frames:v", "1", *LOSSLESS, path)
    luma, blue, red = (120 / 255, -18 / 255, 22 / 255) if full else (104 / 219, -18 / 224, 22 / 224)
    kr, kg = weights
    kb = 1 - kr - kg
    r, b = luma + 2 * (1 - kr) * red, luma + 2 * (1 - kb) * blue
    expected = np.array([r, (luma - kr * r - kb * b) / kg, b]) * 255
    assert abs(_pixels(probe(path))[0, 20, 20] - expected).max() <= 1


def test_an_untagged_clip_is_read_by_its_size(tmp_path: Path) -> None:
    def red_of(size: tuple[int, int]) -> float:
        picture = f"nullsrc=s={size[0]}x{size[1]}:r=25,format=yuv420p,geq=lum=120:cb=128:cr=180,{UNTAGGED}"
        ffmpeg("-f", "lavfi", "-i", picture, "-frames:v", "1", *LOSSLESS, tmp_path / "clip.mp4")
        return float(_pixels(probe(tmp_path / "clip.mp4"))[0, 5, 5, 0])

    assert abs(red_of((64, 48)) - 255 * (104 / 219 + 1.402 * 52 / 224)) <= 1
    assert abs(red_of((1280, 48)) - 255 * (104 / 219 + 1.5748 * 52 / 224)) <= 1
    assert abs(red_of((64, 578)) - 255 * (104 / 219 + 1.5748 * 52 / 224)) <= 1
