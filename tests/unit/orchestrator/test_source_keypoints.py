"""Keypoints of sources are found where none were supplied, and refer to source 0."""

from __future__ import annotations

from motioncast.orchestrator.source_keypoints import SourceKeypoints
from motioncast.orchestrator.sources import Sourced, Sources
from motioncast.v1.common_pb2 import Image, KeypointSet
from motioncast.v1.motion_transfer_pb2 import SourceImage

GIVEN = KeypointSet(x=[-1], y=[-1], intensity=[0])


async def detect(image: Image, first: SourceImage | None) -> KeypointSet:
    """Returns the width of the image as x, and the x of the source it is registered with as y."""
    return KeypointSet(x=[image.width], y=[first.keypoints.x[0] if first else 0], intensity=[1])


def received(index: int, width: int, keypoints: KeypointSet | None = None) -> SourceImage:
    return SourceImage(image=Image(width=width), index=index, keypoints=keypoints)


async def after(*arrived: SourceImage, registers: bool = True) -> Sources:
    """Returns the sources that a session has after these."""
    completing = SourceKeypoints(detect, registers=registers)
    sources = Sources({}, {})
    for one in arrived:
        for sourced in await completing.complete(one, b"digest of %d" % one.image.width):
            sources = sources.joined(sourced)
    return sources


def found(sources: Sources) -> dict[int, tuple[float, float]]:
    return {
        index: (one.keypoints.x[0], one.keypoints.y[0]) for index, one in sources.by_index.items()
    }


async def test_further_sources_are_registered_with_the_first() -> None:
    sources = await after(received(0, 7), received(1, 8), received(3, 9))
    assert found(sources) == {0: (7, 0), 1: (8, 7), 3: (9, 7)}


async def test_where_nothing_is_registered_every_source_is_looked_at_alone() -> None:
    sources = await after(received(0, 7), received(1, 8), registers=False)
    assert found(sources) == {0: (7, 0), 1: (8, 0)}


async def test_supplied_keypoints_are_kept_and_registered_with() -> None:
    sources = await after(received(0, 7, GIVEN), received(1, 8), received(2, 9, GIVEN))
    assert found(sources) == {0: (-1, -1), 1: (8, -1), 2: (-1, -1)}


async def test_with_a_new_first_source_the_others_are_registered_again() -> None:
    sources = await after(received(0, 7), received(1, 8), received(2, 9, GIVEN), received(0, 5))
    assert found(sources) == {0: (5, 0), 1: (8, 5), 2: (-1, -1)}


async def test_a_source_replaced_by_one_with_keypoints_is_left_alone_from_then_on() -> None:
    sources = await after(received(0, 7), received(1, 8), received(1, 9, GIVEN), received(0, 5))
    assert found(sources) == {0: (5, 0), 1: (-1, -1)}


async def test_a_resumed_session_has_the_sources_that_it_had_before() -> None:
    """Its client sends the newest of each index, in order."""
    whole = await after(received(0, 7), received(1, 8), received(0, 5), received(1, 4))
    resumed = await after(received(0, 5), received(1, 4))
    assert resumed == whole == Sources.of(*map(_sourced, (whole.by_index[0], whole.by_index[1])))


def _sourced(image: SourceImage) -> Sourced:
    return Sourced(image, b"digest of %d" % image.image.width)
