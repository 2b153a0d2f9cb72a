"""The door of a session: what a client sends, in which order, checked before anything works on it.

StreamRequest: config, then source, then frames and keypoint packets in any mix
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from motioncast.orchestrator.accounting import Kind
from motioncast.orchestrator.stretch import Arrival
from motioncast.v1.common_pb2 import Image, KeypointSet, ModelInfo
from motioncast.v1.motion_transfer_pb2 import SourceImage, StreamRequest
from motioncast.wire.errors import InvalidInputError, OutOfOrderError
from motioncast.wire.images import decode_image, encode_image, takes_codec
from motioncast.wire.keypoints import decode_keypoints

# field of StreamRequest, how sentences name it, what its bytes count as
_MESSAGES: Final[dict[str, tuple[str, Kind]]] = {
    "config": ("the configuration", "config"),
    "source": ("the source image", "source"),
    "frame": ("a frame", "frames"),
    "keypoints": ("a keypoint packet", "keypoints"),
}


async def read_config(requests: AsyncIterator[StreamRequest]) -> StreamRequest:
    """Returns the first message, a configuration; raises OutOfOrderError when it is another."""
    request = await anext(requests, None)
    if request is None:
        raise OutOfOrderError("config: the stream ended before it came", field="config")
    if (kind := _kind(request)) != "config":
        raise _out_of_order(kind, "came before the configuration")
    return request


async def read_source(
    requests: AsyncIterator[StreamRequest], model: ModelInfo
) -> tuple[SourceImage, int]:
    """Returns the second message, its image as raw RGB, and the bytes that were received.

    Raises:
        OutOfOrderError: Another message came, or none.
        InvalidInputError: The image cannot be read, or the keypoints are none of the model's.
    """
    request = await anext(requests, None)
    if request is None:
        raise OutOfOrderError("source: the stream ended before the source image", field="source")
    if (kind := _kind(request)) == "config":
        raise _out_of_order(kind, "came twice")
    if kind != "source":
        raise _out_of_order(kind, "came before the source image")
    source, size = request.source, request.ByteSize()
    checked = SourceImage(image=await _checked_image(source.image, model, "source.image"))
    if source.HasField("keypoints"):
        decode_keypoints(source.keypoints, model.keypoints, "source.keypoints")
        checked.keypoints.CopyFrom(source.keypoints)
    return checked, size


async def read_arrival(request: StreamRequest, model: ModelInfo) -> tuple[int, Arrival, Kind]:
    """Returns the index of a frame or keypoint packet, its content, and what its bytes count as.

    Raises:
        OutOfOrderError: The message is neither.
        InvalidInputError: The image cannot be read, or the keypoints are none of the model's.
    """
    kind = _kind(request)
    if kind == "frame":
        image = await _checked_image(request.frame.image, model, "frame.image")
        return request.frame.index, image, "frames"
    if kind == "keypoints":
        keypoints: KeypointSet = request.keypoints.keypoints
        decode_keypoints(keypoints, model.keypoints, "keypoints.keypoints")
        return request.keypoints.index, keypoints, "keypoints"
    raise _out_of_order(kind, "came twice")


def _kind(request: StreamRequest) -> str:
    kind = request.WhichOneof("message")
    if kind is None:
        raise InvalidInputError.of("message", "has neither config, source, frame nor keypoints")
    return kind


async def _checked_image(image: Image, model: ModelInfo, field: str) -> Image:
    """Returns the image as raw RGB: decoded here, where its sender can be told what is wrong."""
    if not takes_codec(image.encoding):
        decode_image(image, model.height, model.width, field)
        return image
    pixels = await asyncio.to_thread(decode_image, image, model.height, model.width, field)
    return encode_image(pixels)


def _out_of_order(kind: str, problem: str) -> OutOfOrderError:
    return OutOfOrderError(f"{kind}: {_MESSAGES[kind][0]} {problem}", field=kind)
