"""Watches over a wait: gives up when a response has been owed for too long.

A process that hangs neither responds nor closes its connections. gRPC's keepalive detects this
on a direct connection; a proxy in between keeps responding on the server's behalf.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

_LOOK_SECONDS: Final = 0.25


class Vigil:
    """Gives up waits in which a response was owed for `seconds`; a thread, from the first wait on.

    Args:
        owed: Returns whether a response is owed now; must be thread-safe.
        gives_up: Ends the wait; called once for each wait that lasts too long.

    Attributes:
        seconds: How long a wait may last while a response is owed.
    """

    def __init__(self, seconds: float, owed: Callable[[], bool], gives_up: Callable[[], None]):
        self.seconds = seconds
        self._owed = owed
        self._gives_up = gives_up
        self._since: float | None = None  # when the wait began, or a response became owed in it
        self._over = False
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    @contextmanager
    def wait(self) -> Iterator[None]:
        """Watches while the block runs."""
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._watch, name="motioncast-vigil", daemon=True
            )
            self._thread.start()
        with self._changed:
            begins, self._since = self._since is None, time.monotonic()
            if begins:
                self._changed.notify_all()
        try:
            yield
        finally:
            self._since = None

    def end(self) -> None:
        """Stops watching."""
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def _watch(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._over or self._since is not None)
                if self._over:
                    return
                self._changed.wait_for(lambda: self._over, _LOOK_SECONDS)
                since, now = self._since, time.monotonic()
                if since is None or self._over:
                    continue
                if not self._owed():
                    self._since = now
                    continue
                if now - since < self.seconds:
                    continue
                self._since = None
            self._gives_up()
