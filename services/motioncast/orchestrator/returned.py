"""How a session's frames are returned: as separate pictures, or as one H.264 stream.

The stream's encoder lives as long as the session and buffers a few pictures of the model's size. A
resumed session has a new encoder, which begins with a key picture.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from motioncast.media.h264 import H264Encoder
from motioncast.orchestrator.configuration import SessionConfig
from motioncast.v1.common_pb2 import Image
from motioncast.v1.motion_transfer_pb2 import AccessUnit, ResultFrame
from motioncast.wire.images import H264, decode_image


class ReturnedVideo:
    """Encodes the results of a session for the client.

    Args:
        config: The session's configuration.
    """

    def __init__(self, config: SessionConfig) -> None:
        self._height, self._width = config.model.height, config.model.width
        self._encoder: H264Encoder | None = None
        if config.output_encoding == H264:
            self._encoder = H264Encoder(
                self._height, self._width, config.output_crf, config.frame_rate
            )

    async def units(self, images: Sequence[Image]) -> Sequence[AccessUnit | None]:
        """Returns the next access units of the stream, in order; None for separate pictures."""
        encoder = self._encoder
        if encoder is None:
            return [None] * len(images)
        return await asyncio.to_thread(lambda: [self._unit(encoder, image) for image in images])

    def _unit(self, encoder: H264Encoder, image: Image) -> AccessUnit:
        unit = encoder.encode(decode_image(image, self._height, self._width))
        return AccessUnit(data=unit.data, key=unit.key)


def leave_pictures(frame: ResultFrame) -> None:
    """Removes the fields of a frame that a client with `pictures_only` does not need."""
    for field in ("keypoints", "half_width90", "timings"):
        frame.ClearField(field)
