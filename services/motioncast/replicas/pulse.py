"""Asks replicas with unanswered calls whether they are alive, apart from those calls.

A call may take long because many wait before it, or because its replica hangs or has lost it. A
question that costs nothing, and is not queued with the calls, tells which: a replica that does not
answer it, or says that it cannot serve such calls at present, will not answer them soon either.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Final, Generic

from motioncast.replicas.patience import Party, Patience

_EVERY_SECONDS: Final = 0.25  # between two questions, and before the first one
_ANSWER_SECONDS: Final = 0.5  # a replica that does not answer within this time hangs
_STALLED_SECONDS: Final = 0.25  # later than this, this process itself did not run

Asked = Callable[[Party, Hashable], Awaitable[bool]]


class Pulse(Generic[Party]):
    """Questions to the replicas of one service, while calls of theirs are running.

    Args:
        patience: The running calls; those of a replica without a pulse are given up.
        alive: Whether a replica can serve calls of a kind at present; it may also not return.
    """

    def __init__(self, patience: Patience[Party], alive: Asked[Party]) -> None:
        self._patience = patience
        self._alive = alive
        self._tasks: dict[tuple[Party, Hashable], asyncio.Task[None]] = {}

    def watch(self, replica: Party, kind: Hashable) -> None:
        """Asks a replica periodically for as long as calls of the kind are running there."""
        key = replica, kind
        if key not in self._tasks:
            self._tasks[key] = asyncio.create_task(self._watch(replica, kind))

    def close(self) -> None:
        """Stops asking."""
        for task in self._tasks.values():
            task.cancel()

    async def _watch(self, replica: Party, kind: Hashable) -> None:
        try:
            await asyncio.sleep(_EVERY_SECONDS)
            while self._patience.waits(replica, kind):
                if not await self._answers(replica, kind):
                    self._patience.give_up(replica, kind)
                await asyncio.sleep(_EVERY_SECONDS)
        finally:
            del self._tasks[replica, kind]

    async def _answers(self, replica: Party, kind: Hashable) -> bool:
        loop = asyncio.get_running_loop()
        at_latest = loop.time() + _ANSWER_SECONDS + _STALLED_SECONDS
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                return await self._alive(replica, kind)
        except TimeoutError:
            return loop.time() > at_latest
