"""Starts containers by forking, so that what they all import first is imported once.

    python nursery.py FD

Importing Modal's client takes most of a second, and tests start many containers. A container
is a fork of this process that knows nothing yet but the client: it gets its environment, room
and output, and then runs Modal's entrypoint as `python -m` would. FD is a socket on which each
order comes, as the path of a file and two descriptors to write to, and on which is answered
what was started and what has ended.
"""

import importlib
import json
import os
import runpy
import signal
import socket
import sys
from typing import Any

import launch  # type: ignore[import-not-found]  # they lie beside this, which is run as a script
import sitecustomize  # type: ignore[import-not-found]

ENTRYPOINT = "modal._container_entrypoint"
LONGEST = 1 << 16


def serve(orders: socket.socket) -> dict[str, Any]:
    """Fork for each order; return in the fork, with what the container is."""

    def reap(*_: object) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            _tell(orders, ended=pid, status=os.waitstatus_to_exitcode(status))

    parent = os.getpid()
    signal.signal(signal.SIGCHLD, reap)
    while True:
        message, outputs, _, _ = socket.recv_fds(orders, LONGEST, 2)
        if not message:
            sys.exit()
        ready, tell_ready = os.pipe()
        pid = os.fork()
        if not pid:
            os.setsid()
            os.close(tell_ready)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _write_to(*outputs)
            orders.close()
            with open(message, encoding="utf-8") as file:  # noqa: PTH123  # a path as bytes
                room: dict[str, Any] = json.load(file)
            return {**room, "parent": parent}
        os.close(tell_ready)
        os.read(ready, 1)  # ends when the fork has its session, so that it can be killed by it
        for descriptor in (ready, *outputs):
            os.close(descriptor)
        _tell(orders, started=os.fsdecode(message), pid=pid)


def become(room: dict[str, Any]) -> None:
    """Be the container in all but the program."""
    launch.enter(room)
    os.environ.clear()
    os.environ.update(room["environment"])
    added = room["environment"]["PYTHONPATH"].split(os.pathsep)
    here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120  # compared with what Python has written
    sys.path[:] = [room["workdir"], *added, *(place for place in sys.path if place != here)]
    if sitecustomize.LINKS in os.environ:
        sitecustomize.forget_the_checkout()
    sys.path_importer_cache.clear()
    importlib.invalidate_caches()


def _write_to(stdout: int, stderr: int) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, standard in ((nothing, 0), (stdout, 1), (stderr, 2)):
        os.dup2(descriptor, standard)
        os.close(descriptor)


def _tell(orders: socket.socket, **what: object) -> None:
    orders.send(json.dumps(what).encode())


if __name__ == "__main__":
    importlib.import_module(ENTRYPOINT)
    del sys.modules[ENTRYPOINT]  # it is to be run, not to be found
    become(serve(socket.socket(fileno=int(sys.argv[1]))))
    runpy.run_module(ENTRYPOINT, run_name="__main__", alter_sys=True)
