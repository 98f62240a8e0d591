"""What can go wrong on the plane, said without gRPC; `rpc` translates.

PlaneError
├── Missing      no such object, path or key
├── Taken        something of that name exists
├── Illegal      a request that makes no sense
└── InUse        files are open that would have to change
"""

__all__ = ["Illegal", "InUse", "Missing", "PlaneError", "Taken"]


class PlaneError(Exception):
    """The plane can't do what it was asked for."""


class Missing(PlaneError):
    """No such object, path or key."""


class Taken(PlaneError):
    """Something of that name exists."""


class Illegal(PlaneError):
    """The request makes no sense."""


class InUse(PlaneError):
    """Files are open that would have to change."""
