"""Files that are no good clips: that name other files and hosts, lie about themselves, or are something else."""

import struct
import zlib
from collections.abc import Callable

__all__ = ["LIARS", "POINTERS", "with_alias"]

_HLS = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:10\n{key}#EXTINF:10.0,\n{place}\n#EXT-X-ENDLIST\n"
_DASH = """<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"
mediaPresentationDuration="PT1S" profiles="urn:mpeg:dash:profile:isoff-on-demand:2011">
<Period><AdaptationSet mimeType="video/mp4"><Representation
id="1" bandwidth="1"><BaseURL>{place}</BaseURL></Representation></AdaptationSet></Period></MPD>"""
_SDP = (
    "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {port} RTP/AVP 96\na=rtpmap:96 H264/90000\n"
)
_SVG = """<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"
width="64" height="48"><image width="64" height="48" xlink:href="{place}"/></svg>"""
_SMOOTH = """<SmoothStreamingMedia MajorVersion="2" Duration="1">
<StreamIndex Type="video" Url="{place}"/></SmoothStreamingMedia>"""
_IMF = """<?xml version="1.0"?>
<CompositionPlaylist xmlns="http://www.smpte-ra.org/schemas/2067-3/2016">{place}</CompositionPlaylist>"""

POINTERS: dict[str, tuple[str, str]] = {
    "a playlist": ("clip.m3u8", _HLS.format(key="", place="{place}")),
    "a playlist named as a video": ("clip.mp4", _HLS.format(key="", place="{place}")),
    "a playlist with a key": ("clip.mp4", _HLS.format(key='#EXT-X-KEY:METHOD=AES-128,URI="{place}"\n', place="x.ts")),
    "a playlist of playlists": ("clip.mp4", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{place}\n"),
    "a playlist with an initial part": (
        "clip.mp4",
        _HLS.format(key='#EXT-X-MAP:URI="{place}"\n', place="{place}"),
    ),
    "DASH": ("clip.mpd", _DASH),
    "DASH named as a video": ("clip.mp4", _DASH),
    "a script of concat": ("clip.ffconcat", "ffconcat version 1.0\nfile '{place}'\n"),
    "a script of concat named as a video": ("clip.mp4", "ffconcat version 1.0\nfile '{place}'\n"),
    "SDP": ("clip.sdp", _SDP),
    "SDP named as a video": ("clip.mp4", _SDP),
    "a picture that holds another": ("clip.svg", _SVG),
    "the same named as a video": ("clip.mp4", _SVG),
    "Smooth Streaming": ("clip.ism", _SMOOTH),
    "IMF": ("CPL.xml", _IMF),
    "a RealMedia playlist": ("clip.ram", "{place}\n"),
    "a reference movie of text": ("clip.mov", "RTSPtext\n{place}\n"),
    "a Windows playlist": ("clip.asx", '<asx version="3.0"><entry><ref href="{place}"/></entry></asx>'),
    "an ASF redirector": ("clip.asf", "[Reference]\nRef1={place}\n"),
    "an internet shortcut": ("clip.mp4", "[InternetShortcut]\nURL={place}\n"),
    "a script of AviSynth": ("clip.avs", 'FFVideoSource("{place}")\n'),
    "a script of VapourSynth": ("clip.vpy", "import vapoursynth\nopen('{place}')\n"),
    "a description of VobSub": (
        "clip.idx",
        "# VobSub index file, v7 (do not modify this line!)\nid: en, index: 0\n{place}",
    ),
    "a cue sheet": ("clip.cue", 'FILE "{place}" WAVE\n  TRACK 01 AUDIO\n    INDEX 01 00:00:00\n'),
    "metadata of ffmpeg's": ("clip.mp4", ";FFMETADATA1\ntitle={place}\n"),
    "subtitles": ("clip.srt", "1\n00:00:00,000 --> 00:00:01,000\n<img src={place}>\n"),
    "subtitles with a font": (
        "clip.mp4",
        "[Script Info]\nScriptType: v4.00+\n[Events]\nDialogue: 0,0:0:0,0:0:1,,,,,,,{place}\n",
    ),
    "a graph of filters": ("clip.mp4", "movie={place}"),
    "a web page": ("clip.mp4", '<!doctype html><html><video src="{place}"></video></html>'),
    "a name that is an option": ("-i", "{place}"),
    "a name that is another option": ("-filter_complex_script", "movie={place}"),
    "a name that is a protocol": ("concat:canary.mp4|canary.mp4", "{place}"),
    "a name that is a pattern": ("%03d.png", "{place}"),
    "a name that is a wildcard": ("*.mp4", "{place}"),
}
"""Name and content by kind; `{place}` is what they point to, `{port}` one that nobody may come to."""


def _png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")


def _y4m(header: str, frames: int = 2, size: int = 64 * 48 * 3 // 2) -> bytes:
    return f"YUV4MPEG2 {header}\n".encode() + (b"FRAME\n" + bytes(size)) * frames


def _gif(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HH", width, height) + b"\x80\x00\x00" + bytes(6) + b"\x2c" + bytes(20) + b"\x3b"


def _zip() -> bytes:
    packed = zlib.compress(bytes(50 << 20), 9)[2:-4]
    name = b"clip.mp4"
    return (
        struct.pack("<4s5HIIIHH", b"PK\x03\x04", 20, 0, 8, 0, 0, 0, len(packed), 50 << 20, len(name), 0) + name + packed
    )


LIARS: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda _: b"",
    "a single byte": lambda _: b"\x00",
    "zeros": lambda _: bytes(100_000),
    "text": lambda _: b"This is not a video.\n" * 1000,
    "a bomb of zip": lambda _: _zip(),
    "half a clip": lambda good: good[: len(good) // 2],
    "a clip's head alone": lambda good: good[:40],
    "a clip whose index is noise": lambda good: good.replace(b"stco", b"noise"[:4]).replace(b"avc1", b"????"),
    "a huge picture": lambda _: _png(60_000, 60_000),
    "the hugest picture": lambda _: _png(2**31 - 1, 2**31 - 1),
    "a huge animation": lambda _: _gif(65_535, 65_535),
    "a clip of huge frames": lambda _: _y4m("W1000000 H1000000 F25:1 C420"),
    "a clip of no size": lambda _: _y4m("W0 H0 F25:1 C420"),
    "a clip of negative size": lambda _: _y4m("W-64 H-48 F25:1 C420"),
}
"""What to make of a good clip, by kind; none of them is a video."""


def with_alias(good: bytes, place: str) -> bytes:
    """Give an MP4 file whose pictures are said to lie in another one, as QuickTime's reference movies have it.

    The alias is laid out as `mov_read_dref` of ffmpeg's libavformat/mov.c reads it.
    """
    path = place.encode()
    path += b"\x00" * (len(path) % 2)
    name = path[:63]
    alias = bytes(10) + bytes([0]) + bytes(27) + bytes(12) + bytes([len(name)]) + name.ljust(63, b"\x00") + bytes(16)
    alias += struct.pack(">HH", 1, 1) + bytes(16) + struct.pack(">HH", 2, len(path)) + path
    alias += struct.pack(">HH", 0xFFFF, 0)
    entry = struct.pack(">I4sI", 12 + len(alias), b"alis", 0) + alias
    at = good.index(b"url \x00\x00\x00\x01") - 4
    longer = bytearray(good[:at] + entry + good[at + 12 :])
    for kind in (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"):  # the boxes around it
        start = good.index(kind) - 4
        (size,) = struct.unpack_from(">I", good, start)
        struct.pack_into(">I", longer, start, size + len(entry) - 12)
    return bytes(longer)
