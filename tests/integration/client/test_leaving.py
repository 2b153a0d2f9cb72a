"""Sessions that are abandoned before their end."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import numpy as np
import pytest
from support.endless_video import Counted
from support.mirror import Held, mirror
from support.tiny_services import serving

from motioncast.client import Pixels, connect, connect_sync

FRAME = np.full((4, 6, 3), 7, np.uint8)


async def test_leaving_the_loop_cancels_the_session() -> None:
    held = Held()
    async with serving(stream=held.stream) as served, connect(served.server.address) as service:
        async for _ in service.stream(Counted(FRAME)):
            await held.entered.wait()
            break
        await asyncio.wait_for(held.left.wait(), 60)


async def test_leaving_the_blocking_loop_cancels_the_session() -> None:
    def take_one(target: str) -> None:
        with connect_sync(target) as service:
            for _ in service.stream(Counted(FRAME)):
                break

    held = Held()
    async with serving(stream=held.stream) as served:
        await asyncio.to_thread(take_one, served.server.address)
        await asyncio.wait_for(held.left.wait(), 60)


async def test_closing_the_connection_ends_every_session() -> None:
    held = Held()
    async with serving(stream=held.stream) as served:
        async with connect(served.server.address) as service:
            first, second = service.stream(Counted(FRAME)), service.stream(Counted(FRAME))
            await anext(aiter(first))
            await anext(aiter(second))
        assert "motioncast-stream" not in {thread.name[:17] for thread in threading.enumerate()}
        await asyncio.wait_for(held.left.wait(), 60)


async def test_a_closed_stream_says_that_it_is() -> None:
    def read_on(target: str) -> None:
        with connect_sync(target) as service:
            frames = iter(service.stream(Counted(FRAME)))
            next(frames)
        for _ in frames:  # frames already received are delivered first
            pass

    async with serving(stream=mirror) as served:
        async with connect(served.server.address) as service:
            frames = aiter(service.stream(Counted(FRAME)))
            await anext(frames)
        with pytest.raises(RuntimeError, match="the stream was closed"):
            await anext(frames)
        with pytest.raises(RuntimeError, match="the stream was closed"):
            await asyncio.to_thread(read_on, served.server.address)


async def test_unfinished_streams_are_collected_without_a_word() -> None:
    complaints: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))

    def take_one(target: str) -> None:
        with connect_sync(target) as service:
            frames = iter(service.stream(Counted(FRAME)))
            next(frames)
            del frames
            gc.collect()

    held = Held()
    async with serving(stream=held.stream) as served, connect(served.server.address) as service:
        frames = aiter(service.stream(Counted(FRAME)))
        await anext(frames)
        del frames
        gc.collect()
        await asyncio.wait_for(held.left.wait(), 60)
    async with serving(stream=Held().stream) as served:
        await asyncio.to_thread(take_one, served.server.address)
    gc.collect()
    await asyncio.sleep(0)
    assert complaints == []


@pytest.mark.parametrize("on_the_loop", [False, True])
async def test_what_the_video_raises_reaches_the_caller_and_nobody_else(on_the_loop: bool) -> None:
    complaints: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))

    def broken() -> Iterator[Pixels]:
        yield FRAME
        raise ValueError("the camera is gone")

    async def broken_on_the_loop() -> AsyncIterator[Pixels]:
        for frame in broken():
            yield frame

    async with serving(stream=mirror) as served, connect(served.server.address) as service:
        video = broken_on_the_loop() if on_the_loop else broken()
        with pytest.raises(ValueError, match="the camera is gone"):
            async for _ in service.stream(video):
                pass
    gc.collect()
    await asyncio.sleep(0)
    assert complaints == []


async def test_cancelling_the_reader_cancels_the_session() -> None:
    async def read(target: str) -> None:
        async with connect(target) as service:
            async for _ in service.stream(Counted(FRAME)):
                pass

    held = Held()
    async with serving(stream=held.stream) as served:
        reader = asyncio.create_task(read(served.server.address))
        await held.entered.wait()
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        await asyncio.wait_for(held.left.wait(), 60)


@pytest.mark.parametrize("cancels", ["wait_for", "cancel", "twice"])
async def test_a_cancellation_leaves_nothing_to_complain_about(cancels: str) -> None:
    complaints: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))

    async def ending() -> AsyncIterator[Pixels]:
        yield FRAME
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return  # raises StopAsyncIteration with no waiter left

    held = Held()
    async with serving(stream=held.stream) as served, connect(served.server.address) as service:
        for video in (Counted(FRAME), ending()):
            frames = aiter(service.stream(video, predicted=0))
            await anext(frames)
            await held.entered.wait()
            if cancels == "wait_for":
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(anext(frames), 0.05)
                continue
            reader = asyncio.ensure_future(anext(frames))
            await service.server_info()
            reader.cancel()
            if cancels == "twice":
                await asyncio.sleep(0)
                reader.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reader
    gc.collect()
    await asyncio.sleep(0)
    assert complaints == []


async def test_after_the_loop_nobody_reads_the_video_any_more() -> None:
    reading, proceed = threading.Event(), threading.Event()
    steps: list[str] = []

    def slow() -> Iterator[Pixels]:
        yield FRAME
        reading.set()
        proceed.wait()
        steps.append("read")
        yield FRAME

    held = Held()
    async with serving(stream=held.stream) as served, connect(served.server.address) as service:
        stream = service.stream(slow(), predicted=0)
        frames = aiter(stream)
        await anext(frames)
        await asyncio.to_thread(reading.wait)
        closing = asyncio.create_task(stream.aclose())
        await held.left.wait()  # cancelled, yet the video is still being read
        proceed.set()
        await closing
        steps.append("closed")
    assert steps == ["read", "closed"]


async def test_a_stalled_source_on_the_loop_is_given_up() -> None:
    stalling, cancelled = asyncio.Event(), asyncio.Event()

    async def stalled() -> AsyncIterator[Pixels]:
        yield FRAME
        try:
            stalling.set()
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async with serving(stream=mirror) as served, connect(served.server.address) as service:
        async for _ in service.stream(stalled()):
            await stalling.wait()
            break
        await asyncio.wait_for(cancelled.wait(), 60)
