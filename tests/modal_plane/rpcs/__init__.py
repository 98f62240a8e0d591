"""The RPCs, a module for each kind of object; importing this makes them known to `rpc`."""

from tests.modal_plane.rpcs import apps, calls, containers, dicts, functions, images, volumes

__all__ = ["apps", "calls", "containers", "dicts", "functions", "images", "volumes"]
