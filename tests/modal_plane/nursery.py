"""The plane's side of `guest/nursery.py`, where containers are forked."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from pathlib import Path
from typing import Any

from tests.modal_plane.errors import PlaneError
from tests.modal_plane.rooms import guest_environment

__all__ = ["Child", "Nursery"]

LONGEST = 1 << 16
GUEST = Path(__file__).parent / "guest"


class Child:
    """A container's process, as far as the plane has to do with it."""

    def __init__(self, pid: int, stdout: asyncio.StreamReader, stderr: asyncio.StreamReader) -> None:
        self.pid, self.stdout, self.stderr = pid, stdout, stderr
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()


class Nursery:
    """Has a process that imported Modal fork containers."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._process: asyncio.subprocess.Process | None = None
        self._started: dict[str, asyncio.Future[int]] = {}
        self._children: dict[int, Child] = {}
        self._early: dict[int, int] = {}
        """Of processes that ended before we heard of their start."""

    async def open(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.settimeout(0)  # asked only when there is something to read
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(GUEST / "nursery.py"),
            str(theirs.fileno()),
            pass_fds=[theirs.fileno()],
            env={**guest_environment(), "HOME": str(self._home), "PYTHONPATH": str(GUEST)},
            cwd=self._home,
            start_new_session=True,
            stdin=asyncio.subprocess.DEVNULL,
        )
        theirs.close()
        asyncio.get_running_loop().add_reader(self._socket, self._read)

    async def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()
        if self._process:
            await self._process.wait()

    async def start(self, room: Path) -> Child:
        """Have the container be forked that a file describes.

        Raises:
            PlaneError: If the nursery has died.
        """
        stdout, write_stdout = await _pipe()
        stderr, write_stderr = await _pipe()
        started: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._started[str(room)] = started
        try:
            socket.send_fds(self._socket, [str(room).encode()], [write_stdout, write_stderr])
        finally:
            os.close(write_stdout)
            os.close(write_stderr)
        child = Child(await started, stdout, stderr)
        self._children[child.pid] = child
        if child.pid in self._early:
            self._end(child.pid, self._early.pop(child.pid))
        return child

    def _read(self) -> None:
        data = self._socket.recv(LONGEST)
        if not data:
            self._died()
            return
        told: dict[str, Any] = json.loads(data)
        if "started" in told:
            self._started.pop(told["started"]).set_result(told["pid"])
        else:
            self._end(told["ended"], told["status"])

    def _end(self, pid: int, status: int) -> None:
        child = self._children.pop(pid, None)
        if child:
            child.ended.set_result(status)
        else:
            self._early[pid] = status

    def _died(self) -> None:
        asyncio.get_running_loop().remove_reader(self._socket)
        for started in self._started.values():
            started.set_exception(PlaneError("the process that forks containers died"))
        for pid in list(self._children):
            self._end(pid, -1)


async def _pipe() -> tuple[asyncio.StreamReader, int]:
    """Give the reading end of a pipe, and the other end's descriptor."""
    reader, (read, write) = asyncio.StreamReader(), os.pipe()
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, os.fdopen(read, "rb"))
    return reader, write
