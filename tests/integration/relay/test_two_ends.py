"""Keypoints sent from one end to the other yield the same frames there as in a session."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest
from support.toy_models import image_with_points

from motioncast.client import (
    Crop,
    Ending,
    FramedKeypoints,
    Keypoints,
    Mode,
    Opening,
    Origin,
    ReceivedFrame,
    ReceiverModels,
    Service,
    Source,
    connect,
)
from motioncast.timeline.pattern import Pattern

IMAGE = image_with_points((3, 4), (9, 7))
OTHER = image_with_points((12, 2), (1, 8))
AT_SOURCE = np.array([[0.25, -0.5, 0.5], [-0.125, 0.75, 0.25]], np.float32)


def points(index: int) -> Keypoints:
    x = 0.9 * np.sin(0.3 * index)
    return np.array([[x, 0.1, 0.5], [-x, 0.9, 0.2]], np.float32)


async def opening_of(service: Service, **options: Any) -> Opening:
    (model,) = (await service.server_info()).models
    return Opening.of(model, **options)


async def watched(
    service: Service, room: str, token: str, models: ReceiverModels
) -> tuple[list[ReceivedFrame], Any]:
    async with service.watch(room, token) as watching:
        return [frame async for frame in watching.frames(models)], watching


async def two_ends(
    target: str, sent: list[Any], models: ReceiverModels, **options: Any
) -> tuple[list[ReceivedFrame], Any]:
    """Publishes keypoints and sources as for `stream_keypoints`; returns the receiver's frames."""
    async with connect(target) as service:
        opening = await opening_of(service, frame_count=_frames(sent), **options)
        async with service.publish(opening) as published:
            receiving = asyncio.create_task(
                watched(service, published.room, published.token, models)
            )
            while published.feedback.watchers < 1:
                await asyncio.sleep(0.01)
            await published.set_source(0, IMAGE, AT_SOURCE)
            index = 0
            for one in sent:
                if isinstance(one, Source):
                    assert one.keypoints is not None
                    await published.set_source(one.index, one.image, one.keypoints)
                    continue
                if isinstance(one, FramedKeypoints):
                    await published.push(index, one.keypoints, one.crop)
                elif one is not None:
                    await published.push(index, one)
                index += 1
            await published.end()
        return await receiving


def _frames(sent: list[Any]) -> int:
    return sum(not isinstance(one, Source) for one in sent)


async def of_session(
    target: str, sent: list[Any], made: list[ReceivedFrame], **options: Any
) -> list[Any]:
    """Returns a session's frames for the keypoints that the receiver had."""
    here = {one.index: one for one in made if one.origin is Origin.OBSERVED}
    elements: list[Any] = []
    index = 0
    for one in sent:
        if isinstance(one, Source):
            elements.append(one)
            continue
        frame = here.get(index)
        if isinstance(one, FramedKeypoints) and frame is not None:
            elements.append(FramedKeypoints(frame.keypoints, one.crop))
        else:
            elements.append(None if frame is None else frame.keypoints)
        index += 1
    async with connect(target) as service:
        stream = service.stream_keypoints(
            elements,
            source=IMAGE,
            source_keypoints=AT_SOURCE,
            frame_count=_frames(sent),
            **options,
        )
        return [frame async for frame in stream]


@pytest.mark.parametrize(
    ("pattern", "lost"),
    [((1, 0), ()), ((3, 2), ()), ((1, 1), (4, 5, 6)), ((5, 27), (0, 1, 64)), ((1, 0), (0, 7, 39))],
)
async def test_the_frames_are_those_of_a_session(
    target: str, models: ReceiverModels, pattern: tuple[int, int], lost: tuple[int, ...]
) -> None:
    m_n = Pattern(*pattern)
    sent = [points(t) if m_n.expects(t) and t not in lost else None for t in range(70)]
    made, watching = await two_ends(target, sent, models, pattern=m_n)
    expected = await of_session(target, sent, made, observed=m_n.observed, predicted=m_n.predicted)
    assert [one.index for one in made if one.origin is Origin.OBSERVED] == [
        index for index, one in enumerate(sent) if one is not None
    ]
    assert len(made) == len(expected) == 70
    for ours, theirs in zip(made, expected, strict=True):
        assert (ours.index, ours.origin) == (theirs.index, theirs.origin)
        np.testing.assert_array_equal(ours.keypoints, theirs.keypoints)
        np.testing.assert_array_equal(ours.image, theirs.image)
    assert watching.ending is Ending.ENDED


async def test_relative_motion_moves_the_source_as_a_session_does(
    target: str, models: ReceiverModels
) -> None:
    sent = [None, *map(points, range(1, 40))]
    made, _ = await two_ends(target, sent, models, mode=Mode.TRANSFER, relative_motion=True)
    expected = await of_session(target, sent, made, mode=Mode.TRANSFER, relative_motion=True)
    for ours, theirs in zip(made, expected, strict=True):
        np.testing.assert_array_equal(ours.image, theirs.image)


async def test_sources_and_crops_are_those_of_a_session(
    target: str, models: ReceiverModels
) -> None:
    near, far = Crop(0, 0, 30), Crop(5.25, -5, 30)
    sent: list[Any] = [FramedKeypoints(points(t), near if t < 9 else far) for t in range(60)]
    sent.insert(21, Source(OTHER, 1, points(24)))
    sent.insert(40, Source(OTHER, 2, points(35)))
    made, _ = await two_ends(target, sent, models)
    expected = await of_session(target, sent, made)
    assert {frame.source_index for frame in made} == {0, 1, 2}
    for ours, theirs in zip(made, expected, strict=True):
        assert (ours.source_index, ours.crop) == (theirs.source_index, theirs.crop)
        assert ours.synthetic
        assert theirs.synthetic
        np.testing.assert_array_equal(ours.image, theirs.image)
