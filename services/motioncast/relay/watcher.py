"""One watcher of a room: what is queued for it, and the frames that it acknowledged.

    waits for an anchor -> gets every packet -> too slow: drops the queue -> waits for an anchor

An anchor is a packet that refers to a source. After one, every packet refers to frames that were
sent to the watcher, unless the sender refers to a frame before it; such a packet is skipped.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Final

from motioncast.v1.common_pb2 import CodedKeypoints, Crop
from motioncast.v1.motion_transfer_pb2 import SourceImage
from motioncast.v1.relay_pb2 import Acknowledgement, FramesAcknowledged, RoomEnd, WatchResponse

MAX_WAITING_SOURCES: Final = 8  # beyond this only the newest of each index are kept


@dataclass(frozen=True, slots=True)
class Packet:
    """A packet, as far as a relay reads it."""

    message: CodedKeypoints
    index: int  # of its first frame on the timeline
    reference: int | None  # the frame that it refers to; None: a source


class Watcher:
    """The bounded queue of one watcher: packets are dropped rather than delay other watchers.

    Args:
        max_waiting: Limit of queued packets, and also of packets sent but not acknowledged.

    Attributes:
        frames: The frames that the watcher acknowledged; None before the first acknowledgement.
        missed: Packets dropped because the queue was full.
    """

    def __init__(self, max_waiting: int) -> None:
        self._max_waiting = max_waiting
        self._waiting: deque[tuple[WatchResponse, int]] = deque()  # with the index of a packet
        self._packets = 0  # packets in the queue
        self._unanswered: deque[int] = deque()  # indices of packets sent and not acknowledged
        self._anchor: int | None = None  # index of its first packet; None: it waits for an anchor
        self._stuck = False
        self._arrived = asyncio.Event()
        self._failure: Exception | None = None
        self._ended = False
        self.frames: FramesAcknowledged | None = None
        self.missed = 0

    @property
    def needs_anchor(self) -> bool:
        """Whether it can continue only with a packet that refers to a source."""
        return self._anchor is None or self._stuck

    def offer_source(self, source: SourceImage) -> None:
        """Queues a source; a queued one with the same index becomes obsolete."""
        self._put(WatchResponse(source=source))
        if len(self._waiting) - self._packets > MAX_WAITING_SOURCES:
            self._drop()

    def offer_packet(self, packet: Packet, crop: Crop | None) -> None:
        """Queues a packet if the watcher can use it.

        Args:
            packet: The packet.
            crop: The current crop of the video, for a watcher that does not have it yet.
        """
        message = packet.message
        if packet.reference is None:
            if self._anchor is None and crop is not None and not message.HasField("crop"):
                message = CodedKeypoints(data=message.data, crop=crop)
            if self._anchor is None or self._stuck:
                self._anchor, self._stuck = packet.index, False
        elif self._anchor is None:
            return
        elif packet.reference < self._anchor:
            self._stuck = True
            return
        if self._packets >= self._max_waiting:
            self._drop()
            self.missed += 1
            return
        self._packets += 1
        self._put(WatchResponse(packet=message), packet.index)

    def acknowledge(self, told: Acknowledgement) -> None:
        """Processes the watcher's acknowledgement."""
        if told.HasField("frames"):
            self.frames = told.frames
            while self._unanswered and self._unanswered[0] <= told.frames.newest:
                self._unanswered.popleft()
            self._arrived.set()
        self._stuck = self._stuck or told.stuck

    def end(self, end: RoomEnd) -> None:
        """Queues the end of the room."""
        if not self._ended:
            self._ended = True
            self._put(WatchResponse(end=end))

    def fail(self, error: Exception) -> None:
        """Ends the call with an error, whatever is queued."""
        self._failure = error
        self._arrived.set()

    async def next(self) -> WatchResponse | None:
        """Returns the next message to send; None after the last one.

        Raises:
            Exception: The error that the call was ended with.
        """
        while not self._may_go():
            if self._failure is not None:
                raise self._failure
            if self._ended and not self._waiting:
                return None
            self._arrived.clear()
            await self._arrived.wait()
        if self._failure is not None:
            raise self._failure
        response, index = self._waiting.popleft()
        if index >= 0:
            self._packets -= 1
            self._unanswered.append(index)
        return response

    def _may_go(self) -> bool:
        """Whether the next message may be sent: packets wait while too many are unacknowledged."""
        if not self._waiting:
            return False
        return self._waiting[0][1] < 0 or len(self._unanswered) < self._max_waiting

    def _put(self, response: WatchResponse, index: int = -1) -> None:
        self._waiting.append((response, index))
        self._arrived.set()

    def _drop(self) -> None:
        """Drops queued packets, and queued sources except the newest of each index."""
        sources: dict[int, WatchResponse] = {}
        for response, _ in self._waiting:
            if response.HasField("source"):
                sources[response.source.index] = response
        self.missed += self._packets
        self._waiting = deque((one, -1) for one in sources.values())
        self._packets, self._anchor, self._stuck = 0, None, False
        self._unanswered.clear()  # some of these may never be decodable
