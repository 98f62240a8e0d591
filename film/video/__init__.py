"""ffmpeg and nothing but ffmpeg: probe, decode, encode, join, sound.

A clip becomes a smooth one in this order: `probe`, `Decoder`, (the network), `Encoder` for one
piece or several, `join`. Nothing holds more than a few frames, however long the clip is.
"""

from film.video.audio import SoundPlan, TrackPlan, plan_sound
from film.video.binaries import check_encoder, find_ffmpeg
from film.video.colour import Colour
from film.video.decode import Decoder, Frame, Pixels
from film.video.encode import Encoder, check_target
from film.video.encoding import CODECS, Encoding
from film.video.mux import join
from film.video.probe import AudioTrack, Clip, probe
from film.video.stills import read_image, write_image

__all__ = [
    "CODECS",
    "AudioTrack",
    "Clip",
    "Colour",
    "Decoder",
    "Encoder",
    "Encoding",
    "Frame",
    "Pixels",
    "SoundPlan",
    "TrackPlan",
    "check_encoder",
    "check_target",
    "find_ffmpeg",
    "join",
    "plan_sound",
    "probe",
    "read_image",
    "write_image",
]
