"""Generates load: streams a clip over and over, and sends keypoints through a relay."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Sequence
from importlib import resources
from itertools import cycle
from pathlib import Path
from typing import Any, Final

import numpy as np

from motioncast.cli.local_model import LocalModel, local_model
from motioncast.client import (
    Keypoints,
    MotioncastError,
    Opening,
    ReceiverModels,
    Service,
    connect,
)
from motioncast.client.video import read_video
from motioncast.wire.images import Pixels

PAUSE_SECONDS: Final = 1.0  # between sessions
SESSION_FRAMES: Final = 100
RELAYED: Final = "lite128"  # the cheapest of the shipped models


async def load(target: str, clip: Path | None, rate: float) -> None:
    """Streams a clip over and over, as frames and as keypoints; half of the frames are forecast.

    Args:
        target: Address of the orchestrator.
        clip: The video; None for the bundled interview.
        rate: Frames per second of each session.
    """
    async with connect(target, timeout=60) as service:
        info = await service.server_info(timeout=30)
        asset = resources.files("motioncast.cli").joinpath("assets/interview.mp4")
        with (
            resources.as_file(asset) as bundled,
            read_video(clip or bundled, info.models[0].height) as video,
        ):
            frames = list(video.frames)
        while True:
            try:
                await sessions(service, frames, rate)
            except MotioncastError as error:
                print(f"a session at {target} ended: {error}", file=sys.stderr)
            await asyncio.sleep(PAUSE_SECONDS)


async def sessions(service: Service, frames: Sequence[Pixels], rate: float) -> None:
    """Streams one session of frames, then one of the keypoints it returned."""
    some = [frame for frame, _ in zip(cycle(frames), range(SESSION_FRAMES), strict=False)]
    results = [one async for one in service.stream(paced(some, rate), observed=5, predicted=5)]
    keypoints = paced([one.keypoints for one in results], rate)
    sent = service.stream_keypoints(keypoints, source=some[0], observed=1, predicted=1)
    async for _ in sent:
        pass


async def load_relay(target: str, models: Path | None, rate: float) -> None:
    """Sends keypoints through a relay over and over, with one watcher.

    Args:
        target: Address of the relay.
        models: Model repository; None for the shipped one.
        rate: Frames per second.
    """
    here = await asyncio.to_thread(local_model, models, RELAYED if models is None else None)
    receiver = await asyncio.to_thread(
        ReceiverModels.of, here.repository, here.model.name, threads=1
    )
    async with connect(target, timeout=60) as service:
        while True:
            try:
                await room(service, here, receiver, rate)
            except* MotioncastError as errors:
                print(f"a room at {target} ended: {errors.exceptions[0]}", file=sys.stderr)
            await asyncio.sleep(PAUSE_SECONDS)


async def room(service: Service, here: LocalModel, receiver: ReceiverModels, rate: float) -> None:
    """Publishes one video of keypoints and watches it."""
    grey = np.full((here.model.height, here.model.width, 3), 128, np.uint8)
    track = [ring(here.model.keypoints, 0.05 * index) for index in range(SESSION_FRAMES)]
    opening = Opening.of(here.model, frame_rate=rate, frame_count=SESSION_FRAMES)
    async with asyncio.TaskGroup() as tasks, service.publish(opening, here.tables) as published:
        tasks.create_task(watch(service, published.room, published.token, receiver))
        await published.set_source(0, grey, track[0])
        index = 0
        async for keypoints in paced(track, rate):
            await published.push(index, keypoints)
            index += 1
        await published.end()


async def watch(service: Service, name: str, token: str, receiver: ReceiverModels) -> None:
    """Watches a room and synthesises its frames."""
    async with service.watch(name, token) as watching:
        async for _ in watching.frames(receiver):
            pass


def ring(count: int, phase: float) -> Keypoints:
    """Returns keypoints (count, 3) on a circle rotated by `phase`."""
    angles = phase + np.linspace(0, 2 * np.pi, count, endpoint=False)
    xy = 0.5 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return np.concatenate([xy, np.ones((count, 1))], axis=1).astype(np.float32)


async def paced(values: Sequence[Any], rate: float) -> AsyncGenerator[Any, None]:
    """Yields values at `rate` per second."""
    for value in values:
        yield value
        await asyncio.sleep(1 / rate)
