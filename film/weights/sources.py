"""Where a SavedModel can be had, and in which form."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from film.errors import OptionError

__all__ = ["Archive", "Folder", "Source"]

# Four times the largest published one.
_SIZE_LIMIT_BYTES = 512 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Archive:
    """A SavedModel packed as tar.gz behind one URL.

    Attributes:
        url: http or https.
        sha256: The archive's digest, 64 hexadecimal digits; checked before anything is
            unpacked. None where none is known.
        limit_bytes: Nothing larger is downloaded.
    """

    url: str
    sha256: str | None = None
    limit_bytes: int = _SIZE_LIMIT_BYTES

    def __post_init__(self) -> None:
        """Check the URL.

        Raises:
            OptionError: If it isn't an http or https URL with a host.
        """
        _check_url(self.url)


@dataclass(frozen=True, kw_only=True)
class Folder:
    """A SavedModel's files, each at its own path below one URL.

    No digest is known for any such source. What is checked is that its checkpoint is intact
    (TensorFlow's own checksums) and has the network's shapes; the digest of the
    converted tensors is recorded in the weight file, so that later changes show.

    Attributes:
        url: http or https, without a slash at the end.
        limit_bytes: No larger file is downloaded.
    """

    url: str
    limit_bytes: int = _SIZE_LIMIT_BYTES

    def __post_init__(self) -> None:
        """Check the URL.

        Raises:
            OptionError: If it isn't an http or https URL with a host.
        """
        _check_url(self.url)


Source = Archive | Folder


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and url.isascii() and url.isprintable()
    except ValueError:
        usable = False
    if not usable or " " in url:
        raise OptionError(f"a source needs an http or https URL, not {url!r}")
