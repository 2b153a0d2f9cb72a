"""A TCP forwarder that can reset connections, hold them half open, or slow them down.

It works on kernels without `netem` and without root.
"""

from __future__ import annotations

import selectors
import socket
import struct
import threading
import time
from contextlib import suppress
from typing import Final, Self

_CHUNK: Final = 65_536
_RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends RST at once


class Forwarder:
    """Listens on its own port and forwards everything to a target during a `with` block.

    Args:
        target: host:port.
    """

    def __init__(self, target: str) -> None:
        host, port = target.rsplit(":", 1)
        self._to = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.5)
        self._open: dict[socket.socket, socket.socket] = {}  # each end mapped to the other
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._flowing = threading.Event()
        self._flowing.set()
        self.delay_seconds = 0.0  # per chunk
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._flowing.set()
        self._listener.close()
        self.cut()

    def cut(self) -> int:
        """Resets both ends of every connection; returns the number of connections."""
        with self._lock:
            ends = list(self._open)
        for end in ends:
            _reset(end)
        return len(ends) // 2

    def hold(self) -> None:
        """Stops forwarding without closing anything: connections are half open."""
        self._flowing.clear()

    def release(self) -> None:
        """Resumes forwarding."""
        self._flowing.set()

    def _accept(self) -> None:
        while not self._over.is_set():
            with suppress(OSError):
                near, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        try:
            far = socket.create_connection(self._to, timeout=5)
        except OSError:  # nothing listens there: reset the caller
            _reset(near)
            return
        near.settimeout(None)
        far.settimeout(None)
        with self._lock:
            self._open[near], self._open[far] = far, near
        with selectors.DefaultSelector() as ready, suppress(OSError, ValueError):
            ready.register(near, selectors.EVENT_READ, far)
            ready.register(far, selectors.EVENT_READ, near)
            while self._pass_on(ready) and near.fileno() >= 0 <= far.fileno():
                pass
        with self._lock:
            self._open.pop(near, None)
            self._open.pop(far, None)
        near.close()
        far.close()

    def _pass_on(self, ready: selectors.BaseSelector) -> bool:
        """Forwards received data; returns whether there may be more."""
        for key, _ in ready.select(0.2):
            self._flowing.wait()
            come: socket.socket = key.fileobj  # type: ignore[assignment]
            data = come.recv(_CHUNK)
            if self.delay_seconds:
                time.sleep(self.delay_seconds)
            if not data:
                return False
            key.data.sendall(data)
        return not self._over.is_set()


def _reset(end: socket.socket) -> None:
    with suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        end.close()
