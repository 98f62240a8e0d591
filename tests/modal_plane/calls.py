"""Function calls: what was asked, by whom it is done, what came of it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from modal_proto import api_pb2 as api

from tests.modal_plane.broadcast import Broadcast
from tests.modal_plane.ids import fresh_id

if TYPE_CHECKING:
    from tests.modal_plane.container import Container
    from tests.modal_plane.pool import Pool

__all__ = ["ASYNCHRONOUS", "POLL_SECONDS", "SYNCHRONOUS", "Call", "Input"]

SYNCHRONOUS = api.FUNCTION_CALL_INVOCATION_TYPE_SYNC
ASYNCHRONOUS = api.FUNCTION_CALL_INVOCATION_TYPE_ASYNC

POLL_SECONDS = 20.0  # how long a request that waits is held before its sender is to ask again


@dataclass(eq=False)
class Input:
    """One input of a call."""

    call: Call
    index: int
    message: api.FunctionInput
    id: str = field(default_factory=lambda: fresh_id("in"))
    attempt: int = 0
    """Which delivery this is; the container says it back, so late outputs can be told apart."""
    failures: int = 0
    """What counts against the app's retry policy."""
    crashes: int = 0
    started: float = 0.0
    container: Container | None = None
    done: bool = False


class Call:
    """One call: an input for `remote`, `spawn` or a web request, many for `map`."""

    def __init__(self, pool: Pool, invocation: api.FunctionCallInvocationType.ValueType = SYNCHRONOUS) -> None:
        self.id, self.pool, self.invocation = fresh_id("fc"), pool, invocation
        self.inputs: dict[str, Input] = {}
        self.outputs: list[api.FunctionGetOutputsItem] = []
        self.data_in: list[api.DataChunk] = []
        self.data_out: list[api.DataChunk] = []
        self.changed = Broadcast()
        self.finished_at = 0.0

    @property
    def unfinished(self) -> int:
        return len(self.inputs) - len(self.outputs)

    def add(self, index: int, message: api.FunctionInput) -> Input:
        """Take an input and give it to the pool to be done."""
        added = Input(self, index, message)
        self.inputs[added.id] = added
        self.pool.enqueue(added)
        return added

    def finish(self, item: api.FunctionGetOutputsItem) -> None:
        self.outputs.append(item)
        self.finished_at = time.monotonic()
        self.changed.fire()

    async def ended(self) -> None:
        """Wait until every input has its output."""
        while self.unfinished:
            await self.changed.wait(POLL_SECONDS)

    def push(self, stream: list[api.DataChunk], chunks: Iterable[api.DataChunk]) -> None:
        """Add chunks to one of the call's streams, numbered from 1."""
        for chunk in chunks:
            stream.append(chunk)
            chunk.index = len(stream)
        self.changed.fire()

    async def follow(self, stream: list[api.DataChunk], last_index: int) -> AsyncIterator[api.DataChunk]:
        """Give the chunks after one as they come, until the call is over and none is left."""
        while True:
            while last_index < len(stream):
                last_index += 1
                yield stream[last_index - 1]
            if not self.unfinished:
                return
            await self.changed.wait(POLL_SECONDS)
