"""FILM: smooth frames between those that a video has.

    import film

    film.interpolate_video("clip.mp4", "smooth.mp4", multiplier=4, output_fps=60)

    interpolator = film.Interpolator()
    middle = next(interpolator.between(first, second, [0.5]))

`import film` costs nothing: each name below is loaded when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from film.errors import FilmError

if TYPE_CHECKING:
    from film.interpolator import Interpolator
    from film.pipeline import Progress, Summary, interpolate_photos, interpolate_video
    from film.video import Encoding

__all__ = [
    "Encoding",
    "FilmError",
    "Interpolator",
    "Progress",
    "Summary",
    "interpolate_photos",
    "interpolate_video",
]

__version__ = "0.1.0"

_HOMES = {
    "Encoding": "film.video",
    "Interpolator": "film.interpolator",
    "Progress": "film.pipeline",
    "Summary": "film.pipeline",
    "interpolate_photos": "film.pipeline",
    "interpolate_video": "film.pipeline",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
