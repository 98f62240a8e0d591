"""The inputs and containers of one function, class, or bound variant of a class."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import deque
from typing import TYPE_CHECKING

from modal_proto import api_pb2 as api

from tests.modal_plane import definition as definitions
from tests.modal_plane.broadcast import Broadcast
from tests.modal_plane.calls import ASYNCHRONOUS, POLL_SECONDS, Call, Input
from tests.modal_plane.container import Container

if TYPE_CHECKING:
    from tests.modal_plane.app import App
    from tests.modal_plane.cluster import Cluster

__all__ = ["Pool"]

Result = api.GenericResult
STARTS = 2  # how often in a row containers may fail to start before waiting inputs fail
LONGEST_PAUSE = 30.0  # seconds between failing starts
LIMIT = 300  # seconds that an input, or a start, may take where the app doesn't say
IDLE = 60  # seconds that a container may be idle where the app doesn't say
EXIT_GRACE = 30.0  # seconds that exit hooks may take


class Pool:
    """Hands inputs to containers, and keeps as many containers as the inputs need."""

    def __init__(
        self,
        cluster: Cluster,
        function_id: str,
        app: App,
        definition: api.Function,
        bound: tuple[Pool, bytes, api.FunctionOptions] | None = None,
    ) -> None:
        self.cluster, self.id, self.app = cluster, function_id, app
        self.base: Pool | None = None
        self.parameters, self._options = b"", None
        if bound:
            self.base, self.parameters, self._options = bound
        self.pending: deque[Input] = deque()
        self.containers: dict[str, Container] = {}
        self.wake = Broadcast()
        self.failed_starts, self._paused_until = 0, 0.0
        self.live = self.base is not None
        self.define(definition)

    def define(self, definition: api.Function) -> None:
        """Take a new version: containers of the old one finish what they have, and get nothing more."""
        self.definition = definitions.with_options(definition, self._options)
        for container in self.containers.values():
            container.outdated = True
            container.drain()
        self.failed_starts, self._paused_until = 0, 0.0
        period = definitions.period_seconds(self.definition)
        scale = self.cluster.settings.period_scale
        self._every = period * scale if period and scale and not self.base else None
        self._next_run = time.monotonic() + self._every if self._every else 0.0

    def fire(self) -> Call:
        """Run a scheduled function now."""
        call = self.cluster.call(self, ASYNCHRONOUS)
        call.add(0, api.FunctionInput(data_format=api.DATA_FORMAT_PICKLE))
        return call

    # Inputs.

    def enqueue(self, added: Input, *, first: bool = False) -> None:
        if added.done:
            return
        (self.pending.appendleft if first else self.pending.append)(added)
        self.wake.fire()
        self.scale()

    async def next_inputs(self, container: Container, wanted: int, linger: float) -> list[Input] | None:
        """Wait for inputs on behalf of a container; None tells it to end."""
        deadline = time.monotonic() + POLL_SECONDS
        while not container.draining:
            if self.pending:
                await self._gather(wanted, linger)
                if batch := self._take(container, wanted):
                    container.draining |= self.definition.single_use_containers
                    self.scale()
                    return batch
            elif time.monotonic() >= deadline:
                return []
            else:
                await self.wake.wait(deadline - time.monotonic())
        container.told_to_end = container.told_to_end or time.monotonic()
        return None

    async def _gather(self, wanted: int, linger: float) -> None:
        until = time.monotonic() + linger
        while 0 < len(self.pending) < wanted and time.monotonic() < until:
            await self.wake.wait(until - time.monotonic())

    def _take(self, container: Container, wanted: int) -> list[Input]:
        batch: list[Input] = []
        while self.pending and len(batch) < wanted and not container.draining:
            if batch and self.pending[0].message.method_name != batch[0].message.method_name:
                break
            taken = self.pending.popleft()
            if not taken.done:
                taken.container, taken.started = container, time.monotonic()
                container.running[taken.id] = taken
                batch.append(taken)
        return batch

    def settle(self, tried: Input, result: Result, data_format: int = 0) -> None:
        """End an attempt: try again as the app's policy says, or let this be the output."""
        policy = self.definition.retry_policy
        failed = result.status in (Result.GENERIC_STATUS_FAILURE, Result.GENERIC_STATUS_TIMEOUT)
        if failed and tried.failures < policy.retries:
            delay = definitions.retry_delay_seconds(policy, tried.failures)
            tried.failures += 1
            self._requeue(tried, delay)
        else:
            self.finish(tried, result, data_format)

    def finish(self, ended: Input, result: Result, data_format: int = 0) -> None:
        if ended.done:
            return
        container = ended.container
        if container:
            container.release(ended)
        ended.done = True
        ended.call.finish(
            api.FunctionGetOutputsItem(
                result=result,
                idx=ended.index,
                input_id=ended.id,
                data_format=data_format,  # type: ignore[arg-type]  # a number, as everywhere in protobuf
                task_id=container.id if container else "",
                retry_count=0,  # retries are made here, so the client is never to know of any
            ),
        )

    def _requeue(self, again: Input, delay: float = 0.0) -> None:
        if again.container:
            again.container.release(again)
        again.attempt += 1
        if delay:
            asyncio.get_running_loop().call_later(delay, self.enqueue, again)
        else:
            self.enqueue(again, first=True)

    def _fail_pending(self, result: Result) -> None:
        while self.pending:
            self.finish(self.pending.popleft(), result)

    # Containers.

    def scale(self) -> None:
        """Start and drain containers so that there are as many as the inputs need."""
        if not self.live:
            return
        now, settings = time.monotonic(), self.definition.autoscaler_settings
        serving = [each for each in self.containers.values() if not each.draining]
        current = [each for each in self.containers.values() if not each.outdated]
        demand = len(self.pending) + sum(len(each.running) for each in serving)
        wanted = -(-demand // definitions.concurrency(self.definition))
        wanted += settings.buffer_containers if demand else 0
        limit = settings.max_containers or self.cluster.settings.max_containers
        wanted = min(max(wanted, settings.min_containers), limit)
        if now >= self._paused_until:
            for _ in range(min(wanted - len(serving), limit - len(current))):
                self._start()
        spare = len(serving) - wanted
        for each in serving:
            if spare > 0 and each.idle_seconds(now) > (settings.scaledown_window or IDLE):
                each.drain()
                spare -= 1

    def _start(self) -> None:
        container = Container(self)
        self.containers[container.id] = self.cluster.containers[container.id] = container
        container.start()

    def ended(self, container: Container, code: int) -> None:
        """See to what a container that ended leaves behind."""
        self.containers.pop(container.id, None)
        self.cluster.containers.pop(container.id, None)
        text = f"Container {container.id} exited with status {code}"
        crashed = Result(status=Result.GENERIC_STATUS_INTERNAL_FAILURE, exception=text)
        for left in list(container.running.values()):
            left.crashes += not container.killed
            # A web request that was begun to be answered can't be answered anew.
            if left.crashes > self.cluster.settings.max_crashes or left.call.data_out:
                self.finish(left, container.result or crashed)
            else:
                self._requeue(left)
        if not container.ready and container.killed != "stop":
            self.failed_starts += 1
            self._paused_until = time.monotonic() + min(0.05 * 2**self.failed_starts, LONGEST_PAUSE)
            if self.failed_starts >= STARTS:
                self._fail_pending(container.result or crashed)
        self.scale()

    def tick(self) -> None:
        """Do what is due by the clock."""
        now = time.monotonic()
        for container in list(self.containers.values()):
            self._end_late(container, now)
        if self.live and self._every and now >= self._next_run:
            self._next_run = now + self._every
            self.fire()
        self.scale()

    def _end_late(self, container: Container, now: float) -> None:
        limit = self.definition.timeout_secs or LIMIT
        late = [each for each in container.running.values() if now - each.started > limit]
        for each in late:
            text = f"Task's current input in {container.id} hit its timeout of {limit}s"
            self.settle(each, Result(status=Result.GENERIC_STATUS_TIMEOUT, exception=text))
        starts_within = self.definition.startup_timeout_secs or LIMIT
        never_ready = not container.ready and now - container.started > starts_within
        if never_ready:
            text = f"Container {container.id} did not start within {starts_within}s"
            container.result = Result(status=Result.GENERIC_STATUS_TIMEOUT, exception=text)
        never_ends = container.told_to_end and now - container.told_to_end > EXIT_GRACE
        if late or never_ready or never_ends:
            container.kill("timeout")

    def stop(self) -> None:
        """End everything, with the exit hooks."""
        self.live = False
        stopped = Result(status=Result.GENERIC_STATUS_TERMINATED, exception="App was stopped")
        self._fail_pending(stopped)
        for container in list(self.containers.values()):
            for running in list(container.running.values()):
                self.finish(running, stopped)
            container.kill("stop", signal.SIGINT)
