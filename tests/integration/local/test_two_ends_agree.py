"""A receiver makes the same frames as a session of the services, with the shipped models."""

from __future__ import annotations

import asyncio
from importlib import resources

import numpy as np
import pytest

from motioncast.client import Opening, Pixels, ReceivedFrame, ReceiverModels, Service, connect
from motioncast.client.types import Keypoints
from motioncast.client.video import read_video
from motioncast.inference import default_repository
from motioncast.local import LocalServices, LocalSettings
from motioncast.timeline.pattern import Pattern

FRAMES = 12
PATTERN = Pattern(3, 2)


def clip(size: int) -> list[Pixels]:
    asset = resources.files("motioncast.cli").joinpath("assets/grid_sbwu5s.mp4")
    with resources.as_file(asset) as path, read_video(path, size, limit=FRAMES) as video:
        return list(video.frames)


async def received(
    service: Service, name: str, models: ReceiverModels, image: Pixels, keypoints: list[Keypoints]
) -> list[ReceivedFrame]:
    """Returns what a receiver on this machine makes of a room's packets."""
    model = next(one for one in (await service.server_info()).models if one.name == name)
    opening = Opening.of(model, pattern=PATTERN, frame_count=len(keypoints))
    async with service.publish(opening) as published:
        await published.set_source(0, image, keypoints[0])

        async def watched() -> list[ReceivedFrame]:
            async with service.watch(published.room, published.token) as watching:
                return [frame async for frame in watching.frames(models)]

        receiving = asyncio.create_task(watched())
        while published.feedback.watchers < 1:
            await asyncio.sleep(0)
        for index, one in enumerate(keypoints):
            await published.push(index, one)
        await published.end()
        return await receiving


@pytest.mark.parametrize(("name", "size"), [("face256", 256), ("lite128", 128)])
async def test_frames_of_a_receiver_and_of_a_session_are_bit_identical(
    name: str, size: int
) -> None:
    models = ReceiverModels.of(default_repository(), name, threads=1)
    images = clip(size)
    async with (
        LocalServices(LocalSettings(default_repository())) as local,
        connect(local.target, timeout=60) as service,
    ):
        observed = service.stream(images, model=name)
        keypoints = [frame.keypoints async for frame in observed]
        session = service.stream_keypoints(
            keypoints,
            source=images[0],
            source_keypoints=keypoints[0],
            model=name,
            observed=PATTERN.observed,
            predicted=PATTERN.predicted,
            keypoint_encoding="coded",
        )
        frames = [frame async for frame in session]
        theirs = await received(service, name, models, images[0], keypoints)
    assert [frame.index for frame in theirs] == list(range(FRAMES))
    for ours, other in zip(frames, theirs, strict=True):
        np.testing.assert_array_equal(ours.keypoints, other.keypoints)
        np.testing.assert_array_equal(ours.image, other.image)
