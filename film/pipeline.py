"""The main job: a clip in, a smoother clip out."""

import errno
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from film.errors import FilmError, NoSpace, OptionError, TargetExists, TargetUnwritable
from film.overlap import WriteBehind
from film.segments import Between, Recipe, Segment, make_segment
from film.timeline import Retiming, Timeline, check_multiplier, check_rate
from film.video import (
    Clip,
    Colour,
    Encoder,
    Encoding,
    Pixels,
    SoundPlan,
    check_target,
    join,
    plan_sound,
    probe,
    read_image,
)

__all__ = ["Progress", "Summary", "interpolate_photos", "interpolate_video", "retime"]

# Browsers and phones play H.264 in these; other containers would need other sound codecs.
_CONTAINERS = (".mp4", ".m4v", ".mov")
_PIECE = "picture.mp4"
_PHOTO_RATE = Fraction(30)
_WIDEN = 257  # 255 becomes 65535
# A photograph says nothing of how its numbers become light but that it is sRGB: the primaries and
# nearly the transfer of BT.709, which video players know.
_PHOTO_COLOUR = Colour(matrix="bt709", primaries="bt709", transfer="bt709", full_range=False)


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a job has come.

    Attributes:
        frames_done: Output frames made so far.
        frames_total: Output frames that there will be.
        elapsed_seconds: Since the first frame was begun.
    """

    frames_done: int
    frames_total: int
    elapsed_seconds: float


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What came of a job.

    Attributes:
        target: The file that was written.
        width: Of the picture, pixels.
        height: Of the picture, pixels.
        rate: Frames a second, exact.
        frames: Output frames in all.
        made: Of these, frames that the network made.
        cuts: Pairs of source frames that were held because they are cuts.
        sound: What became of the sound; `None` where there is none.
        seconds: What it took.
    """

    target: Path
    width: int
    height: int
    rate: Fraction
    frames: int
    made: int
    cuts: int
    sound: SoundPlan | None
    seconds: float

    @property
    def duration(self) -> Fraction:
        """How long the result plays, seconds."""
        return self.frames / self.rate


OnProgress = Callable[[Progress], None]


def interpolate_video(  # noqa: PLR0913 (the one call that users make: all in sight, all but two by keyword)
    source: str | Path,
    target: str | Path,
    *,
    multiplier: int = 2,
    output_fps: Fraction | float | None = None,
    keep_duration: bool = False,
    preserve_audio: bool = True,
    scene_detection: bool = True,
    encoding: Encoding | None = None,
    interpolator: Between | None = None,
    overwrite: bool = False,
    on_progress: OnProgress | None = None,
) -> Summary:
    """Make a smoother clip; it appears at `target` when it is whole, and not before.

    Args:
        source: A video file.
        target: An `.mp4`, `.m4v` or `.mov` to write.
        multiplier: Output frames for each source frame, 1 to 64.
        output_fps: Output frames a second, 1 to 240; `multiplier` times the source's rate where not given.
        keep_duration: Sample the clip at `output_fps`, so that it lasts as long as before, instead of
            showing every frame at that rate (see `film.timeline`).
        preserve_audio: Keep the sound: as it is where it still fits, else stretched with its pitch kept.
        scene_detection: Hold cuts instead of making something between two scenes.
        encoding: How to compress; H.264 of good quality where not given.
        interpolator: Makes the frames; an `Interpolator()` of the best weights there are where not given.
        overwrite: Replace a target that exists.
        on_progress: Called after every output frame.

    Raises:
        OptionError: If an option is outside its range, or the target is the source.
        SourceError: If the source can't be read, isn't a video, is damaged or has fewer than two frames.
        TargetError: If the target exists, can't be written, or the disk is full.
        FfmpegError: If ffmpeg is missing or fails.
        WeightsError: If there are no usable weights.
    """
    started = time.monotonic()
    source, target = Path(source), Path(target)
    rate = None if output_fps is None else check_rate(output_fps)
    check_multiplier(multiplier)
    encoding = encoding or Encoding()
    encoding.check()
    _check_target(target, (source,), overwrite=overwrite)
    clip = probe(source)
    retiming = retime(clip, multiplier=multiplier, output_rate=rate, keep_duration=keep_duration)
    recipe = Recipe(clip=clip, retiming=retiming, encoding=encoding, scene_detection=scene_detection)
    sound = None
    if preserve_audio:
        sound = plan_sound(clip, picture_duration=retiming.output_duration, output_rate=retiming.rate)
    interpolator = interpolator or _default_interpolator()
    with _workspace(target) as folder:
        made = make_segment(
            recipe,
            Segment(start=0, stop=clip.frame_count),
            folder / _PIECE,
            interpolator=interpolator,
            on_frame=_counter(on_progress, retiming.output_frame_count),
        )
        join([made.path], target, rate=retiming.rate, sound=sound, source=clip)
    return Summary(
        target=target,
        width=clip.width,
        height=clip.height,
        rate=retiming.rate,
        frames=made.frames,
        made=made.made,
        cuts=made.cuts,
        sound=sound,
        seconds=time.monotonic() - started,
    )


