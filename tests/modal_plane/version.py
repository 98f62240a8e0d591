"""Which modal this plane speaks to."""

from importlib import metadata

__all__ = ["PINNED", "WrongModal", "installed_modal", "require_modal"]

PINNED = "1.6.4"


class WrongModal(RuntimeError):
    """The modal that is installed isn't the one whose protocol the plane speaks."""


def installed_modal() -> str | None:
    """Give the version of the modal that is installed, or None."""
    try:
        return metadata.version("modal")
    except metadata.PackageNotFoundError:
        return None


def require_modal(installed: str | None) -> None:
    """Refuse a modal that the plane wasn't written against: its protocol is not a public one.

    Raises:
        WrongModal: If it is missing, or of another version.
    """
    if installed != PINNED:
        found = f"modal {installed} is installed" if installed else "modal is not installed"
        raise WrongModal(f"the plane speaks the protocol of modal {PINNED}, but {found}: pip install modal=={PINNED}")
