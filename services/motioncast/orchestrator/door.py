"""Checks what a client sends, and in which order, before a session works on it.

StreamRequest: config, then source 0, then frames, keypoint packets and sources in any mix; the end
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from motioncast.codec.packet import MAX_SKIPPED
from motioncast.orchestrator.accounting import Kind, Received
from motioncast.orchestrator.coding import SessionCoding
from motioncast.orchestrator.framing import SessionFraming
from motioncast.orchestrator.sources import check_index
from motioncast.orchestrator.stretch import Arrived
from motioncast.v1.common_pb2 import KeypointSet, ModelInfo
from motioncast.v1.motion_transfer_pb2 import SourceImage, StreamRequest
from motioncast.wire.errors import InvalidInputError, OutOfOrderError
from motioncast.wire.keypoints import decode_keypoints, encode_keypoints
from motioncast.wire.limits import check_range
from motioncast.wire.source_keypoints import read_source_keypoints

_FLOATS_BYTES: Final = 12  # per keypoint: x, y, intensity

# field of StreamRequest: its name in error messages, the kind its bytes count as
_MESSAGES: Final[dict[str, tuple[str, Kind]]] = {
    "config": ("the configuration", "config"),
    "source": ("the source image", "source"),
    "frame": ("a frame", "frames"),
    "keypoints": ("a keypoint packet", "keypoints"),
    "coded": ("a coded packet", "keypoints"),
    "end": ("the end", "config"),
}


async def read_config(requests: AsyncIterator[StreamRequest]) -> StreamRequest:
    """Returns the first message, a configuration; raises OutOfOrderError when it is another one."""
    request = await anext(requests, None)
    if request is None:
        raise OutOfOrderError("config: the stream ended before the configuration", field="config")
    if (kind := _kind(request)) != "config":
        raise _out_of_order(kind, "was sent before the configuration")
    return request


async def read_source(
    requests: AsyncIterator[StreamRequest],
    model: ModelInfo,
    framing: SessionFraming,
    coding: SessionCoding,
    *,
    first: bool = True,
) -> tuple[SourceImage, StreamRequest]:
    """Returns the next message's source as raw RGB, and the message as it was received.

    Raises:
        OutOfOrderError: Another message came, or none.
        InvalidInputError: As for `checked_source`.
    """
    request = await anext(requests, None)
    if request is None:
        raise OutOfOrderError("source: the stream ended before the source image", field="source")
    if (kind := _kind(request)) == "config":
        raise _out_of_order(kind, "was sent twice")
    if kind != "source":
        raise _out_of_order(kind, "was sent before the source image")
    checked = await checked_source(request.source, model, framing, coding, first=first)
    return checked, request


async def checked_source(
    source: SourceImage,
    model: ModelInfo,
    framing: SessionFraming,
    coding: SessionCoding,
    *,
    first: bool,
) -> SourceImage:
    """Returns a source with its image as raw RGB of the model's size.

    Raises:
        InvalidInputError: The index is not allowed, the image cannot be read, or the keypoints do
            not fit the model or are missing where keypoints are coded.
    """
    check_index(source.index, first=first)
    image = await framing.source(source.image, first=first, field="source.image")
    checked = SourceImage(image=image, index=source.index)
    keypoints = read_source_keypoints(source, model.keypoints)
    if keypoints is not None:
        checked.keypoints.CopyFrom(encode_keypoints(keypoints))
    coding.source(checked)
    return checked


async def read_arrivals(
    request: StreamRequest, model: ModelInfo, framing: SessionFraming, coding: SessionCoding
) -> tuple[list[Arrived], Received]:
    """Returns the frames of a message, each with its index, and how the message is counted.

    The content of a driving frame is an image of the model's size; that of a packet is keypoints.

    Raises:
        OutOfOrderError: The message is neither, or is of a kind that the session agreed not to
            send.
        InvalidInputError: The image cannot be read, the keypoints do not fit the model, or the
            packet cannot be decoded.
    """
    kind = _kind(request)
    coding.check(kind)
    size = request.ByteSize()
    if kind == "frame":
        image = await framing.frame(request.frame)
        return [Arrived(request.frame.index, image)], Received("frames", size)
    if kind == "keypoints":
        keypoints: KeypointSet = request.keypoints.keypoints
        decode_keypoints(keypoints, model.keypoints, "keypoints.keypoints")
        framing.note(request.keypoints, request.keypoints.index, "keypoints.crop")
        received = Received("keypoints", size, 1, _FLOATS_BYTES * model.keypoints)
        index, skipped = request.keypoints.index, request.keypoints.skipped_frames
        check_range("keypoints.skipped_frames", skipped, 0, min(MAX_SKIPPED, index))
        return [Arrived(index, keypoints, skipped)], received
    if kind == "coded":
        frames = coding.frames(request.coded)
        framing.note(request.coded, frames[0].index, "coded.crop")
        return frames, Received("keypoints", size, len(frames), len(request.coded.data))
    raise _out_of_order(kind, "was sent twice")


async def read_nothing(requests: AsyncIterator[StreamRequest]) -> None:
    """Reads past the end of the stream; raises OutOfOrderError when a message follows."""
    request = await anext(requests, None)
    if request is not None:
        raise _out_of_order(_kind(request), "was sent after the end")


def _kind(request: StreamRequest) -> str:
    kind = request.WhichOneof("message")
    if kind is None:
        raise InvalidInputError.of(
            "message", "contains none of config, source, frame, keypoints, coded and end"
        )
    return kind


def _out_of_order(kind: str, problem: str) -> OutOfOrderError:
    return OutOfOrderError(f"{kind}: {_MESSAGES[kind][0]} {problem}", field=kind)
