"""FILM itself: image pyramid, features, flow, fusion.

`FilmConfig` needs no TensorFlow; the rest is loaded on first use.
"""

from typing import TYPE_CHECKING, Any

from film.network.config import FilmConfig

if TYPE_CHECKING:
    from film.network.model import Encoded, FilmNetwork, Flows, compact, published

__all__ = ["Encoded", "FilmConfig", "FilmNetwork", "Flows", "compact", "published"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from film.network import model

    return getattr(model, name)
