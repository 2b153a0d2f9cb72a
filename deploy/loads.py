"""Sessions to look at: a clip, streamed over and over."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Sequence
from importlib import resources
from itertools import cycle
from pathlib import Path
from typing import Any, Final

from motioncast.client import MotioncastError, Service, connect
from motioncast.client.video import read_video
from motioncast.wire.images import Pixels

PAUSE_SECONDS: Final = 1.0  # between two sessions
SESSION_FRAMES: Final = 100


async def load(target: str, clip: Path | None, rate: float) -> None:
    """Streams a clip over and over, as frames and as keypoints, half of it forecast.

    Args:
        target: Where sessions can be had.
        clip: The video; None for the bundled interview.
        rate: Frames a second of each session.
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
    """Streams one session of frames, and one of the keypoints that came back."""
    some = [frame for frame, _ in zip(cycle(frames), range(SESSION_FRAMES), strict=False)]
    results = [one async for one in service.stream(paced(some, rate), observed=5, predicted=5)]
    keypoints = paced([one.keypoints for one in results], rate)
    sent = service.stream_keypoints(keypoints, source=some[0], observed=1, predicted=1)
    async for _ in sent:
        pass


async def paced(values: Sequence[Any], rate: float) -> AsyncGenerator[Any, None]:
    """Yields so many values a second."""
    for value in values:
        yield value
        await asyncio.sleep(1 / rate)
