"""An app: its functions and classes by name, and what its containers say."""

from __future__ import annotations

import logging
import time
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from modal_proto import api_pb2 as api

from tests.modal_plane.broadcast import Broadcast
from tests.modal_plane.definition import public_name

if TYPE_CHECKING:
    from tests.modal_plane.pool import Pool

__all__ = ["App", "Line"]

log = logging.getLogger(__name__)
KEPT = 5000  # pieces of output


class Line(NamedTuple):
    """A piece of a container's output."""

    number: int
    function: str
    batch: api.TaskLogsBatch


class App:
    """What was created under one id; it has a name once it is deployed."""

    def __init__(self, app_id: str, name: str, environment: str, state: api.AppState.ValueType) -> None:
        self.id, self.name, self.environment, self.state = app_id, name, environment or "main", state
        self.function_ids: dict[str, str] = {}
        self.class_ids: dict[str, str] = {}
        self.drafts: dict[str, api.Function] = {}
        """Functions that were created and aren't published yet."""
        self.lines: deque[Line] = deque(maxlen=KEPT)
        self.logged = Broadcast()
        self.done = False
        self.deployed_at = 0.0

    @property
    def ephemeral(self) -> bool:
        return self.state in (api.APP_STATE_EPHEMERAL, api.APP_STATE_INITIALIZING)

    def log(self, pool: Pool, container_id: str, descriptor: int, text: str) -> None:
        """Keep a piece of a container's output for whoever follows the logs."""
        number = self.lines[-1].number + 1 if self.lines else 1
        item = api.TaskLogs(data=text, file_descriptor=descriptor, timestamp=time.time())  # type: ignore[arg-type]  # an enum's number
        batch = api.TaskLogsBatch(task_id=container_id, function_id=pool.id, items=[item], entry_id=str(number))
        self.lines.append(Line(number, public_name(pool.definition), batch))
        self.logged.fire()
        for line in text.splitlines():
            log.info("%s %s %s | %s", self.name, public_name(pool.definition), container_id[:8], line)
