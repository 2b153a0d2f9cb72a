"""Serialises the long stretches of missing frames among sessions.

A client that claims to have lost a thousand frames has them all concealed at no cost to itself.
Stretches that consist of losses only therefore run one at a time across all clients, so that they
hardly delay the frames of others.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

from motioncast.timeline.origin import Origin


class Turns:
    """Lets stretches with an observed frame pass, and lost stretches one at a time."""

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
