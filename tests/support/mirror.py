"""A stand-in for the orchestrator that needs no models: it sends every frame straight back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from motioncast.serving import Context
from motioncast.v1.common_pb2 import FRAME_ORIGIN_OBSERVED, KeypointSet
from motioncast.v1.motion_transfer_pb2 import (
    ResultFrame,
    StreamConfig,
    StreamReport,
    StreamRequest,
    StreamResponse,
)

MIDDLE = KeypointSet(x=[0.0], y=[0.0], intensity=[0.5])  # K = 1


async def mirror(
    requests: AsyncIterator[StreamRequest], context: Context
) -> AsyncIterator[StreamResponse]:
    """Returns every driving frame unchanged, then reports their number."""
    config, count = StreamConfig(), 0
    async for request in requests:
        match request.WhichOneof("message"):
            case "config":
                config = request.config
            case "source":
                image = request.source.image
                config.height, config.width, config.keypoints = image.height, image.width, 1
                yield StreamResponse(config=config)
            case "frame":
                count += 1
                yield StreamResponse(
                    frame=ResultFrame(
                        index=request.frame.index,
                        origin=FRAME_ORIGIN_OBSERVED,
                        image=request.frame.image,
                        keypoints=MIDDLE,
                    )
                )
    yield StreamResponse(report=StreamReport(observed_frames=count))


class Held:
    """A stream that answers frame 0 of every session and then blocks until it is cancelled.

    Attributes:
        entered: Set once a session blocks.
        left: Set once a blocked session has ended.
    """

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.left = asyncio.Event()

    async def stream(
        self, requests: AsyncIterator[StreamRequest], context: Context
    ) -> AsyncIterator[StreamResponse]:
        async for response in mirror(requests, context):
            yield response
            if response.HasField("frame"):
                break
        try:
            self.entered.set()
            await asyncio.Event().wait()
        finally:
            self.left.set()
