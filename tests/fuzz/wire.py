"""Fuzzes messages on the wire: both ends must understand them or refuse them properly.

The first byte selects the kind: a client's messages in a session or a room, whose elements are
counted before parsing as the server does; a server's answers, read as by the client; a status.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import numpy as np
from fuzz.bitstream import TABLES, honest_stream
from fuzz.bitstream import packets as packets_of
from fuzz.fuzzing import Target
from google.protobuf.message import DecodeError
from google.rpc import status_pb2

from motioncast.client.decode import decode_server_info
from motioncast.client.errors import MotioncastError, from_domain
from motioncast.client.frames_session import FramesSession
from motioncast.client.two_ends import decode_opening
from motioncast.orchestrator.coding import SessionCoding
from motioncast.orchestrator.configuration import ServedModels, decode_config
from motioncast.orchestrator.door import read_arrivals, read_config, read_nothing, read_source
from motioncast.orchestrator.framing import SessionFraming
from motioncast.relay import RelaySettings
from motioncast.relay.door import (
    checked_end,
    checked_packet,
    checked_source,
    read_join,
    read_opening,
)
from motioncast.relay.rooms import Rooms
from motioncast.serving.elements import check_elements, request_fields
from motioncast.v1 import common_pb2, motion_transfer_pb2, relay_pb2
from motioncast.v1.common_pb2 import Image, ModelInfo
from motioncast.v1.motion_transfer_pb2 import (
    DrivingFrame,
    GetServerInfoResponse,
    KeypointPacket,
    ResultFrame,
    SourceImage,
    StreamConfig,
    StreamEnd,
    StreamReport,
    StreamRequest,
    StreamResponse,
)
from motioncast.v1.relay_pb2 import JoinRoom, PublishRequest, RoomOpening, WatchRequest
from motioncast.wire.errors import DomainError, InvalidInputError
from motioncast.wire.images import encode_image
from motioncast.wire.keypoints import encode_keypoints
from motioncast.wire.status import decode_error, encode_error

SIZE, COUNT = 16, 2
MODEL: Final = ModelInfo(name="toy", height=SIZE, width=SIZE, keypoints=COUNT)
SERVED: Final = ServedModels((MODEL,), "toy")
PICTURE: Final = np.arange(SIZE * SIZE * 3, dtype=np.uint8).reshape(SIZE, SIZE, 3)
POINTS: Final = encode_keypoints(np.full((COUNT, 3), 0.25, np.float32))
REFUSALS: Final = (DomainError, MotioncastError, DecodeError)  # gRPC raises the last one
_LOOP: Final = asyncio.new_event_loop()


def attack(data: bytes) -> bool:
    """Reads messages; returns whether they were accepted."""
    kind, rest = data[:1], data[1:]
    try:
        if kind == b"p":
            publish(rest)
        elif kind == b"w":
            checked("RelayService", "Watch", rest)
            read_join(WatchRequest.FromString(rest))
        elif kind == b"a":
            answers(rest)
        elif kind == b"i":
            decode_server_info(GetServerInfoResponse.FromString(rest))
        elif kind == b"e":
            error = decode_error(status_pb2.Status.FromString(rest))
            assert error is None or str(from_domain(error)) == str(error)
        else:
            _LOOP.run_until_complete(session(rest))
    except REFUSALS:
        return False
    return True


def parts(data: bytes) -> list[bytes]:
    """Returns the messages of an input: two length bytes, then as many bytes."""
    found: list[bytes] = []
    place = 0
    while place + 2 <= len(data) and len(found) < 8:
        end = place + 2 + int.from_bytes(data[place : place + 2], "big")
        found.append(data[place + 2 : end])
        place = end
    return found


def checked(service: str, method: str, data: bytes) -> None:
    """Counts a message's elements, as the server does before parsing it."""
    fields = request_fields(f"motioncast.v1.{service}", method)
    assert fields is not None
    check_elements(data, fields)


async def session(data: bytes) -> None:
    """Reads a session's messages as the orchestrator does, before any model runs."""

    async def requests() -> AsyncIterator[StreamRequest]:
        for part in parts(data):
            checked("MotionTransferService", "Stream", part)
            yield StreamRequest.FromString(part)

    async def no_faces(picture: Any) -> list[Any]:
        return []

    arriving = requests()
    config = decode_config((await read_config(arriving)).config, SERVED)
    framing, coding = SessionFraming(config, no_faces, lambda milliseconds: None), SessionCoding()
    await read_source(arriving, config.model, framing, coding)
    async for request in arriving:
        if request.WhichOneof("message") == "end":
            await read_nothing(arriving)
            return
        await read_arrivals(request, config.model, framing, coding)


