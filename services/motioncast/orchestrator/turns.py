"""Takes turns among sessions that need long stretches of missing frames.

A client that says it lost a thousand frames has them all concealed, at no cost to itself. So of the
stretches that are nothing but loss one is made at a time, whoever asks: the frames of others are
hardly later for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

from motioncast.timeline.origin import Origin


class Turns:
    """Lets stretches that have an observed frame pass, and of those that are lost one at a time."""

    def __init__(self) -> None:
        self._lost = asyncio.Lock()

    @asynccontextmanager
    async def turn(self, origins: Collection[Origin]) -> AsyncIterator[None]:
        """Waits until frames of these origins may be made; leaving the block ends the turn."""
        if Origin.CONCEALED in origins and Origin.OBSERVED not in origins:
            async with self._lost:
                yield
        else:
            yield
