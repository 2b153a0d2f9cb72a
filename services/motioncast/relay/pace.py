"""How fast one client is read from: who sends more waits at its own end, by gRPC's flow control.

due(n) = max(due(n - 1), now - 1 s) + units / rate      (a second's messages at once, at most)
"""

from __future__ import annotations

import asyncio


class ReadingPace:
    """Lets a client send so much a second.

    Args:
        units_per_second: That are read of it.
    """

    def __init__(self, units_per_second: float) -> None:
        self._interval = 1 / units_per_second
        self._due = -1.0

    async def spend(self, units: float) -> None:
        """Waits until so many more may be read."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._due = max(self._due, now - 1) + units * self._interval
        if self._due > now:
            await asyncio.sleep(self._due - now)
