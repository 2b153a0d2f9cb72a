"""Merges what a session's client sends over gRPC and in datagrams into one order.

    gRPC: sources, the end, packets ──┐
                                      ├─► decoded ─► in the timeline's order ─► the session
    datagrams: packets ───────────────┘      └─► acknowledged

Packets are decoded on arrival, however far the session has got, and their frames are acknowledged:
soon, or at once when a frame is missing. docs/datagrams.md describes how long a frame waits for
others.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from google.protobuf.message import DecodeError

from motioncast.codec import BitstreamError, CodecTables, DecodedFrame
from motioncast.orchestrator.accounting import Accounting, Received
from motioncast.orchestrator.coding import SessionCoding
from motioncast.orchestrator.datagrams import SessionDatagrams
from motioncast.orchestrator.stretch import Arrived, Late
from motioncast.sending import KeypointReceiver, Ordering
from motioncast.sending.link import MEMORY_FRAMES
from motioncast.sending.ordering import MAX_HELD
from motioncast.serving import patience
from motioncast.timeline.pattern import Pattern
from motioncast.v1.common_pb2 import CodedKeypoints
from motioncast.v1.motion_transfer_pb2 import DatagramCounts, StreamRequest
from motioncast.v1.relay_pb2 import Acknowledgement, FramesAcknowledged
from motioncast.wire.datagrams import Door
from motioncast.wire.errors import DomainError, InvalidInputError
from motioncast.wire.keypoints import Keypoints, encode_keypoints

ACKNOWLEDGE_SECONDS: Final = 0.08  # after the first frame to acknowledge
# The same on a clean link, where senders do not need acknowledgements: QUIC sends its own.
ACKNOWLEDGE_CLEAN_SECONDS: Final = 0.24


@dataclass(frozen=True, slots=True)
class Come:
    """A frame that is due, or was due earlier.

    Attributes:
        frame: The frame.
        packet: The packet that carried it, if that has a crop.
    """

    frame: Arrived | Late
    packet: CodedKeypoints | None = None


class TwoWays(SessionCoding):
    """The packets of one session; the `SessionCoding` of a session that accepts datagrams.

    Args:
        tables: The model's codec tables.
        pattern: The session's pattern.
        datagrams: The server's end of the session's datagrams.
        wait_seconds: How long a frame waits for earlier ones.
        accounting: Where everything is counted.
    """

    def __init__(
        self,
        tables: CodecTables,
        pattern: Pattern,
        datagrams: SessionDatagrams,
        wait_seconds: float,
        accounting: Accounting,
    ) -> None:
        super().__init__(tables)
        self._receiver = KeypointReceiver(tables)
        self._ordering = Ordering(pattern, wait_seconds)
        self._datagrams = datagrams
        self._accounting = accounting
        self._patience = patience()
        self._loop = asyncio.get_running_loop()
        self._crops: dict[int, CodedKeypoints] = {}  # by the packet's first frame
        self._sources: set[int] = set()
        self._late: list[Come] = []
        self._failure: DomainError | None = None
        self._news = asyncio.Event()
        self._acknowledging: asyncio.TimerHandle | None = None
        self._clean_frames = 0  # consecutive
        self._let_in = False
        self._packets = 0  # received in datagrams
        self._late_frames = 0
        datagrams.changed = self._look

    @property
    def door(self) -> Door:
        """What the client needs to connect."""
        return self._datagrams.door

    def counts(self) -> DatagramCounts:
        """Returns the traffic so far."""
        udp = self._datagrams.counts
        return DatagramCounts(
            packets=self._packets,
            late_frames=self._late_frames,
            received=udp.received,
            received_bytes=udp.received_bytes,
            sent=udp.sent,
            sent_bytes=udp.sent_bytes,
        )

    async def elements(
        self, requests: AsyncIterator[StreamRequest]
    ) -> AsyncGenerator[Come | StreamRequest, None]:
        """Yields frames in order, interleaved with other messages received over gRPC.

        Raises:
            InvalidInputError: Received bytes are not a packet.
        """
        reading = self._read(requests)
        try:
            while True:
                for come in self._due():
                    yield come
                if self._failure is not None:
                    raise self._failure
                if reading.done():
                    request = reading.result()
                    if request is not None and request.HasField("coded"):
                        self.take(request.coded, request.ByteSize())
                    elif request is None or request.HasField("end"):
                        for frame in self._ordering.close():
                            yield self._come(frame)
                        if request is not None:
                            yield request
                        return
                    else:
                        yield request
                    reading = self._read(requests)
                    continue
                await self._something()
        finally:
            if self._acknowledging is not None:
                self._acknowledging.cancel()
            reading.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await reading

    def take(self, packet: CodedKeypoints, size: int) -> None:
        """Accepts a packet in a message of `size` bytes, over gRPC or as a datagram.

        Raises:
            InvalidInputError: The bytes are not a packet.
        """
        try:
            frames = self._receiver.receive(packet.data)
        except BitstreamError as error:
            raise InvalidInputError.of("coded.data", str(error)) from error
        self._accounting.count_received(Received("keypoints", size, len(frames), len(packet.data)))
        if frames and packet.HasField("crop"):
            self._crops[frames[0].index] = packet
        self._take(frames)

    def _take_source(self, index: int, keypoints: Keypoints) -> None:
        if index in self._sources:
            raise InvalidInputError.of(
                "source.index",
                f"{index} was already sent; a session with datagrams cannot replace a source, as"
                " late packets may refer to it",
            )
        self._sources.add(index)
        self._take(self._receiver.set_source(index, keypoints))

    def _take(self, frames: list[DecodedFrame]) -> None:
        now = self._loop.time()
        self._clean_frames += len(frames)
        for frame in frames:
            if self._ordering.take(frame, now):
                self._accounting.count_arrival(frame.index)
            else:
                self._late_frames += 1
                self._crops.pop(frame.index, None)
                self._late.append(Come(Late(frame.index, encode_keypoints(frame.keypoints))))
        self._news.set()
        self._acknowledge_soon()

    def _look(self) -> None:
        """Processes received datagrams; an error in one is raised to the session."""
        packets, self._datagrams.packets = self._datagrams.packets, []
        self._patience.progress()
        for data in packets:
            if self._ordering.held >= MAX_HELD:
                break  # the session is far behind: drop the rest, as a network would
            self._packets += 1
            try:
                self.take(CodedKeypoints.FromString(data), len(data))
            except DecodeError:
                self._failure = InvalidInputError.of("datagram", "is not a keypoint packet")
            except DomainError as error:
                self._failure = error
        if not packets:
            self._let_in = True
            self._acknowledge()
        self._news.set()

    def _due(self) -> list[Come]:
        late, self._late = self._late, []
        return late + [self._come(frame) for frame in self._ordering.release(self._loop.time())]

    def _come(self, frame: DecodedFrame) -> Come:
        arrived = Arrived(frame.index, encode_keypoints(frame.keypoints), frame.skipped)
        return Come(arrived, self._crops.pop(frame.index, None))

    def _read(self, requests: AsyncIterator[StreamRequest]) -> asyncio.Task[StreamRequest | None]:
        async def following() -> StreamRequest | None:
            return await anext(requests, None)

        task = asyncio.create_task(following())
        task.add_done_callback(lambda _: self._news.set())
        return task

    async def _something(self) -> None:
        """Waits for news, or until the next frame has waited for long enough."""
        due = self._ordering.due_at()
        with suppress(TimeoutError):
            async with asyncio.timeout_at(due):
                await self._news.wait()
        self._news.clear()

    def _acknowledge_soon(self) -> None:
        if not self._let_in:
            return
        if self._ordering.missing or self._receiver.acknowledgement().stuck:
            self._clean_frames = 0
            self._acknowledge()
        elif self._acknowledging is None:
            clean = self._clean_frames > MEMORY_FRAMES
            seconds = ACKNOWLEDGE_CLEAN_SECONDS if clean else ACKNOWLEDGE_SECONDS
            self._acknowledging = self._loop.call_later(seconds, self._acknowledge)

    def _acknowledge(self) -> None:
        if self._acknowledging is not None:
            self._acknowledging.cancel()
            self._acknowledging = None
        told = self._receiver.acknowledgement()
        message = Acknowledgement(stuck=told.stuck)
        if told.newest >= 0:
            frames = FramesAcknowledged(newest=told.newest, before=told.before)
            message.frames.CopyFrom(frames)
        self._datagrams.send(message.SerializeToString() or b"\x10\x00")
