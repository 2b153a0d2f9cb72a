"""A receiver's end of a room over gRPC, for code that blocks."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any, Final, Self

import grpc

from motioncast.client.errors import InvalidRequestError, ServerError, from_rpc
from motioncast.client.publication import ALIVE_SECONDS
from motioncast.client.receiver import PacketReceiver, Receiver
from motioncast.client.rendering import ReceiverModels
from motioncast.client.two_ends import (
    Ending,
    Opening,
    ReceivedFrame,
    TwoEndsTraffic,
    decode_opening,
)
from motioncast.sending import Acknowledgement
from motioncast.v1 import relay_pb2
from motioncast.v1.relay_pb2 import (
    FramesAcknowledged,
    JoinRoom,
    WatchRequest,
    WatchResponse,
)
from motioncast.v1.relay_pb2_grpc import RelayServiceStub
from motioncast.wire.errors import InvalidInputError
from motioncast.wire.framing import decode_crop
from motioncast.wire.images import decode_image
from motioncast.wire.source_keypoints import read_source_keypoints

# Between two acknowledgements; after a second gRPC would send a PING, which is as large.
ACKNOWLEDGE_SECONDS: Final = 0.8
_URGENT_SECONDS: Final = 0.1  # the same, if the sender or the server is waiting for one
_UNACKNOWLEDGED: Final = 8  # packets that the server sends before it waits, if it does not say
_PARTS: Final = {"watched": "config", "source": "source", "packet": "keypoints", "end": "config"}


class SyncWatching:
    """A room that is watched from entering the block to leaving it; created by `watch`.

    Attributes:
        opening: The sender's description of the video.
        next_index: Index of the next frame to be sent when this watcher joined; 0 at the start.
        ending: Why the video is over; None while it is not.
        traffic: Bytes received, and acknowledgements sent.
    """

    def __init__(self, stub: RelayServiceStub, target: str, room: str, token: str) -> None:
        self._stub = stub
        self._target = target
        self._join = WatchRequest(join=JoinRoom(name=room, watch_token=token))
        self._acknowledgement = relay_pb2.Acknowledgement()
        self._unacknowledged = 0  # packets since the last acknowledgement
        self._limit = _UNACKNOWLEDGED
        self._news = threading.Event()
        self._over = threading.Event()
        self._call: Any = None
        self._opening: Opening | None = None
        self._left = False
        self.next_index = 0
        self.ending: Ending | None = None
        self.traffic = TwoEndsTraffic()

    def __enter__(self) -> Self:
        """Joins the room.

        Raises:
            UnknownRoomError: There is no such room, or the token is wrong.
            MotioncastError: As every call does.
        """
        self._call = self._stub.Watch(self._messages())
        first = self._next()
        if first is None or not first.HasField("watched"):
            self.close()
            raise ServerError(f"{self._target}: the server did not describe the room")
        self._opening = decode_opening(first.watched.opening)
        self.next_index = first.watched.next_index
        self._limit = first.watched.max_unacknowledged_packets or _UNACKNOWLEDGED
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def opening(self) -> Opening:
        """The sender's description of the video; RuntimeError before the block is entered."""
        if self._opening is None:
            raise RuntimeError("the room has not been entered")
        return self._opening

    def frames(self, models: ReceiverModels) -> Iterator[ReceivedFrame]:
        """Renders and yields the room's frames to its end; `ending` then says why.

        Args:
            models: Models of the configuration that the opening names.

        Raises:
            InvalidRequestError: The models differ from the sender's.
            MotioncastError: As every call does; ServerError for malformed messages.
        """
        receiver = Receiver(self.opening, models, self.next_index)
        yield from self.frames_by(receiver)

    def frames_by(self, receiver: PacketReceiver) -> Iterator[ReceivedFrame]:
        """Yields the frames that a receiver makes of the messages; otherwise as `frames`."""
        while (response := self._next()) is not None:
            if response.HasField("end"):
                ended = response.end.reason == relay_pb2.ROOM_END_REASON_ENDED
                self.ending = Ending.ENDED if ended else Ending.LOST
                if ended:
                    count, skipped = response.end.frame_count, response.end.skipped_frames
                    yield from receiver.end(count or None, skipped)
                return
            yield from self._taken(response, receiver)
            self.acknowledge(receiver.acknowledgement())

    def acknowledge(self, acknowledgement: Acknowledgement) -> None:
        """Tells the sender what has arrived, within a second.

        Sooner if it is the first frame, an anchor is needed, or the server may send only half as
        many packets again.
        """
        told = relay_pb2.Acknowledgement(stuck=acknowledgement.stuck)
        if acknowledgement.newest >= 0:
            frames = FramesAcknowledged(
                newest=acknowledgement.newest, before=acknowledgement.before
            )
            told.frames.CopyFrom(frames)
        before, self._acknowledgement = self._acknowledgement, told
        first = told.HasField("frames") and not before.HasField("frames")
        if first or told.stuck != before.stuck or 2 * self._unacknowledged >= self._limit:
            self._news.set()

    def close(self) -> None:
        """Leaves the room, from any thread."""
        self._left = True
        self._over.set()
        self._news.set()
        if self._call is not None:
            self._call.cancel()

    def _taken(self, response: WatchResponse, receiver: PacketReceiver) -> Iterator[ReceivedFrame]:
        opening = self.opening
        try:
            if response.HasField("source"):
                source = response.source
                image = decode_image(source.image, opening.height, opening.width, "source.image")
                at = read_source_keypoints(source, opening.keypoints)
                if at is None:
                    raise InvalidInputError.of("source.keypoints", "missing")
                return receiver.add_source(source.index, image, at)
            packet = response.packet
            self.traffic.payload += len(packet.data)
            self.traffic.packets += 1
            self._unacknowledged += 1
            crop = decode_crop(packet.crop) if packet.HasField("crop") else None
            return receiver.receive(packet.data, crop)
        except (InvalidInputError, InvalidRequestError) as error:
            raise ServerError(f"a message from the room cannot be read: {error}") from error

    def _messages(self) -> Iterator[WatchRequest]:
        """Yields the messages to send, for gRPC's thread."""
        request = self._join
        self.traffic.count("config", request.ByteSize())
        yield request
        said, at = self._acknowledgement, time.monotonic()
        while not self._over.wait(_URGENT_SECONDS):
            self._news.wait(ACKNOWLEDGE_SECONDS - _URGENT_SECONDS)
            self._news.clear()
            if self._over.is_set():
                return
            if self._acknowledgement == said and time.monotonic() - at < ALIVE_SECONDS:
                continue
            said, at = self._acknowledgement, time.monotonic()
            self._unacknowledged = 0
            request = WatchRequest(acknowledgement=said)
            self.traffic.count("feedback", request.ByteSize())
            yield request

    def _next(self) -> WatchResponse | None:
        """Returns the next message; None at the end."""
        try:
            response: WatchResponse = next(self._call)
        except StopIteration:
            self._finish()
            return None
        except grpc.RpcError as failure:
            self._finish()
            if self._left:
                return None
            raise from_rpc(failure, self._target, None) from failure
        self.traffic.count(_PARTS[str(response.WhichOneof("message"))], response.ByteSize())
        return response

    def _finish(self) -> None:
        self._over.set()
        self._news.set()
