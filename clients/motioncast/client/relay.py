"""Two ends of a room over gRPC, for code that blocks.

with service.publish(opening, tables) as published:
    print(published.room, published.token)
    published.set_source(0, image, keypoints)
    for index, keypoints in enumerate(track): published.push(index, keypoints)

with service.watch(room, token) as watching:
    models = ReceiverModels.of(repository, watching.opening.model)
    for frame in watching.frames(models): show(frame.image, frame.origin)
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Final, Self

import grpc
import numpy as np

from motioncast.client import sources
from motioncast.client.errors import InvalidRequestError, ServerError, UnavailableError, from_rpc
from motioncast.client.options import ENCODINGS
from motioncast.client.receiver import PacketReceiver, Receiver
from motioncast.client.rendering import ReceiverModels
from motioncast.client.sender import OutgoingPacket, Sender
from motioncast.client.two_ends import (
    Ending,
    Feedback,
    Opening,
    ReceivedFrame,
    TwoEndsTraffic,
    decode_opening,
    encode_opening,
)
from motioncast.client.types import Encoding, Keypoints, Pixels
from motioncast.codec.tables_file import ModelTables
from motioncast.framing import Crop
from motioncast.sending import Acknowledgement, Policy
from motioncast.v1 import relay_pb2
from motioncast.v1.common_pb2 import CodedKeypoints
from motioncast.v1.relay_pb2 import (
    Alive,
    FramesAcknowledged,
    JoinRoom,
    PublishRequest,
    RoomEnd,
    WatchRequest,
    WatchResponse,
)
from motioncast.v1.relay_pb2_grpc import RelayServiceStub
from motioncast.wire.errors import InvalidInputError
from motioncast.wire.framing import decode_crop, encode_crop
from motioncast.wire.images import decode_image
from motioncast.wire.keypoints import decode_keypoints

ALIVE_SECONDS: Final = 2.0  # of silence, before either end says that it is there
ACKNOWLEDGE_SECONDS: Final = 0.1  # from one acknowledgement to the next, at the least
WAITING_MESSAGES: Final = 64  # of a sender, before it waits for the network
_PARTS: Final = {"watched": "config", "source": "source", "packet": "keypoints", "end": "config"}


class SyncPublication:
    """A video that is published from entering the block to leaving it; `publish` makes it.

    Leaving the block without an error says that the video is over. The network has a thread of its
    own; a sender that is faster than it waits.

    Attributes:
        room: Its name; not secret.
        token: The right to watch. Whoever has it sees the video.
        max_watchers: How many may watch at once.
        traffic: Bytes sent, and feedback received.
    """

    def __init__(
        self, stub: RelayServiceStub, target: str, opening: Opening, sender: Sender
    ) -> None:
        self._stub = stub
        self._target = target
        self._opening = opening
        self._sender = sender
        self._requests: queue.Queue[PublishRequest] = queue.Queue(WAITING_MESSAGES)
        self._feedback = Feedback()
        self._failure: Exception | None = None
        self._over = threading.Event()
        self._ended = False
        self._call: Any = None
        self._reader: threading.Thread | None = None
        self.room = ""
        self.token = ""
        self.max_watchers = 0
        self.traffic = TwoEndsTraffic()

    def __enter__(self) -> Self:
        """Opens the room.

        Raises:
            MotioncastError: As every call does.
        """
        self._put(PublishRequest(opening=encode_opening(self._opening)))
        self._call = self._stub.Publish(self._messages())
        try:
            first = next(self._call)
        except grpc.RpcError as failure:
            self._over.set()
            raise from_rpc(failure, self._target, None) from failure
        except StopIteration:
            self._over.set()
            raise ServerError(f"{self._target}: opened no room") from None
        room = first.room
        self.room, self.token, self.max_watchers = room.name, room.watch_token, room.max_watchers
        self._reader = threading.Thread(target=self._read, name="motioncast-publish", daemon=True)
        self._reader.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            try:
                self.end()
            finally:
                self._leave()
        else:
            self._leave()

    @property
    def feedback(self) -> Feedback:
        """What is known of those who watch, by now."""
        return self._feedback

    def set_source(
        self, index: int, image: Pixels, keypoints: Keypoints, encoding: Encoding = "webp"
    ) -> None:
        """Sends a source.

        Args:
            index: 0 to 3; 0 first of all. A second one of an index takes the place of the first.
            image: (H, W, 3) uint8, of the model's size.
            keypoints: (K, 3), of the image.
            encoding: How it is sent; "webp" loses nothing.

        Raises:
            InvalidRequestError: It is none.
            MotioncastError: The room is no more.
        """
        size = self._opening.height, self._opening.width, 3
        if np.shape(image) != size or image.dtype != np.uint8:
            problem = f"shape {np.shape(image)} of {image.dtype}, expected {size} of uint8"
            raise InvalidRequestError.of("image", problem)
        self._send(self._sender.set_source(index, keypoints))
        message = sources.message(index, image, keypoints, ENCODINGS[encoding])
        self._put(PublishRequest(source=message))

    def push(self, index: int, keypoints: Keypoints, crop: Crop | None = None) -> None:
        """Sends a frame, if the pattern has it; arguments and errors as `Sender.push`."""
        wanted = self._feedback.anchor_wanted
        self._send(self._sender.push(index, keypoints, crop, anchor_wanted=wanted))

    def end(self, frame_count: int | None = None) -> None:
        """Says that the video is over, and waits until that has arrived.

        Args:
            frame_count: Of the whole video, where the opening did not say.

        Raises:
            MotioncastError: The room was no more before.
        """
        if self._ended:
            return
        self._ended = True
        self._send(self._sender.flush())
        self._put(PublishRequest(end=RoomEnd(frame_count=frame_count or 0)))
        if self._reader is not None:
            self._reader.join()
        if self._failure is not None:
            raise self._failure

    def _send(self, packets: list[OutgoingPacket]) -> None:
        for packet in packets:
            message = CodedKeypoints(data=packet.data)
            if packet.crop is not None:
                message.crop.CopyFrom(encode_crop(packet.crop))
            self.traffic.payload += len(packet.data)
            self.traffic.packets += 1
            self._put(PublishRequest(packet=message))

    def _put(self, request: PublishRequest) -> None:
        while True:
            if self._over.is_set():
                raise self._failure or UnavailableError(f"{self._target}: the room is no more")
            try:
                self._requests.put(request, timeout=ALIVE_SECONDS)
                return
            except queue.Full:
                continue

    def _messages(self) -> Iterator[PublishRequest]:
        """Yields what is to be sent, for gRPC's thread."""
        while not self._over.is_set():
            try:
                request = self._requests.get(timeout=ALIVE_SECONDS)
            except queue.Empty:
                request = PublishRequest(alive=Alive())
            kind = request.WhichOneof("message")
            part = {"packet": "keypoints", "source": "source"}.get(str(kind), "config")
            self.traffic.count(part, request.ByteSize())
            yield request
            if kind == "end":
                return

    def _read(self) -> None:
        """Reads what is told of those who watch, in a thread, to the end of the call."""
        try:
            for response in self._call:
                self.traffic.count("feedback", response.ByteSize())
                told = response.feedback
                newest = told.acknowledged.newest if told.HasField("acknowledged") else None
                self._feedback = Feedback(told.watchers, newest, told.anchor_wanted)
        except grpc.RpcError as failure:
            self._failure = from_rpc(failure, self._target, None)
        finally:
            self._over.set()

    def _leave(self) -> None:
        self._over.set()
        self._call.cancel()
        if self._reader is not None:
            self._reader.join()


