"""Wraps both clients in one function, so that tests run on both."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

import pytest

from motioncast.client import EffectiveConfig, Frame, Pixels, Report, connect, connect_sync


@dataclass(frozen=True, slots=True)
class Result:
    """The results of a session."""

    frames: list[Frame]
    config: EffectiveConfig
    report: Report


Cast: TypeAlias = Callable[..., Awaitable[Result]]  # target, frames, options of stream


async def cast_async(
    target: str, frames: Iterable[Pixels | None], *, connection: Any = None, **options: Any
) -> Result:
    async with connect(target, **(connection or {})) as service:
        stream = service.stream(frames, **options)
        return Result([frame async for frame in stream], stream.config, stream.report)


async def cast_sync(
    target: str, frames: Iterable[Pixels | None], *, connection: Any = None, **options: Any
) -> Result:
    def block() -> Result:
        with connect_sync(target, **(connection or {})) as service:
            stream = service.stream(frames, **options)
            return Result(list(stream), stream.config, stream.report)

    return await asyncio.to_thread(block)


@pytest.fixture(params=[cast_async, cast_sync], ids=["async", "sync"])
def cast(request: pytest.FixtureRequest) -> Cast:
    """Sends a video and returns the results, once with each client: asyncio and blocking."""
    function: Cast = request.param
    return function
