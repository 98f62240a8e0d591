"""How a file of unknown origin is handed to ffmpeg.

Two things make ffmpeg dangerous on such a file: names that it takes for something else
(`-y`, `http://…`, `concat:a|b`, `%03d.png`), and playlists, whose demuxers open whatever the
file names. So the path goes in as a `file:` URL, only the `file` protocol is allowed, and only
demuxers that keep to the file itself are.
"""

import os
from pathlib import Path
from typing import Any

import ffmpeg

from film.errors import NotAVideo, SourceUnreadable

__all__ = ["DEMUXERS", "check_readable", "file_url", "is_text", "open_source", "starts_as_mp4", "still_demuxer"]

# Containers and bare streams that hold their own pictures. Left out on purpose: playlists and
# scripts that open other files (hls, dash, concat, imf, avisynth, vapoursynth, sdp, rtsp),
# devices (lavfi, v4l2, x11grab), image2 (it takes % and * in a name for a pattern), tty (it
# renders any text as a video), and game formats, whose demuxers few people test.
DEMUXERS = (
    *("apng", "asf", "avi", "dv", "flv", "gif", "ivf", "matroska", "mov", "mpeg", "mpegts", "mxf", "nut", "ogg"),
    *("av1", "h263", "h264", "hevc", "m4v", "mjpeg", "mpegvideo", "obu", "rm", "vc1", "wtv", "yuv4mpegpipe"),
    *("bmp_pipe", "jpeg_pipe", "pgm_pipe", "png_pipe", "ppm_pipe", "tiff_pipe", "webp_pipe"),
)

# A picture is recognised here and its demuxer named, since ffmpeg itself would pick image2 by
# the file's name.
_STILLS = (
    (b"\x89PNG\r\n\x1a\n", "png_pipe"),
    (b"\xff\xd8\xff", "jpeg_pipe"),
    (b"BM", "bmp_pipe"),
    (b"II*\x00", "tiff_pipe"),
    (b"MM\x00*", "tiff_pipe"),
    (b"P5", "pgm_pipe"),
    (b"P6", "ppm_pipe"),
)
_PADDING = 4  # one part in so many of a small frame's pixels can be what its codec added
_HEAD_BYTES = 1 << 20  # an animated PNG says so before its first picture, maybe after a colour profile


def check_readable(path: Path) -> None:
    """Make sure that `path` is a file with something in it that we may read.

    Raises:
        SourceUnreadable: If it is missing, isn't a regular file, or can't be opened, or its name isn't UTF-8.
        NotAVideo: If it is empty.
    """
    if not is_text(path):
        raise SourceUnreadable(f"{os.fspath(path)!a} has a name that isn't text (UTF-8); rename it")
    try:
        if not path.is_file():
            reason = "is a folder" if path.is_dir() else "is not a file" if path.exists() else "doesn't exist"
            raise SourceUnreadable(f"{path} {reason}; name a video file")
        with path.open("rb") as file:
            if not file.read(1):
                raise NotAVideo(f"{path} is empty")
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise SourceUnreadable(f"{path} can't be read: {reason}; check the path and its permissions") from error


def is_text(path: Path) -> bool:
    """Say whether the name is UTF-8, which ffmpeg-python needs in order to pass it on."""
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def file_url(path: Path) -> str:
    """Give `path` in the form in which ffmpeg takes every character of it literally."""
    return f"file:{os.fspath(path)}"


def open_source(path: Path, *, max_pixels: int | None = None, **options: Any) -> ffmpeg.nodes.FilterableStream:
    """Give `path` as an input of a command line, with what keeps ffmpeg to that one file.

    Timestamps stay as the file has them (`-copyts`, which `options` can't switch off), so that
    times seen by one run can be compared with those of another.

    Args:
        path: The file.
        max_pixels: Frames of more pixels aren't decoded: a small file may say that it holds one of any size. As
            codecs pad their frames to whole blocks, some more pass.
        options: Of the input, as ffmpeg names them.
    """
    if max_pixels is not None:
        options["max_pixels"] = max_pixels + max_pixels // _PADDING
    demuxer = still_demuxer(path)
    if demuxer is not None:
        options["format"] = demuxer
    return ffmpeg.input(
        file_url(path),
        copyts=None,
        protocol_whitelist="file",
        format_whitelist=",".join(DEMUXERS),
        **options,
    )


def still_demuxer(path: Path) -> str | None:
    """Name the demuxer of the picture in `path`, or None where it isn't a picture.

    Raises:
        SourceUnreadable: If `path` can't be read.
    """
    head = _head(path)
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "webp_pipe"
    for signature, demuxer in _STILLS:
        if head.startswith(signature):
            animated = demuxer == "png_pipe" and b"acTL" in head.split(b"IDAT", 1)[0]
            return "apng" if animated else demuxer
    return None


def starts_as_mp4(path: Path) -> bool:
    """Say whether `path` begins as an MP4 or QuickTime file does: with the size and kind of a box.

    Raises:
        SourceUnreadable: If `path` can't be read.
    """
    return _head(path)[4:8] in (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot")


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_HEAD_BYTES)
    except OSError as error:
        raise SourceUnreadable(f"{path} can't be read: {error.strerror}") from error
