"""The sender's end of a room over gRPC, for code that blocks."""

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
from motioncast.client.sender import OutgoingPacket, Sender
from motioncast.client.two_ends import (
    Feedback,
    Opening,
    TwoEndsTraffic,
    encode_opening,
)
from motioncast.client.types import Encoding, Keypoints, Pixels
from motioncast.framing import Crop
from motioncast.v1.common_pb2 import CodedKeypoints
from motioncast.v1.relay_pb2 import (
    Alive,
    PublishRequest,
    RoomEnd,
)
from motioncast.v1.relay_pb2_grpc import RelayServiceStub
from motioncast.wire.framing import encode_crop

ALIVE_SECONDS: Final = 2.0  # of silence, before either end says that it is there
WAITING_MESSAGES: Final = 64  # of a sender, before it waits for the network


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
        self,
        index: int,
        image: Pixels,
        keypoints: Keypoints,
        encoding: Encoding = "webp",
        quality: int | None = None,
    ) -> int:
        """Sends a source; returns the bytes of its message.

        Args:
            index: 0 to 3; 0 first of all. A second one of an index takes the place of the first.
            image: (H, W, 3) uint8, of the model's size.
            keypoints: (K, 3), of the image.
            encoding: How it is sent; "webp" loses nothing.
            quality: Of "jpeg" and "avif", 1 to 100; None for the usual one, 95 and 70.

        Raises:
            InvalidRequestError: It is none.
            MotioncastError: The room is no more.
        """
        if quality is not None and not 1 <= quality <= 100:
            raise InvalidRequestError.of("quality", f"{quality} is not 1 to 100")
        size = self._opening.height, self._opening.width, 3
        if np.shape(image) != size or image.dtype != np.uint8:
            problem = f"shape {np.shape(image)} of {image.dtype}, expected {size} of uint8"
            raise InvalidRequestError.of("image", problem)
        self._send(self._sender.set_source(index, keypoints))
        message = sources.message(index, image, keypoints, ENCODINGS[encoding], quality=quality)
        request = PublishRequest(source=message)
        self._put(request)
        return request.ByteSize()

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
        count = frame_count or self._opening.frame_count or 0
        left_out = self._sender.left_out_before(count)
        self._put(PublishRequest(end=RoomEnd(frame_count=count, skipped_frames=left_out)))
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
