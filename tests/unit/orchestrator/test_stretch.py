"""Where the timeline is cut into stretches depends only on the pattern."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from motioncast.orchestrator.ahead import Ahead
from motioncast.orchestrator.settings import MAX_STRETCH_FRAMES
from motioncast.orchestrator.sources import Sourced, Sources
from motioncast.orchestrator.stretch import (
    Arrived,
    Stretch,
    cut_stretches,
    merge_stretches,
    stretch_end,
)
from motioncast.timeline.origin import Origin
from motioncast.timeline.pattern import Pattern
from motioncast.v1.common_pb2 import KeypointSet
from motioncast.v1.motion_transfer_pb2 import SourceImage, StreamEnd
from motioncast.wire.errors import InvalidInputError, OutOfOrderError

FIRST = SourceImage(keypoints=KeypointSet(x=[-1]))
SECOND = Sourced(SourceImage(keypoints=KeypointSet(x=[-2]), index=1))


async def packets(
    indices: list[int | Sourced | StreamEnd],
) -> AsyncGenerator[Arrived | Sourced | StreamEnd, None]:
    for index in indices:
        yield Arrived(index, KeypointSet(x=[index])) if isinstance(index, int) else index


async def cut(
    pattern: Pattern,
    indices: list[int | Sourced | StreamEnd],
    frame_count: int | None = None,
    delay_frames: int = 0,
) -> list[Stretch]:
    arrivals, sources = packets(indices), Sources.of(Sourced(FIRST))
    cutting = cut_stretches(arrivals, pattern, frame_count, sources, delay_frames)
    return [one async for one in cutting]


def frames_of(stretches: list[Stretch]) -> list[int]:
    return [len(stretch.frames) for stretch in stretches]


@given(st.integers(1, 256), st.integers(0, 256), st.integers(0, 2000))
def test_a_stretch_never_crosses_a_group_and_is_never_too_long(m: int, n: int, index: int) -> None:
    pattern = Pattern(m, n)
    end = stretch_end(pattern, index)
    assert index < end <= pattern.group_end(index)
    start = end - 1
    while start > 0 and stretch_end(pattern, start - 1) == end:
        start -= 1
    assert end - start <= MAX_STRETCH_FRAMES


async def test_a_group_is_a_stretch() -> None:
    stretches = await cut(Pattern(5, 5), [0, 1, 2, 3, 4, 10, 11, 12, 13, 14])
    assert [stretch.start for stretch in stretches] == [0, 10]
    assert frames_of(stretches) == [10, 10]


async def test_the_paper_s_five_to_twenty_seven_is_one_stretch() -> None:
    assert frames_of(await cut(Pattern(5, 27), list(range(5)))) == [32]


async def test_an_end_within_a_group_cuts_the_last_stretch() -> None:
    end = StreamEnd(frame_count=13)
    assert frames_of(await cut(Pattern(5, 5), [*range(5), 10, 11, end])) == [10, 3]
    end = StreamEnd(frame_count=12)
    assert frames_of(await cut(Pattern(5, 5), [*range(5), 10, 11, end])) == [10, 2]
    end = StreamEnd(frame_count=7)  # frames already forecast are kept
    assert frames_of(await cut(Pattern(5, 5), [*range(5), end])) == [10]


async def test_a_long_group_is_cut() -> None:
    assert frames_of(await cut(Pattern(1, 99), [0])) == [32, 32, 32, 4]


async def test_frame_count_ends_the_last_stretch() -> None:
    assert frames_of(await cut(Pattern(5, 5), [0, 1, 2, 3, 4], frame_count=7)) == [7]


async def test_what_the_sender_supplied_stays_with_its_frame() -> None:
    [stretch] = await cut(Pattern(3, 1), [0, 2])
    assert [frame.origin for frame in stretch.frames] == [
        Origin.OBSERVED,
        Origin.CONCEALED,
        Origin.OBSERVED,
        Origin.PREDICTED,
    ]
    assert stretch.frames[2].arrival == KeypointSet(x=[2])
    assert stretch.frames[1].arrival is None


@pytest.mark.parametrize(("most", "expected"), [(1, [2] * 4), (4, [4, 4]), (7, [6, 2])])
async def test_stretches_that_wait_are_merged_up_to_a_limit(most: int, expected: list[int]) -> None:
    source = cut_stretches(packets([0, 2, 4, 6]), Pattern(1, 1), None, Sources.of(Sourced(FIRST)))
    async with Ahead(source, 4) as stretches:
        for _ in range(100):  # until all are queued
            await asyncio.sleep(0)
        merged = [stretch async for stretch in merge_stretches(stretches, most)]
    assert frames_of(merged) == expected
    assert [frame.origin for stretch in merged for frame in stretch.frames] == [
        Origin.OBSERVED,
        Origin.PREDICTED,
    ] * 4


async def test_a_source_that_comes_in_between_ends_the_stretch() -> None:
    stretches = await cut(Pattern(5, 2), [0, 1, 2, SECOND, 3, 4, 7])
    assert [(one.start, len(one.frames)) for one in stretches] == [(0, 3), (3, 4), (7, 7)]
    assert [sorted(one.sources.by_index) for one in stretches] == [[0], [0, 1], [0, 1]]
    assert stretches[1].sources.by_index[1] == SECOND.image


async def test_sources_between_groups_cut_nothing() -> None:
    stretches = await cut(Pattern(2, 1), [SECOND, 0, 1, SECOND, SECOND, 3, 4])
    assert [(one.start, len(one.frames)) for one in stretches] == [(0, 3), (3, 3)]


async def test_stretches_of_other_sources_are_not_merged() -> None:
    arrivals = packets([0, 2, SECOND, 4, 6])
    source = cut_stretches(arrivals, Pattern(1, 1), None, Sources.of(Sourced(FIRST)))
    async with Ahead(source, 4) as stretches:
        for _ in range(100):  # until all are queued
            await asyncio.sleep(0)
        merged = [stretch async for stretch in merge_stretches(stretches, 8)]
    assert frames_of(merged) == [4, 4]
    assert [sorted(one.sources.by_index) for one in merged] == [[0], [0, 1]]


async def test_what_the_timeline_refuses_is_an_error_of_the_wire() -> None:
    with pytest.raises(OutOfOrderError, match=r"^index: 1 is out of order after 1") as late:
        await cut(Pattern(3, 0), [0, 1, 1])
    assert late.value.field == "index"
    with pytest.raises(InvalidInputError, match=r"^index: 7 is past the end") as past:
        await cut(Pattern(5, 5), [7], frame_count=7)
    assert past.value.field == "index"
    with pytest.raises(InvalidInputError, match=r"^end\.frame_count: 1, but") as end:
        await cut(Pattern(1, 0), [0, 1, StreamEnd(frame_count=1)])
    assert end.value.field == "end.frame_count"
    with pytest.raises(InvalidInputError, match=r"^config\.frame_count: 2000 frames were declared"):
        await cut(Pattern(1, 0), [0], frame_count=2000)


async def test_with_a_delay_frames_wait_that_the_next_one_may_be_near_to() -> None:
    every_second = await cut(Pattern(1, 1), [0, 2, 4], delay_frames=1)
    assert [(one.start, len(one.frames)) for one in every_second] == [
        (0, 1),
        (1, 2),
        (3, 2),
        (5, 1),
    ]
    groups = await cut(Pattern(2, 3), [0, 1, 5, 6], delay_frames=1)
    assert [(one.start, len(one.frames)) for one in groups] == [(0, 4), (4, 5), (9, 1)]
    lost = await cut(Pattern(1, 0), [0, 5], delay_frames=2)
    assert [(one.start, len(one.frames)) for one in lost] == [(0, 1), (1, 1), (2, 1), (3, 3)]


@given(
    st.integers(1, 40),
    st.integers(0, 40),
    st.integers(0, 16),
    st.sets(st.integers(0, 150), min_size=1),
)
def test_with_a_delay_every_frame_is_in_one_stretch_and_none_is_too_long(
    m: int, n: int, delay: int, lost: set[int]
) -> None:
    pattern = Pattern(m, n)
    sent = [index for index in range(150) if pattern.expects(index) and index not in lost]
    stretches = asyncio.run(cut(pattern, [*sent], 150, delay))
    assert [one.start for one in stretches] == [0, *[one.end for one in stretches[:-1]]]
    assert stretches[-1].end == 150
    assert all(1 <= len(one.frames) <= MAX_STRETCH_FRAMES for one in stretches)
    for one in stretches[:-1]:  # a stretch ends after an observed frame if later frames can wait
        came = [frame.arrival is not None for frame in one.frames]
        waits = next((k for k, here in enumerate(reversed(came)) if here), len(came))
        assert waits == 0 or pattern.next_expected(one.end) - (one.end - 1) > delay
