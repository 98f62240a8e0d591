"""Which ffmpeg is run, and what it can encode.

The one on PATH comes first, because a user who installed one chose it; the one that the
imageio-ffmpeg package brings is the fallback. ffprobe is never needed: imageio-ffmpeg has
none, and what it would say is in ffmpeg's own output (`film.video.probe`).
"""

import shutil
import subprocess
from functools import lru_cache

import ffmpeg

from film.errors import FfmpegMissing

__all__ = ["check_encoder", "compile_command", "find_ffmpeg"]

_LIST_SECONDS = 60  # far above what listing the encoders takes, even on a busy machine


def find_ffmpeg() -> str:
    """Give the path of the ffmpeg to run.

    Raises:
        FfmpegMissing: If there is none on PATH and imageio-ffmpeg has no binary either.
    """
    on_path = shutil.which("ffmpeg")
    if on_path is not None:
        return on_path
    try:
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError) as error:
        raise FfmpegMissing from error


def check_encoder(codec: str) -> None:
    """Make sure that this ffmpeg has the video encoder `codec` (`"libx264"`, say).

    Raises:
        FfmpegMissing: If there is no ffmpeg, or it was built without that encoder.
    """
    binary = find_ffmpeg()
    if codec not in _video_encoders(binary):
        raise FfmpegMissing(
            f"ffmpeg ({binary}) has no video encoder named {codec!r}; choose another codec, "
            "or an ffmpeg that was built with it"
        )


@lru_cache(maxsize=8)
def _video_encoders(binary: str) -> frozenset[str]:
    """Name the video encoders of `binary`.

    Raises:
        FfmpegMissing: If `binary` doesn't run.
    """
    # ffmpeg-python builds command lines from files only; this one has none.
    try:
        listing = subprocess.run(
            [binary, "-hide_banner", "-nostdin", "-encoders"],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=_LIST_SECONDS,
            check=True,
        ).stdout.decode(errors="replace")
    except (OSError, subprocess.SubprocessError) as error:
        raise FfmpegMissing(f"ffmpeg ({binary}) doesn't run: {error}") from error
    # After a legend, a line a codec: "V....D libx264   H.264 / AVC ...".
    words = (line.split() for line in listing.splitlines())
    return frozenset(word[1] for word in words if len(word) > 1 and word[0].startswith("V") and word[1] != "=")


def compile_command(stream: ffmpeg.nodes.OutputStream) -> list[str]:
    """Give the argument list that runs `stream` on our ffmpeg, quiet apart from its log.

    The log goes to standard error, each line with its level, nothing left out; standard
    input is never taken for commands.

    Raises:
        FfmpegMissing: If there is no ffmpeg.
    """
    stream = stream.global_args("-hide_banner", "-nostdin", "-nostats", "-loglevel", "level+repeat+info")
    return [str(argument) for argument in ffmpeg.compile(stream, cmd=find_ffmpeg(), overwrite_output=True)]