class SyncWatching:
    """A room that is watched from entering the block to leaving it; `watch` makes it.

    Attributes:
        opening: What the sender says of the video.
        next_index: Frames before it were sent before; 0 for one who sees them all.
        ending: Why the video is over; None as long as it is not.
        traffic: Bytes received, and acknowledgements sent.
    """

    def __init__(self, stub: RelayServiceStub, target: str, room: str, token: str) -> None:
        self._stub = stub
        self._target = target
        self._join = WatchRequest(join=JoinRoom(name=room, watch_token=token))
        self._acknowledgement = relay_pb2.Acknowledgement()
        self._news = threading.Event()
        self._over = threading.Event()
        self._call: Any = None
        self._opening: Opening | None = None
        self._left = False
        self.next_index = 0
        self.ending: Ending | None = None
        self.traffic = TwoEndsTraffic()

    def __enter__(self) -> Self:
        """Comes in.

        Raises:
            UnknownRoomError: There is no such room, or its token is another.
            MotioncastError: As every call does.
        """
        self._call = self._stub.Watch(self._messages())
        first = self._next()
        if first is None or not first.HasField("watched"):
            self.close()
            raise ServerError(f"{self._target}: did not say what the room shows")
        self._opening = decode_opening(first.watched.opening)
        self.next_index = first.watched.next_index
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def opening(self) -> Opening:
        """What the sender says of the video; RuntimeError before the block is entered."""
        if self._opening is None:
            raise RuntimeError("the room has not been entered")
        return self._opening

    def frames(self, models: ReceiverModels) -> Iterator[ReceivedFrame]:
        """Yields the frames of the room, made here, to its end; `ending` then says why.

        Args:
            models: Of the configuration that the opening names.

        Raises:
            InvalidRequestError: The models are others than the sender's.
            MotioncastError: As every call does; ServerError for what cannot be understood.
        """
        receiver = Receiver(self.opening, models, self.next_index)
        yield from self.frames_by(receiver)

    def frames_by(self, receiver: PacketReceiver) -> Iterator[ReceivedFrame]:
        """Yields the frames that a receiver makes of what comes; as `frames` otherwise."""
        while (response := self._next()) is not None:
            if response.HasField("end"):
                ended = response.end.reason == relay_pb2.ROOM_END_REASON_ENDED
                self.ending = Ending.ENDED if ended else Ending.LOST
                if ended:
                    yield from receiver.end(response.end.frame_count or None)
                return
            yield from self._taken(response, receiver)
            self.acknowledge(receiver.acknowledgement())

    def acknowledge(self, acknowledgement: Acknowledgement) -> None:
        """Tells the sender what is there; what was told so far is told no more."""
        told = relay_pb2.Acknowledgement(stuck=acknowledgement.stuck)
        if acknowledgement.newest >= 0:
            frames = FramesAcknowledged(
                newest=acknowledgement.newest, before=acknowledgement.before
            )
            told.frames.CopyFrom(frames)
        if told != self._acknowledgement:
            self._acknowledgement = told
            self._news.set()

    def close(self) -> None:
        """Leaves the room, from whichever thread."""
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
                at = decode_keypoints(source.keypoints, opening.keypoints, "source.keypoints")
                return receiver.add_source(source.index, image, at)
            packet = response.packet
            self.traffic.payload += len(packet.data)
            self.traffic.packets += 1
            crop = decode_crop(packet.crop) if packet.HasField("crop") else None
            return receiver.receive(packet.data, crop)
        except (InvalidInputError, InvalidRequestError) as error:
            raise ServerError(f"what came from the room cannot be read: {error}") from error

    def _messages(self) -> Iterator[WatchRequest]:
        """Yields what is to be sent, for gRPC's thread."""
        request = self._join
        self.traffic.count("config", request.ByteSize())
        yield request
        while not self._over.wait(ACKNOWLEDGE_SECONDS):
            self._news.wait(ALIVE_SECONDS)
            self._news.clear()
            if self._over.is_set():
                return
            request = WatchRequest(acknowledgement=self._acknowledgement)
            self.traffic.count("feedback", request.ByteSize())
            yield request

    def _next(self) -> WatchResponse | None:
        """Returns the next message; None when there is none."""
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


class SyncRelay:
    """The calls of a relay at a target."""

    def __init__(self, stub: RelayServiceStub, target: str) -> None:
        self._stub = stub
        self._target = target

    def publish(
        self,
        opening: Opening,
        tables: ModelTables,
        policy: Policy | None,
        wait_frames: int,
        coarseness: int,
    ) -> SyncPublication:
        """Returns a room to be opened; see `SyncService.publish`."""
        sender = Sender(
            opening, tables, policy=policy, wait_frames=wait_frames, coarseness=coarseness
        )
        return SyncPublication(self._stub, self._target, opening, sender)

    def watch(self, room: str, token: str) -> SyncWatching:
        """Returns a room to be entered; see `SyncService.watch`."""
        return SyncWatching(self._stub, self._target, room, token)
