"""Of a live session's queued stretches only the newest is processed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from motioncast.orchestrator.ahead import Ahead
from motioncast.orchestrator.settings import MAX_STRETCH_FRAMES
from motioncast.orchestrator.stretch import Frame, Stretch, latest_stretches
from motioncast.timeline.origin import Origin
from motioncast.v1.common_pb2 import Image, KeypointSet

SOURCES: Any = object()
PICTURE, POINTS = Image(height=1, width=1), KeypointSet(x=[0.5])


def stretch(start: int, *arrivals: Image | KeypointSet | None, sources: Any = SOURCES) -> Stretch:
    frames = tuple(
        Frame(Origin.PREDICTED if one is None else Origin.OBSERVED, one) for one in arrivals
    )
    return Stretch(start, frames, float(start), sources)


async def all_latest(*stretches: Stretch) -> list[Stretch]:
    """Returns the stretches that remain if all are queued."""

    async def source() -> AsyncGenerator[Stretch, None]:
        for one in stretches:
            yield one

    async with Ahead(source(), len(stretches) + 1) as ahead:
        for _ in range(2 * len(stretches) + 2):
            await asyncio.sleep(0)  # lets them arrive
        return [one async for one in latest_stretches(ahead)]


async def test_what_waits_is_left_out_and_the_newest_is_made() -> None:
    (one,) = await all_latest(
        stretch(10, PICTURE), stretch(11, POINTS), stretch(12, None), stretch(13, PICTURE)
    )
    assert (one.start, one.end, one.left_out, one.complete_at) == (10, 14, 3, 13.0)
    assert [frame.arrival for frame in one.frames] == [None, POINTS, None, PICTURE]
    assert [frame.origin.name for frame in one.frames] == [
        "CONCEALED",  # its picture arrived but is not used
        "OBSERVED",
        "PREDICTED",
        "OBSERVED",
    ]


async def test_one_that_waits_alone_is_made_whole() -> None:
    alone = stretch(3, PICTURE, POINTS, None)
    assert await all_latest(alone) == [alone]


async def test_no_more_than_one_prediction_takes_are_left_out_at_once() -> None:
    many = [stretch(number, POINTS) for number in range(MAX_STRETCH_FRAMES + 5)]
    first, second = await all_latest(*many)
    assert (first.start, first.end, first.left_out) == (0, MAX_STRETCH_FRAMES, 31)
    assert (second.end, second.left_out) == (MAX_STRETCH_FRAMES + 5, 4)


async def test_frames_of_other_sources_are_not_left_out_together() -> None:
    other: Any = object()
    first, second = await all_latest(stretch(0, POINTS), stretch(1, POINTS, sources=other))
    assert (first.left_out, second.left_out) == (0, 0)