def publish(data: bytes) -> None:
    """Reads a room's messages as the relay does."""
    opening, *others = parts(data) or [b""]
    checked("RelayService", "Publish", opening)
    message = read_opening(PublishRequest.FromString(opening))
    decode_opening(message)
    with Rooms(RelaySettings()).open(message, "peer") as room:
        for part in others:
            checked("RelayService", "Publish", part)
            request = PublishRequest.FromString(part)
            match request.WhichOneof("message"):
                case "packet":
                    room.pass_on(*checked_packet(request.packet, room))
                case "source":
                    room.add_source(checked_source(request.source, room))
                case "end":
                    room.end(checked_end(request.end, room))
                    return


def answers(data: bytes) -> None:
    """Reads a session's answers as the client does."""
    client = FramesSession([], None, "rgb8", {})
    for part in parts(data):
        frame = client.receive(StreamResponse.FromString(part))
        assert frame is None or frame.image.shape == (
            client.config.height,
            client.config.width,
            3,
        )


def joined(*messages: Any) -> bytes:
    """Returns messages as `parts` reads them."""
    texts = [message.SerializeToString() for message in messages]
    return b"".join(len(text).to_bytes(2, "big") + text for text in texts)


def seeds() -> list[bytes]:
    """Returns valid messages of every kind."""
    request, response, opening = StreamRequest, StreamResponse, room_opening()
    config = StreamConfig(observed_frames=2, predicted_frames=1, frame_count=9, seed=3)
    source = request(source=SourceImage(image=encode_image(PICTURE), keypoints=POINTS))
    packet = request(keypoints=KeypointPacket(index=1, keypoints=POINTS))
    found = [
        b"s" + joined(request(config=StreamConfig()), source, packet, request(end=StreamEnd())),
        b"s" + joined(request(config=config), source, packet),
        b"s" + joined(request(config=StreamConfig(frame=common_pb2.FRAMING_MODE_AUTO)), source),
        b"p" + joined(PublishRequest(opening=opening)),
        b"w" + WatchRequest(join=JoinRoom(name="room", watch_token="token")).SerializeToString(),
        b"i" + GetServerInfoResponse(models=[MODEL], max_sessions=3).SerializeToString(),
        b"e"
        + encode_error(
            InvalidInputError("config: no", field="config", retry_after_seconds=2.5)
        ).SerializeToString(),
    ]
    for number in range(2, 6):  # every image encoding
        image = Image(encoding=number, data=encode_image(PICTURE, number).data)  # type: ignore[arg-type]
        frame = request(frame=DrivingFrame(index=0, image=image))
        found.append(b"s" + joined(request(config=StreamConfig()), source, frame))
    echoed = StreamConfig(height=SIZE, width=SIZE, keypoints=COUNT, frame_rate=25)
    echoed.mode = motion_transfer_pb2.TRANSFER_MODE_RECONSTRUCTION
    echoed.observed_frames, echoed.output_encoding = 1, common_pb2.IMAGE_ENCODING_RGB8
    made = ResultFrame(
        origin=common_pb2.FRAME_ORIGIN_OBSERVED, image=encode_image(PICTURE), keypoints=POINTS
    )
    answer = joined(response(config=echoed), response(frame=made), response(report=StreamReport()))
    published = SourceImage(image=encode_image(PICTURE), keypoints=POINTS)
    sent = [PublishRequest(opening=opening), PublishRequest(source=published)]
    packets = packets_of(honest_stream(TABLES, 0))
    sent += [PublishRequest(packet=common_pb2.CodedKeypoints(data=one)) for one in packets]
    sent += [PublishRequest(end=relay_pb2.RoomEnd())]
    return [*found, b"a" + answer, b"p" + joined(*sent)]


def room_opening() -> RoomOpening:
    """Returns a room's opening message."""
    return RoomOpening(
        model="toy",
        codec_tables="0" * 64,
        height=SIZE,
        width=SIZE,
        keypoints=COUNT,
        frame_rate=25,
        observed_frames=1,
        mode=motion_transfer_pb2.TRANSFER_MODE_RECONSTRUCTION,
        source_weights=[1.0, 0.5],
    )


TARGET: Final = Target(attack, seeds)
