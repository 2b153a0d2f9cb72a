"""The layer that disconnects callers that do not read their response or status.

A response that a handler has passed to gRPC is buffered there until its caller has room for it, and
gRPC's asyncio API can neither limit that nor cancel a call from the server's side. So the caller's
connection is shut down, found by its address among the process's open files (Linux, macOS). This
waits while other calls of the connection are being served: it may be a proxy's, shared by others.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections import Counter
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import unquote

from motioncast.serving.call import Call, Proceed

_FILES: Final = "/dev/fd"
_log: Final = logging.getLogger(__name__)


class HangingUp:
    """Limits how long a caller may take to read a finished response.

    Args:
        seconds: From the end of the handler until the connection is shut down.
        port: Returns the port that the server listens on.
    """

    def __init__(self, seconds: float, port: Callable[[], int]) -> None:
        self._seconds = seconds
        self._port = port
        self._served: Counter[str] = Counter()  # calls with a running handler, by peer

    async def keep(self, call: Call, proceed: Proceed) -> None:
        """Lets the call proceed, and watches whether its response or error is read."""
        task = asyncio.current_task()
        assert task is not None
        self._served[call.peer] += 1
        try:
            await proceed(call)
        finally:
            self._served[call.peer] -= 1
            if not self._served[call.peer]:
                del self._served[call.peer]
            self._mind(task, call.peer)

    def _mind(self, task: asyncio.Task[Any], peer: str) -> None:
        loop = asyncio.get_running_loop()
        waiting = loop.call_later(self._seconds, self._look, task, peer)
        task.add_done_callback(lambda _: waiting.cancel())  # ends once the response is sent

    def _look(self, task: asyncio.Task[Any], peer: str) -> None:
        if task.done():
            return
        if peer in self._served:
            self._mind(task, peer)
            return
        found = hang_up(peer, self._port())
        said = "closed its connection" if found else "its connection was not found"
        _log.warning("%s read nothing of its response for %g s: %s", peer, self._seconds, said)


def hang_up(peer: str, port: int) -> bool:
    """Shuts down a connection; returns whether it was found.

    Args:
        peer: Its remote end in gRPC's format, `ipv4:192.0.2.1:5000`.
        port: Our port that the peer is connected to.
    """
    try:
        files = [int(name) for name in os.listdir(_FILES)]
    except OSError:
        return False
    return any(_shut_down(file, unquote(peer), port) for file in files)


def _shut_down(file: int, peer: str, port: int) -> bool:
    try:
        found = socket.socket(fileno=file)
    except OSError:  # not a socket, or closed meanwhile
        return False
    try:
        if found.family not in (socket.AF_INET, socket.AF_INET6):
            return False
        if found.getsockname()[1] != port or _joined(*found.getpeername()[:2]) != _who(peer):
            return False
        found.shutdown(socket.SHUT_RDWR)
        return True
    except OSError:
        return False
    finally:
        found.detach()  # gRPC closes it


def _who(peer: str) -> str:
    host, _, port = peer.partition(":")[2].rpartition(":")
    return _joined(host.strip("[]"), port)


def _joined(host: str, port: int | str) -> str:
    return f"{host.removeprefix('::ffff:')} {port}"
