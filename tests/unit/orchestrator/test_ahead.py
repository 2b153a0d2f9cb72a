"""A stage prefetches ahead of its consumer, up to a limit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from motioncast.orchestrator.ahead import Ahead


class Counting:
    """Yields 0, 1, 2 ... and records how many were requested and whether it was closed."""

    def __init__(self, end: int, error: Exception | None = None) -> None:
        self.made = 0
        self.closed = False
        self._end = end
        self._error = error

    async def items(self) -> AsyncGenerator[int, None]:
        try:
            while self.made < self._end:
                self.made += 1
                yield self.made - 1
            if self._error:
                raise self._error
        finally:
            self.closed = True


async def settle() -> None:
    """Lets every task run until it waits."""
    for _ in range(100):
        await asyncio.sleep(0)


async def test_items_come_in_order() -> None:
    async with Ahead(Counting(50).items(), 3) as ahead:
        assert [item async for item in ahead] == list(range(50))


@pytest.mark.parametrize("limit", [1, 2, 5])
async def test_at_most_limit_items_are_made_ahead(limit: int) -> None:
    counting = Counting(10_000)
    async with Ahead(counting.items(), limit) as ahead:
        await settle()
        assert counting.made == limit
        await anext(ahead)
        await settle()
        assert counting.made == limit + 1


async def test_an_error_comes_after_the_items_before_it() -> None:
    async with Ahead(Counting(2, ValueError("broken")).items(), 5) as ahead:
        assert [await anext(ahead), await anext(ahead)] == [0, 1]
        with pytest.raises(ValueError, match="broken"):
            await anext(ahead)


async def test_leaving_early_ends_the_source() -> None:
    counting = Counting(10)
    async with Ahead(counting.items(), 2) as ahead:
        await anext(ahead)
    assert counting.closed


async def test_leaving_ends_a_source_that_waits() -> None:
    closed = asyncio.Event()

    async def forever() -> AsyncGenerator[int, None]:
        try:
            await asyncio.Event().wait()
            yield 0
        finally:
            closed.set()

    async with Ahead(forever(), 1):
        await settle()
    assert closed.is_set()


async def test_peek_leaves_the_item_where_it_is() -> None:
    async with Ahead(Counting(2).items(), 2) as ahead:
        assert ahead.peek() is None
        await settle()
        assert ahead.peek() == 0
        assert ahead.take() == 0
        assert [item async for item in ahead] == [1]
