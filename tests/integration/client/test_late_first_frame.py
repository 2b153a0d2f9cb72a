"""The first frame of a video takes longer than the server waits for a silent client."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any

import grpc
import numpy as np
import pytest
from support.mirror import mirror
from support.tiny_services import Served, serving

from motioncast.client import InvalidRequestError, Pixels, connect
from motioncast.serving import ServerSettings

Cast = Callable[..., Coroutine[Any, Any, Any]]

FRAME = np.full((4, 6, 3), 7, np.uint8)
IMPATIENT = ServerSettings(silence_seconds=0.5, stall_seconds=60)


class Late:
    """A camera that needs permission first, then yields one lost and three good frames."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.allowed = threading.Event()

    def __iter__(self) -> Iterator[Pixels | None]:
        self.asked.set()
        self.allowed.wait(60)
        yield None
        for _ in range(3):
            yield FRAME


async def a_silence(served: Served) -> None:
    """Waits until a client starting now has been dropped for silence."""
    assert await served.motion.Stream().code() is grpc.StatusCode.DEADLINE_EXCEEDED


@pytest.mark.parametrize("latest_only", [False, True])
async def test_a_first_frame_may_take_its_time(cast: Cast, latest_only: bool) -> None:
    video = Late()
    async with serving(stream=mirror, settings=IMPATIENT) as served:
        target = served.server.address
        casting = asyncio.create_task(cast(target, video, latest_only=latest_only))
        await asyncio.to_thread(video.asked.wait, 60)
        await a_silence(served)
        video.allowed.set()
        result = await casting
    # The mirror conceals nothing: lost or skipped frames are not returned.
    assert result.frames[-1].index == 3
    if not latest_only:
        assert [frame.index for frame in result.frames] == [1, 2, 3]


async def test_an_empty_video_begins_no_call(cast: Cast) -> None:
    async with serving(stream=mirror) as served:
        for video in (iter(()), iter([None, None])):
            with pytest.raises(InvalidRequestError, match="the video is empty"):
                await cast(served.server.address, video)
        assert served.metric("motioncast_calls_in_flight") in (None, 0)


async def test_what_the_video_raises_first_is_raised(cast: Cast) -> None:
    def denied() -> Iterator[Pixels]:
        raise PermissionError("camera: denied")
        yield FRAME

    async with serving(stream=mirror) as served:
        with pytest.raises(PermissionError, match="camera: denied"):
            await cast(served.server.address, denied())


async def test_a_first_frame_that_is_given_up_leaves_nothing_to_complain_about() -> None:
    complaints: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    asked, left = asyncio.Event(), asyncio.Event()

    async def never() -> AsyncIterator[Pixels]:
        try:
            asked.set()
            await asyncio.Event().wait()
        finally:
            left.set()
        yield FRAME

    async with serving(stream=mirror) as served, connect(served.server.address) as service:
        reader = asyncio.ensure_future(anext(aiter(service.stream(never()))))
        await asked.wait()
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        await asyncio.wait_for(left.wait(), 60)
    gc.collect()
    await asyncio.sleep(0)
    assert complaints == []
