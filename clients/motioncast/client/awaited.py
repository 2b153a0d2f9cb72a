"""The elements of an async iterable, for a thread other than its event loop's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Iterator
from concurrent.futures import Future
from threading import Lock
from typing import Any


class Awaited(Iterator[Any]):
    """Iterates over an async iterable from another thread; must be created in the event loop."""

    def __init__(self, elements: AsyncIterable[Any]) -> None:
        self._iterator = aiter(elements)
        self._loop = asyncio.get_running_loop()
        self._next: Future[tuple[Any, Exception | None]] | None = None
        self._interrupted = False
        self._lock = Lock()  # no element is requested after the interruption

    def __next__(self) -> Any:
        with self._lock:
            if self._interrupted:
                raise StopIteration
            self._next = asyncio.run_coroutine_threadsafe(self._advance(), self._loop)
        element, error = self._next.result()
        if isinstance(error, StopAsyncIteration):
            raise StopIteration
        if error is not None:
            raise error
        return element

    def interrupt(self) -> None:
        """Ends the iteration and abandons an element that is being waited for."""
        with self._lock:
            self._interrupted = True
            if self._next is not None:
                self._next.cancel()

    async def _advance(self) -> tuple[Any, Exception | None]:
        # The error is returned, not raised: asyncio would log it once the caller has gone.
        try:
            return await anext(self._iterator), None
        except Exception as error:
            return None, error
