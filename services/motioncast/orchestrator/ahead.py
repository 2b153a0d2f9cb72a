"""One pipeline stage: a producer that runs a bounded number of items ahead of its consumer."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Generic, Self, TypeVar

T = TypeVar("T")


class Ahead(Generic[T]):
    """Iterates over `source` in a task of its own, at most `limit` items ahead of the consumer.

    The limit includes the item being produced, so a stage never holds more than `limit` items. An
    exception from the source is raised to the consumer after the items produced before it. Leaving
    the block ends the task and closes the source.
    """

    def __init__(self, source: AsyncGenerator[T, None], limit: int) -> None:
        self._source = source
        self._items: deque[T] = deque()
        self._room = asyncio.Semaphore(limit)
        self._changed = asyncio.Event()
        self._end: Exception | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._produce())
        return self

    async def __aexit__(self, *exception: object) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])
        self._items.clear()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        while not self._items:
            if self._end is not None:
                raise self._end
            self._changed.clear()
            await self._changed.wait()
        return self.take()

    def peek(self) -> T | None:
        """Returns the next item if it is ready, without removing it."""
        return self._items[0] if self._items else None

    def take(self) -> T:
        """Removes and returns the next item, which `peek` has seen, and makes room for another."""
        self._room.release()
        return self._items.popleft()

    async def _produce(self) -> None:
        try:
            async with aclosing(self._source):
                while True:
                    await self._room.acquire()
                    self._items.append(await anext(self._source))
                    self._changed.set()
        except Exception as error:  # for the consumer to handle, StopAsyncIteration included
            self._end = error
            self._changed.set()
