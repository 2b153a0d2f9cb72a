"""Exactly as many frames are returned as were sent, whether or not the length is known."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.mirror import mirror
from support.tiny_services import serving
from support.toy_models import image_with_points

from motioncast.client import Origin, Pixels, Source, connect
from motioncast.local import LocalServices, LocalSettings

Cast = Callable[..., Coroutine[Any, Any, Any]]
PATTERNS = [(1, 0), (1, 1), (2, 5), (5, 2)]


@pytest.fixture
async def target(toy_repository: Path) -> AsyncIterator[str]:
    async with LocalServices(
        LocalSettings(repository=toy_repository, drain_grace_seconds=0.5)
    ) as local:
        yield local.target


def moving(count: int) -> list[Pixels]:
    return [image_with_points(red=(t % 16, 3), green=None) for t in range(count)]


@pytest.mark.parametrize(("observed", "predicted"), PATTERNS)
async def test_of_an_iterator(cast: Cast, target: str, observed: int, predicted: int) -> None:
    for count in range(1, 10):
        result = await cast(target, iter(moving(count)), observed=observed, predicted=predicted)
        assert [frame.index for frame in result.frames] == list(range(count))
        report = result.report
        assert report.observed_frames + report.predicted_frames == count
        assert report.concealed_frames == 0


@pytest.mark.parametrize(("observed", "predicted"), PATTERNS)
async def test_of_an_iterator_whose_last_frames_are_lost(
    cast: Cast, target: str, observed: int, predicted: int
) -> None:
    frames = [*moving(3), *[None] * 11]
    result = await cast(target, iter(frames), observed=observed, predicted=predicted)
    assert [frame.index for frame in result.frames] == list(range(14))


async def test_of_an_iterator_with_a_source_at_its_end(cast: Cast, target: str) -> None:
    frames = moving(4)
    elements = [*frames, Source(frames[0], 1)]
    result = await cast(target, iter(elements), observed=1, predicted=4)
    assert len(result.frames) == 4


async def test_of_an_async_iterator(target: str) -> None:
    async def live() -> AsyncIterator[Pixels]:
        for frame in moving(7):
            await asyncio.sleep(0)
            yield frame

    async with connect(target) as service:
        assert len([f async for f in service.stream(live(), observed=2, predicted=3)]) == 7


async def test_a_forecast_frame_comes_when_the_video_has_got_to_it(target: str) -> None:
    there, gone_on = asyncio.Event(), asyncio.Event()

    async def live() -> AsyncIterator[Pixels]:
        first, second = moving(2)
        yield first
        await there.wait()
        yield second
        gone_on.set()
        await asyncio.Event().wait()

    async with connect(target) as service:
        frames = aiter(service.stream(live(), observed=1, predicted=2))
        assert (await anext(frames)).index == 0
        following = asyncio.ensure_future(anext(frames))
        await service.server_info()
        assert not following.done()
        there.set()
        assert (await following).index == 1
        await gone_on.wait()


async def test_the_latest_only_of_a_source_that_is_too_fast(cast: Cast, target: str) -> None:
    result = await cast(target, iter(moving(400)), latest_only=True, observed=1, predicted=0)
    assert [frame.index for frame in result.frames] == list(range(400))
    origins = {frame.origin for frame in result.frames}
    assert origins <= {Origin.OBSERVED, Origin.CONCEALED}
    assert result.report.observed_frames < 400
    assert result.report.concealed_frames == 400 - result.report.observed_frames


async def test_the_latest_only_of_a_source_that_is_slow_is_everything(target: str) -> None:
    asked = asyncio.Semaphore(1)

    async def slow() -> AsyncIterator[Pixels]:
        for frame in moving(6):
            await asked.acquire()
            yield frame

    async with connect(target) as service:
        stream = service.stream(slow(), latest_only=True)
        async for frame in stream:
            assert frame.origin is Origin.OBSERVED
            asked.release()
    assert stream.report.observed_frames == 6


async def test_no_more_than_two_frames_are_on_their_way_when_only_the_latest_counts() -> None:
    """The next frame is chosen only when there is room for it, so it is recent."""
    proceed, past = threading.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def camera() -> Iterator[Pixels]:
        [frame] = moving(1)
        yield frame
        proceed.wait()
        yield from [frame] * 500
        loop.call_soon_threadsafe(past.set)

    async with serving(stream=mirror) as served, connect(served.server.address) as service:
        frames = aiter(service.stream(camera(), latest_only=True))
        first = await anext(frames)
        proceed.set()
        await past.wait()
        following = [frame.index async for frame in frames]
    assert first.index == 0
    assert len(following) <= 3
    assert following[-1] == 500