def interpolate_photos(  # noqa: PLR0913 (like interpolate_video)
    first: str | Path,
    second: str | Path,
    target: str | Path,
    *,
    multiplier: int = 2,
    output_fps: Fraction | float | None = None,
    encoding: Encoding | None = None,
    interpolator: Between | None = None,
    overwrite: bool = False,
    on_progress: OnProgress | None = None,
) -> Summary:
    """Make a clip that moves from one photograph to another: both, and `multiplier` − 1 frames between.

    Unlike a clip's last frame, the second photograph is shown once; `output_fps` is 30 where not
    given. For the rest see `interpolate_video`.

    Raises:
        OptionError: If an option is outside its range, or the photographs differ in size.
        SourceError: If a photograph can't be read.
        TargetError: If the target exists, can't be written, or the disk is full.
        FfmpegError: If ffmpeg is missing or fails.
        WeightsError: If there are no usable weights.
    """
    started = time.monotonic()
    paths, target = (Path(first), Path(second)), Path(target)
    rate = check_rate(_PHOTO_RATE if output_fps is None else output_fps)
    check_multiplier(multiplier)
    encoding = encoding or Encoding()
    encoding.check()
    _check_target(target, paths, overwrite=overwrite)
    ends = _of_one_depth(*(read_image(path) for path in paths))
    if ends[0].shape != ends[1].shape:
        sizes = " and ".join(f"{end.shape[1]}×{end.shape[0]}" for end in ends)
        raise OptionError(f"both photographs must have one size, not {sizes}; crop or scale one of them")
    height, width, _ = ends[0].shape
    frames = _photo_frames(*ends, multiplier, interpolator or _default_interpolator())
    on_frame = _counter(on_progress, multiplier + 1)
    with _workspace(target) as folder:
        piece = folder / _PIECE
        depth = ends[0].dtype.itemsize * 8
        with Encoder(
            piece, size=(width, height), rate=rate, colour=_PHOTO_COLOUR, bit_depth=depth, encoding=encoding
        ) as encoder:
            with WriteBehind(encoder.write, size=1, stop=encoder.abandon) as written:
                for pixels in frames:
                    written.put(pixels)
                    on_frame()
            encoder.close()  # in here, so that Ctrl-C while it finishes ends it
        join([piece], target, rate=rate)
    return Summary(
        target=target,
        width=width,
        height=height,
        rate=rate,
        frames=multiplier + 1,
        made=multiplier - 1,
        cuts=0,
        sound=None,
        seconds=time.monotonic() - started,
    )


def retime(
    clip: Clip, *, multiplier: int, output_rate: Fraction | None = None, keep_duration: bool = False
) -> Retiming:
    """Say when a clip's frames are to be shown; the ranges are those of `Retiming`.

    Raises:
        TooFewFrames: If the clip has fewer than two frames.
        OptionError: If the multiplier or the rate is out of range.
    """
    timeline = Timeline(ticks=clip.times, time_base=clip.time_base, shown_seconds=clip.duration)
    if output_rate is None and clip.average_rate != timeline.rate:
        # Only an average: rounded, since the exact one may be a number that MP4 has no clock for.
        output_rate = multiplier * clip.average_rate
    return Retiming(timeline=timeline, multiplier=multiplier, output_rate=output_rate, keep_duration=keep_duration)


def _check_target(target: Path, sources: tuple[Path, ...], *, overwrite: bool) -> None:
    """Refuse a target before any work is done for it."""
    if target.suffix.lower() not in _CONTAINERS:
        raise OptionError(f"the target must end in {', '.join(_CONTAINERS)}, not {target.name!r}")
    with _target_errors(target):
        exists = target.exists()
    if any(_is_one_file(target, source) for source in sources):
        raise OptionError(f"{target} is the source itself; choose another name for the target")
    if exists and not overwrite and not target.is_dir():
        raise TargetExists(f"{target} exists; choose another name, or allow overwriting (--overwrite)")
    check_target(target)


def _is_one_file(target: Path, source: Path) -> bool:
    try:
        return target.samefile(source)
    except (OSError, ValueError):  # one of them is missing, or isn't ours to look at; whoever opens it says so
        return False


@contextmanager
def _workspace(target: Path) -> Iterator[Path]:
    """Give a folder beside the target, on the same disk, that is gone afterwards whatever happens."""
    with _target_errors(target):
        folder = Path(tempfile.mkdtemp(prefix=".film-", suffix=".partial", dir=target.parent))
    try:
        yield folder
    except FilmError as error:
        named = str(error).replace(str(folder / _PIECE), str(target))  # the file that the user knows of
        if named == str(error):
            raise
        raise type(error)(named) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _target_errors(target: Path) -> Iterator[None]:
    """Say in our words what the system has against the target."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NoSpace(f"no space is left for {target}; free some or write elsewhere") from error
        raise TargetUnwritable(f"{target} can't be written: {error.strerror}; choose another place") from error


def _counter(on_progress: OnProgress | None, total: int) -> Callable[[], None]:
    """Make what is called after every frame; the clock runs from now."""
    started = time.monotonic()
    done = 0

    def count() -> None:
        nonlocal done
        done += 1
        if on_progress is not None:
            on_progress(Progress(frames_done=done, frames_total=total, elapsed_seconds=time.monotonic() - started))

    return count


def _of_one_depth(first: Pixels, second: Pixels) -> tuple[Pixels, Pixels]:
    """Widen 8 bits to 16 where the other photograph has 16."""
    if first.dtype == second.dtype:
        return first, second
    return _widened(first), _widened(second)


def _widened(pixels: Pixels) -> Pixels:
    return pixels if pixels.dtype == np.uint16 else pixels.astype(np.uint16) * _WIDEN


def _photo_frames(first: Pixels, second: Pixels, multiplier: int, interpolator: Between) -> Iterator[Pixels]:
    """Give both photographs and what lies between, each when it is asked for: they may be large."""
    yield first
    if multiplier > 1:
        yield from interpolator.between(first, second, [Fraction(k, multiplier) for k in range(1, multiplier)])
    yield second


def _default_interpolator() -> Between:
    from film.interpolator import Interpolator

    return Interpolator()
