"""The border to gRPC: handlers by name, one table of errors."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from google.protobuf.message_factory import GetMessageClass
from grpclib import GRPCError, Status
from grpclib.const import Cardinality
from grpclib.const import Handler as GrpcHandler
from modal_proto import api_pb2 as api

from tests.modal_plane.errors import Illegal, InUse, Missing, PlaneError, Taken

if TYPE_CHECKING:
    from grpclib.server import Stream

    from tests.modal_plane.cluster import Cluster
    from tests.modal_plane.container import Container

__all__ = ["Ask", "Service", "rpc"]

log = logging.getLogger(__name__)

CONTAINER_HEADER = "x-modal-task-id"  # set by the container's environment, see `container`
SERVICE = api.DESCRIPTOR.services_by_name["ModalClient"]

STATUSES: dict[type, Status] = {
    Missing: Status.NOT_FOUND,
    Taken: Status.ALREADY_EXISTS,
    Illegal: Status.INVALID_ARGUMENT,
    InUse: Status.FAILED_PRECONDITION,
    PlaneError: Status.INTERNAL,
}

# One process is the whole plane, so there is nothing to do for these.
NO_OPS = {"AppHeartbeat", "ContainerHello", "DictHeartbeat", "FunctionFinishInputs", "VolumeHeartbeat"}

Message = TypeVar("Message")


@dataclass(frozen=True)
class Ask(Generic[Message]):
    """A request, and the container that it comes from, if it does from one."""

    cluster: Cluster
    message: Message
    container: Container | None

    @property
    def here(self) -> Container:
        """The container that asks.

        Raises:
            Illegal: If it isn't one, or the plane has given it up.
        """
        if self.container is None:
            raise Illegal("not called from a live container")
        return self.container


Handler = Callable[[Ask[Any]], Any]
HANDLERS: dict[str, Handler] = {}


def rpc(handler: Handler) -> Handler:
    """Let a function answer the RPC of its name: `dict_get` is DictGet."""
    name = "".join(word.capitalize() for word in handler.__name__.split("_"))
    if name not in SERVICE.methods_by_name:
        raise LookupError(f"Modal has no RPC {name}")
    HANDLERS[name] = handler
    return handler


class Service:
    """The whole of Modal's service, as grpclib serves it; what has no handler is refused by name."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def __mapping__(self) -> dict[str, GrpcHandler]:
        """Say to grpclib what there is."""
        mapping = {}
        for method in SERVICE.methods:
            kinds = {False: Cardinality.UNARY_UNARY, True: Cardinality.UNARY_STREAM}
            request, reply = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
            answer = self._answering(method.name, reply)
            path = f"/{SERVICE.full_name}/{method.name}"
            mapping[path] = GrpcHandler(answer, kinds[bool(method.server_streaming)], request, reply)
        return mapping

    def _answering(self, name: str, reply: type[Any]) -> Callable[[Stream[Any, Any]], Awaitable[None]]:
        async def answer(stream: Stream[Any, Any]) -> None:
            message = await stream.recv_message()
            task_id = str(stream.metadata.get(CONTAINER_HEADER, "")) if stream.metadata else ""
            ask = Ask(self._cluster, message, self._cluster.containers.get(task_id))
            try:
                await self._answer(name, ask, stream, reply)
            except PlaneError as error:
                status = _status(error)
                raise GRPCError(status, str(error)) from error

        return answer

    async def _answer(self, name: str, ask: Ask[Any], stream: Stream[Any, Any], reply: type[Any]) -> None:
        if name in NO_OPS:
            await stream.send_message(reply())
            return
        if name not in HANDLERS:
            log.warning("RPC %s has no handler", name)
            raise GRPCError(Status.UNIMPLEMENTED, f"the plane does not implement {name}")
        answer = HANDLERS[name](ask)
        if inspect.isasyncgen(answer):
            async for message in answer:
                await stream.send_message(message)
            return
        if inspect.isawaitable(answer):
            answer = await answer
        await stream.send_message(reply() if answer is None else answer)


def _status(error: PlaneError) -> Status:
    return next(STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES)
