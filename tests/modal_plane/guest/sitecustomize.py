"""What Python does first in a container: forget what wasn't uploaded, and leave published files alone."""

import contextlib
import os
import shutil
import site
import sys
from pathlib import Path

__all__ = ["LINKS", "forget_the_checkout"]

LINKS = "MODAL_PLANE_LINKS"  # set where a container shares the machine's files
WRITING = os.O_WRONLY | os.O_RDWR | os.O_TRUNC
ANY_WRITE = 0o222


def forget_the_checkout() -> None:
    """Drop what .pth files add to the path: an editable install isn't in the image.

    With namespaces these places can't be seen anyway.
    """
    uploaded = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    kept = (*site.getsitepackages(), os.path.join(sys.base_prefix, "lib"), *uploaded)  # noqa: PTH118
    sys.path[:] = [place for place in sys.path if place.startswith(tuple(filter(None, kept)))]
    sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in type(finder).__module__.lower()]
    sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in repr(finder).lower()]


def _own_copy_before_writing(event: str, arguments: tuple[object, ...]) -> None:
    """Break the link to a Volume's published content just before it would be written to."""
    if event == "open":
        flags = arguments[2]
        if not isinstance(flags, int) or not flags & WRITING:
            return
    elif event not in {"os.truncate", "os.chmod", "os.utime"}:
        return
    if isinstance(arguments[0], str | bytes | os.PathLike):
        with contextlib.suppress(OSError):  # what was asked for will fail as well, and say why
            _unlink_published(Path(os.fsdecode(arguments[0])))


def _unlink_published(file: Path) -> None:
    found = file.lstat()
    if found.st_nlink == 1 or found.st_mode & ANY_WRITE or not file.is_file():
        return
    own = file.with_name(f".{file.name}.{os.getpid()}")
    shutil.copyfile(file, own)
    own.chmod(found.st_mode | 0o600)
    own.replace(file)


if LINKS in os.environ:
    forget_the_checkout()
sys.addaudithook(_own_copy_before_writing)
