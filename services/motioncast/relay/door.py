"""Checks what the sender and the watchers of a room send, before it is forwarded."""

from __future__ import annotations

import math
import re
from typing import Final

from motioncast.codec import BitstreamError, parse_header
from motioncast.codec.packet import MAX_SKIPPED, unwrap
from motioncast.relay.room import Room
from motioncast.relay.settings import MAX_SOURCE_BYTES
from motioncast.relay.watcher import Packet
from motioncast.sources import MAX_SOURCES
from motioncast.timeline.due import MAX_GAP_FRAMES
from motioncast.timeline.pattern import MAX_GROUP_FRAMES
from motioncast.v1 import motion_transfer_pb2
from motioncast.v1.common_pb2 import CodedKeypoints
from motioncast.v1.motion_transfer_pb2 import SourceImage
from motioncast.v1.relay_pb2 import JoinRoom, PublishRequest, RoomEnd, RoomOpening, WatchRequest
from motioncast.wire.errors import InvalidInputError, OutOfOrderError
from motioncast.wire.framing import decode_crop
from motioncast.wire.images import RGB8, effective_encoding
from motioncast.wire.limits import check_range
from motioncast.wire.source_keypoints import read_source_keypoints

MAX_FRAME_COUNT: Final = 1 << 24
_MODEL: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


def read_opening(request: PublishRequest | None) -> RoomOpening:
    """Returns the first message of a sender, checked.

    Raises:
        OutOfOrderError: Another message came first, or none.
        InvalidInputError: A field is out of range.
    """
    if request is None or not request.HasField("opening"):
        raise OutOfOrderError("opening: must be the first message", field="opening")
    opening = request.opening
    if not _MODEL.fullmatch(opening.model):
        raise InvalidInputError.of("opening.model", "is not 1 to 64 letters, digits, _ and -")
    if not _SHA256.fullmatch(opening.codec_tables):
        raise InvalidInputError.of("opening.codec_tables", "is not 64 hexadecimal digits")
    if opening.predictor and not _SHA256.fullmatch(opening.predictor):
        raise InvalidInputError.of("opening.predictor", "is not 64 hexadecimal digits")
    for field, low, high in (
        ("height", 1, 4096),
        ("width", 1, 4096),
        ("keypoints", 1, 1024),
        ("observed_frames", 1, MAX_GROUP_FRAMES),
        ("predicted_frames", 0, MAX_GROUP_FRAMES),
        ("frame_count", 0, MAX_FRAME_COUNT),
    ):
        check_range(f"opening.{field}", getattr(opening, field), low, high)
    check_range("opening.anchored_keypoints", opening.anchored_keypoints, 0, opening.keypoints)
    if not 0 < opening.frame_rate <= 240:
        raise InvalidInputError.of(
            "opening.frame_rate", f"{opening.frame_rate:g} is out of range (0, 240]"
        )
    if opening.mode not in motion_transfer_pb2.TransferMode.values():
        raise InvalidInputError.of("opening.mode", f"{opening.mode} is not a known mode")
    if opening.relative_motion and opening.mode != motion_transfer_pb2.TRANSFER_MODE_TRANSFER:
        raise InvalidInputError.of("opening.relative_motion", "only supported in transfer mode")
    weights = opening.source_weights
    if len(weights) not in (0, opening.keypoints):
        raise InvalidInputError.of(
            "opening.source_weights", f"{len(weights)} weights for {opening.keypoints} keypoints"
        )
    if not all(math.isfinite(one) and one >= 0 for one in weights) or (
        len(weights) and not any(weights)
    ):
        raise InvalidInputError.of(
            "opening.source_weights", "must be finite, at least 0, and not all 0"
        )
    return opening


def checked_source(source: SourceImage, room: Room) -> SourceImage:
    """Returns a source after checking it; none of its pixels are decoded.

    Raises:
        InvalidInputError: Its index, image or keypoints are invalid.
    """
    check_range("source.index", source.index, 0, MAX_SOURCES - 1)
    if not room.sources and source.index != 0:
        raise InvalidInputError.of(
            "source.index", f"{source.index}, but the first source must have index 0"
        )
    image, opening = source.image, room.opening
    check_range("source.image.data", len(image.data), 1, MAX_SOURCE_BYTES)
    size = (opening.height, opening.width)
    if effective_encoding(image.encoding, "source.image.encoding") == RGB8:
        given, expected = len(image.data), 3 * size[0] * size[1]
        if (image.height, image.width) != size or given != expected:
            raise InvalidInputError.of(
                "source.image",
                f"{image.width} x {image.height} in {given} bytes,"
                f" expected {size[1]} x {size[0]} in {expected}",
            )
    elif (image.height or size[0], image.width or size[1]) != size:
        raise InvalidInputError.of(
            "source.image", f"is not of the opening's size, {size[1]} x {size[0]}"
        )
    if read_source_keypoints(source, opening.keypoints) is None:
        raise InvalidInputError.of("source.keypoints", "missing")
    return source


def checked_packet(message: CodedKeypoints, room: Room) -> tuple[Packet, int]:
    """Returns a packet, and the number of frames in it; only its header is read.

    Raises:
        InvalidInputError: Its header is invalid, it refers to an unknown source, or lies beyond the
            end.
        OutOfOrderError: No source came before it, or its index goes back.
    """
    if not room.sources:
        raise OutOfOrderError("packet: was sent before the source", field="packet")
    try:
        header = parse_header(message.data)
        index = unwrap(header.index, room.next_index)
    except BitstreamError as error:
        raise InvalidInputError.of("packet.data", str(error)) from error
    if index < room.next_index:
        raise OutOfOrderError(
            f"packet: index {index} goes back, expected {room.next_index} or later", field="packet"
        )
    if room.opening.frame_count and index + header.frames > room.opening.frame_count:
        raise InvalidInputError.of(
            "packet", f"index {index} is past the end, frame_count is {room.opening.frame_count}"
        )
    if header.source is not None and header.source not in room.sources:
        raise InvalidInputError.of(
            "packet", f"refers to source {header.source}, which was not sent"
        )
    if message.HasField("crop"):
        decode_crop(message.crop, "packet.crop")
    reference = None if header.source is not None else index - header.distance
    return Packet(message, index, reference), header.frames


def checked_end(end: RoomEnd, room: Room) -> int:
    """Returns the length of the timeline in frames; 0 when unknown.

    Raises:
        InvalidInputError: It is not possible.
    """
    check_range("end.skipped_frames", end.skipped_frames, 0, MAX_SKIPPED)
    declared = room.opening.frame_count
    if not end.frame_count:
        return declared
    if declared and end.frame_count != declared:
        raise InvalidInputError.of(
            "end.frame_count", f"{end.frame_count}, but the opening declared {declared}"
        )
    if not declared:
        low, high = room.next_index, room.next_index + MAX_GAP_FRAMES
        check_range("end.frame_count", end.frame_count, low, high)
    return end.frame_count


def read_join(request: WatchRequest | None) -> JoinRoom:
    """Returns the first message of a watcher, checked.

    Raises:
        OutOfOrderError: Another message came first, or none.
        InvalidInputError: The name or the token is malformed.
    """
    if request is None or not request.HasField("join"):
        raise OutOfOrderError("join: must be the first message", field="join")
    for field in ("name", "watch_token"):
        if not _SECRET.fullmatch(getattr(request.join, field)):
            raise InvalidInputError.of(f"join.{field}", "is not 1 to 64 letters, digits, _ and -")
    return request.join
