"""A room played in real time: two ends, a relay between them, and only the newest frame shown."""

from __future__ import annotations

import asyncio
import time

import numpy as np
from support.toy_models import image_with_points

from motioncast.client import ReceiverModels, connect_sync
from motioncast.client.live import LiveReceiver, live_frames
from motioncast.client.two_ends import Opening, ReceivedFrame

IMAGE = image_with_points((3, 4), (9, 7))
AT_SOURCE = np.array([[0.25, -0.5, 0.5], [-0.125, 0.75, 0.25]], np.float32)
RATE = 200.0
FRAMES = 40


async def test_frames_come_by_the_clock_and_the_last_one_is_the_video_s(
    target: str, models: ReceiverModels
) -> None:
    def watched() -> tuple[list[ReceivedFrame], float]:
        with connect_sync(target) as service:
            model = service.server_info().models[0]
            opening = Opening.of(model, frame_rate=RATE, frame_count=FRAMES)
            with service.publish(opening, service.codec_tables()) as published:
                published.set_source(0, IMAGE, AT_SOURCE)
                with service.watch(published.room, published.token) as watching:
                    receiver = LiveReceiver(watching.opening, models, delay_frames=2)
                    for index in range(FRAMES):
                        published.push(index, AT_SOURCE)
                    published.end()
                    began = time.monotonic()
                    frames = list(live_frames(watching, receiver))
                    return frames, time.monotonic() - began

    frames, seconds = await asyncio.to_thread(watched)
    indices = [frame.index for frame in frames]
    assert indices == sorted(set(indices))
    assert indices[-1] == FRAMES - 1
    assert seconds >= FRAMES / RATE * 0.9  # all were sent at once, but shown on time
