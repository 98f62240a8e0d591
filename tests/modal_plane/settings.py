"""How a plane behaves, and where it differs from the real service.

Strict is the default: only `commit()` publishes what a container wrote to a Volume. The real
service also commits when a container ends and every few seconds in between, which hides a
forgotten `commit()` until the day on which a reader is faster. Both can be switched on.

Known differences, whatever the settings:

- Images aren't built. Containers run this interpreter with what is installed beside it; what
  an image declares is recorded, and `Plane.functions()` gives it to be compared.
- Containers with a GPU see all GPUs of this machine. CPU and memory limits aren't enforced,
  snapshots aren't taken, Dict entries don't expire, and the results of calls live as long as
  the plane.
- A timeout kills the container without running its exit hooks.
- An input whose container died is run again `max_crashes` times; the service goes on for longer.
- Containers are forked from one process that has imported Modal's client, so `MODAL_LOGLEVEL`
  in an image or secret comes too late.
- Of `modal app` and the like, what tests use is there; `modal app logs` isn't, `Plane.logs` is.
- If the plane itself is killed, containers die with it; processes that they had started in
  sessions of their own don't.
- A published file is read-only in a container. Python code that opens it for writing gets its
  own copy, as in the service; other programs, and libraries that open files themselves, are
  refused: they are to write a new file and rename it. Symbolic links in Volumes are too.
- With `isolation="links"` containers share the machine's file system, see `guest.launch`.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

__all__ = ["Isolation", "Settings"]

Isolation = Literal["auto", "namespaces", "links"]


@dataclass(frozen=True)
class Settings:
    """What a plane is started with."""

    state: Path
    """Where it keeps what outlives it: named objects, Dict entries, Volumes."""

    port: int = 0
    """Of gRPC; HTTP gets the next one and web endpoints those after. With 0 the system chooses all of them."""

    commit_at_exit: bool = False
    """Whether a container that ends commits its Volumes, as in the service."""

    commit_every_seconds: float = 0.0
    """How often running containers' Volumes are committed behind their backs; 0 for never."""

    web_timeout_seconds: float = 150.0
    """After how long without a first byte a web request is answered by a 303 to where it goes on."""

    period_scale: float = 1.0
    """What a Period is multiplied by; 0 holds all schedules, so that tests fire them."""

    max_containers: int = 8
    """Per function, where the app sets no limit."""

    max_crashes: int = 3
    """How many deaths of its container an input survives."""

    isolation: Isolation = "auto"
    """Whether containers get a file system of their own; "auto" takes it where the machine allows."""

    proxy_tokens: frozenset[str] = field(default_factory=frozenset)
    """Pairs "key:secret" that open endpoints with `requires_proxy_auth`."""
