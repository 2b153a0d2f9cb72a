"""Limits how fast one client is read; a faster one is slowed down by gRPC's flow control.

due(n) = max(due(n - 1), now - 1 s) + units / rate      (a burst of one second at most)
"""

from __future__ import annotations

import asyncio


class ReadingPace:
    """Limits the units read from a client per second.

    Args:
        units_per_second: The limit.
    """

    def __init__(self, units_per_second: float) -> None:
        self._interval = 1 / units_per_second
        self._due = -1.0

    async def spend(self, units: float) -> None:
        """Waits until so many more units may be read."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._due = max(self._due, now - 1) + units * self._interval
        if self._due > now:
            await asyncio.sleep(self._due - now)
