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

ALIVE_SECONDS: Final = 2.0  # of silence before either end sends a sign of life
WAITING_MESSAGES: Final = 64  # queued by a sender before it waits for the network


class SyncPublication:
    """A video that is published from entering the block to leaving it; created by `publish`.

    Leaving the block without an error announces the end of the video. The network has a thread of
    its own; a sender that is faster than the network waits.

    Attributes:
        room: The room's name; not secret.
        token: Grants the right to watch. Anyone who has it sees the video.
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
            raise ServerError(f"{self._target}: the server did not open the room") from None
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
        """What is currently known of the watchers."""
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
            index: 0 to 3; 0 comes first. A second source with the same index replaces the first.
            image: (H, W, 3) uint8, of the model's size.
            keypoints: (K, 3), of the image.
            encoding: How the image is encoded; "webp" is lossless.
            quality: For "jpeg" and "avif", 1 to 100; None for their defaults, 95 and 70.

        Raises:
            InvalidRequestError: The source is malformed.
            MotioncastError: The room no longer exists.
        """
        if quality is not None and not 1 <= quality <= 100:
            raise InvalidRequestError.of("quality", f"{quality} is out of range [1, 100]")
        size = self._opening.height, self._opening.width, 3
        if np.shape(image) != size or image.dtype != np.uint8:
            problem = f"shape {np.shape(image)} of {image.dtype}, expected {size} of uint8"
            raise InvalidRequestError.of("image", problem)
        self._send(self._sender.set_source(index, keypoints))
        message = sources.message(
            index, image, keypoints, ENCODINGS[encoding], coded=True, quality=quality
        )
        request = PublishRequest(source=message)
        self._put(request)
        return request.ByteSize()

    def push(self, index: int, keypoints: Keypoints, crop: Crop | None = None) -> None:
        """Sends a frame if the pattern selects it; arguments and errors as for `Sender.push`."""
        wanted = self._feedback.anchor_wanted
        self._send(self._sender.push(index, keypoints, crop, anchor_wanted=wanted))

    def end(self, frame_count: int | None = None) -> None:
        """Announces the end of the video, and waits until the server has received it.

        Args:
            frame_count: Frames of the whole video, if the opening did not say.

        Raises:
            MotioncastError: The room had already closed.
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
                raise self._failure or UnavailableError(f"{self._target}: the room has closed")
            try:
                self._requests.put(request, timeout=ALIVE_SECONDS)
                return
            except queue.Full:
                continue

    def _messages(self) -> Iterator[PublishRequest]:
        """Yields the messages to send, for gRPC's thread."""
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
        """Reads the feedback about the watchers, in a thread, to the end of the call."""
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
