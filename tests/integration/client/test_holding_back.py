"""Backpressure on both sides of a session, without blocking the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import numpy as np
import pytest
from support.endless_video import Counted
from support.mirror import mirror
from support.tiny_services import Served, serving

from motioncast.client import Pixels, connect
from motioncast.serving import Context
from motioncast.v1.motion_transfer_pb2 import StreamRequest, StreamResponse

FRAME = np.full((4, 6, 3), 7, np.uint8)
LARGE = np.full((512, 512, 3), 7, np.uint8)  # 768 KiB, soon more than a connection buffers


class Deaf:
    """A stream that neither reads requests nor sends responses."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()

    async def stream(
        self, requests: AsyncIterator[StreamRequest], context: Context
    ) -> AsyncIterator[StreamResponse]:
        self.entered.set()
        await asyncio.Event().wait()
        yield StreamResponse()


def patient(served: Served) -> Any:
    """Connects a client that tolerates long silence, in case the machine is slow."""
    return connect(served.server.address, stall_seconds=600)


async def quiet(served: Served) -> None:
    """Makes so many calls that every other task has had time to run."""
    async with connect(served.server.address) as service:
        for _ in range(300):
            await service.server_info()


async def test_a_video_may_come_from_the_loop() -> None:
    async def frames() -> AsyncIterator[Pixels | None]:
        for value in range(5):
            yield None if value == 2 else FRAME + value

    async with serving(stream=mirror) as served, patient(served) as service:
        values = [f.image.flat[0] async for f in service.stream(frames(), predicted=0)]
    assert values == [7, 8, 10, 11]


async def test_a_video_that_waits_does_not_hold_the_loop() -> None:
    proceed = threading.Event()

    def waiting() -> Iterator[Pixels]:
        proceed.wait()
        yield FRAME

    async with serving(stream=mirror) as served, patient(served) as service:
        first = asyncio.create_task(anext(aiter(service.stream(waiting()))))
        await service.server_info()
        proceed.set()
        assert (await first).index == 0


async def test_a_server_that_does_not_read_holds_back_the_sender() -> None:
    deaf = Deaf()
    video = Counted(LARGE)
    async with serving(stream=deaf.stream) as served, patient(served) as service:
        reader = asyncio.create_task(anext(aiter(service.stream(video, predicted=0))))
        await deaf.entered.wait()
        await quiet(served)
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
    assert video.read < 50


async def test_a_reader_that_does_not_read_holds_back_both_sides() -> None:
    video = Counted(LARGE)
    async with serving(stream=mirror) as served, patient(served) as service:
        frames = aiter(service.stream(video, predicted=0))
        await anext(frames)
        await quiet(served)
    assert video.read < 50


@pytest.mark.parametrize("reads", [True, False])
async def test_small_frames_do_not_run_ahead_either(reads: bool) -> None:
    """Network buffers hold many frames of six pixels."""
    deaf = Deaf()
    video = Counted(FRAME)
    stream = mirror if reads else deaf.stream
    async with serving(stream=stream) as served, patient(served) as service:
        frames = aiter(service.stream(video, predicted=0))
        first = asyncio.ensure_future(anext(frames))
        await (first if reads else deaf.entered.wait())
        while video.read <= 60:  # up to this many may be in flight
            await service.server_info()
        await quiet(served)  # and no more than that
        first.cancel()
        await asyncio.wait([first])
    assert video.read <= 65


async def test_a_stream_is_read_once() -> None:
    async with serving(stream=mirror) as served, patient(served) as service:
        stream = service.stream([FRAME])
        assert len([frame async for frame in stream]) == 1
        with pytest.raises(RuntimeError, match=r"^a stream can be read once$"):
            await anext(aiter(stream))


async def test_sessions_run_side_by_side_on_one_connection() -> None:
    async def session(value: int) -> set[int]:
        frames = np.full((20, 4, 6, 3), value, np.uint8)
        return {int(f.image.flat[0]) async for f in service.stream(frames, predicted=0)}

    async with serving(stream=mirror) as served, patient(served) as service:
        values = await asyncio.gather(*(session(value) for value in range(12)))
    assert values == [{value} for value in range(12)]
