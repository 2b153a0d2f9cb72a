"""Keypoints of a session that may travel as datagrams: coded, sent, acknowledged, resent.

    gRPC alone        until the link is up and once it has closed: each against the previous frame
    datagrams         over the link: against the previous frame on a clean link, against the newest
                      acknowledged one for two seconds after the start and after every loss, when
                      packets with much motion are also sent twice
    gRPC again        unacknowledged packets that the server may be waiting for: at the end, when
                      the session makes no progress, and when the link has closed

So nothing depends on datagrams getting through; they are cheaper, and a late one does not hold up
the others. `motioncast.sending` has the rules.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Final, Literal

from google.protobuf.message import DecodeError

from motioncast.client.datagram_link import DatagramLink
from motioncast.client.types import DatagramTraffic, Keypoints
from motioncast.codec import CodecTables
from motioncast.sending import (
    COPIED_BOUND_PIXELS,
    REFERENCES,
    Acknowledgement,
    Gate,
    KeypointSender,
    LinkState,
    Policy,
    SentPacket,
)
from motioncast.sending.link import HISTORY
from motioncast.timeline.pattern import Pattern
from motioncast.v1 import relay_pb2
from motioncast.v1.common_pb2 import CodedKeypoints, Crop
from motioncast.wire.datagrams import MAX_DATAGRAM_BYTES, Door

SETTLE_SECONDS: Final = 0.5  # how long to wait for the last acknowledgements
SILENCE_SECONDS: Final = 3.0  # without an acknowledgement the link is abandoned
MAX_UNANSWERED: Final = 128  # packets; older ones would arrive too late
_ALL: Final = (1 << HISTORY) - 1


@dataclass(slots=True)
class _Unanswered:
    packet: CodedKeypoints
    sent: float  # when, on time.monotonic's clock
    again: bool = False  # whether it was also sent over gRPC


class DatagramCoder:
    """Codes the frames of one session, and sends them over the link while it is up.

    Args:
        tables: The model's codec tables.
        coarseness: 0 to 7.
        packet_frames: Frames in each packet, 1 to 8; earlier ones wait for the rest.
        policy: Which of the pattern's frames are sent; None: all.
        pattern: The session's pattern.

    Attributes:
        newest: Index of the newest frame that has been coded; -1 before the first.
    """

    def __init__(
        self,
        tables: CodecTables,
        coarseness: int,
        packet_frames: int,
        policy: Policy | None,
        pattern: Pattern,
    ) -> None:
        self._sender = KeypointSender(
            tables,
            policy,
            self._reference,
            wait_frames=packet_frames - 1,
            copies=2,
            copied=Gate(COPIED_BOUND_PIXELS),
            copied_after_loss=True,
            coarseness=coarseness,
            pattern=pattern,
        )
        self._link: DatagramLink | None = None
        self._unanswered: dict[int, _Unanswered] = {}  # by the last frame of the packet
        self._crop: Crop | None = None  # of the newest frame
        self._told: Crop | None = None  # that the receiver is known to have
        self._asked: float | None = None  # when the oldest unanswered datagram was sent
        self._packets = self._payload = self._messages = self._grpc_packets = 0
        self._carrier: Literal["grpc", "datagrams"] = "grpc"  # of the last packet
        self._silent = False  # the link was silent for too long and is no longer used
        self._lock = threading.RLock()
        self._news = threading.Condition(self._lock)
        self.newest = -1

    def open(self, host: str, door: Door) -> None:
        """Begins to connect to the server's datagram port."""
        self._link = DatagramLink(host, door, self._acknowledged, self._changed)
        self._link.start()

    def close(self) -> None:
        """Closes the link and ends every wait."""
        if self._link is not None:
            self._link.close()
        self._changed()

    @property
    def traffic(self) -> DatagramTraffic:
        """What has been sent so far."""
        with self._lock:
            counts = None if self._link is None else self._link.counts
            return DatagramTraffic(
                self._carrier,
                self._packets,
                self._payload,
                self._messages,
                self._grpc_packets,
                0 if counts is None else counts.sent,
                0 if counts is None else counts.sent_bytes,
                0 if counts is None else counts.received,
                0 if counts is None else counts.received_bytes,
            )

    def set_source(self, index: int, keypoints: Keypoints) -> list[CodedKeypoints]:
        """Takes a source (K, 3); returns the packets that have to be sent before it: none."""
        with self._lock:
            self._sender.set_source(index, keypoints)
        return []

    def push(
        self, index: int, keypoints: Keypoints, crop: Crop | None = None
    ) -> list[CodedKeypoints]:
        """Takes a frame (K, 3) later than all before, and sends the packets that are due.

        Returns the packets that have to be sent over gRPC.
        """
        with self._lock:
            rest = []
            if crop != self._crop:
                rest, self._crop = self._sent(self._sender.flush()), crop
            return rest + self._sent(self._sender.push(index, keypoints))

    def left_out(self, index: int) -> bool:
        """Returns whether the last pushed frame is left out on purpose."""
        with self._lock:
            return self._sender.left_out_before(index + 1) > 0

    def flush(self) -> list[CodedKeypoints]:
        """Sends the waiting frames and waits for the last acknowledgements; returns as `push`."""
        with self._news:
            rest = self._sent(self._sender.flush())
            self._news.wait_for(lambda: not self._up or not self._waiting, SETTLE_SECONDS)
            return rest + self.again()

    def again(self, older_seconds: float = 0.0) -> list[CodedKeypoints]:
        """Returns packets unacknowledged for this long, to be sent over gRPC; each only once."""
        with self._lock:
            before = time.monotonic() - older_seconds
            found = [one for one in self._waiting if one.sent <= before]
            for one in found:
                one.again = True
            self._grpc_packets += len(found)
            return [one.packet for one in found]

    @property
    def _up(self) -> bool:
        """Whether packets go over the link: not once it has been silent for too long."""
        link, now = self._link, time.monotonic()
        if link is None or not link.up or self._silent:
            return False
        self._silent = self._asked is not None and now - self._asked > SILENCE_SECONDS
        return not self._silent

    @property
    def _waiting(self) -> list[_Unanswered]:
        """Packets that are in flight and were not resent."""
        return [one for one in self._unanswered.values() if not one.again]

    def _reference(self, link: LinkState, now: int) -> int | None:
        return REFERENCES["adaptive" if self._up else "before"](link, now)

    def _sent(self, packets: list[SentPacket]) -> list[CodedKeypoints]:
        """Sends packets over the link while it is up; returns those that have to use gRPC."""
        up = self._up
        rest = [] if up else self.again()
        for packet in packets:
            message, last = CodedKeypoints(data=packet.data), packet.frames[-1]
            self.newest = max(self.newest, last)
            if self._crop is not None and self._crop != self._told:
                message.crop.CopyFrom(self._crop)
            if up and message.ByteSize() <= MAX_DATAGRAM_BYTES:
                self._send(message, last)
                continue
            if packet.copy:
                continue  # gRPC loses nothing
            rest.append(message)
            self._grpc_packets += 1
            self._carrier = "grpc"
            self._told = self._crop
            if self._link is not None and (self._link.over or self._silent):
                # No acknowledgement will come, and nothing can be lost.
                self._sender.acknowledge(Acknowledgement(last, _ALL))
        return rest

    def _send(self, message: CodedKeypoints, last: int) -> None:
        assert self._link is not None  # the link is up
        data = message.SerializeToString()
        self._carrier = "datagrams"
        self._packets += 1
        self._payload += len(message.data)
        self._messages += len(data)
        now = time.monotonic()
        self._asked = now if self._asked is None else self._asked
        self._unanswered[last] = _Unanswered(message, now)
        while len(self._unanswered) > MAX_UNANSWERED:
            del self._unanswered[next(iter(self._unanswered))]
        self._link.send(data)

    def _acknowledged(self, data: bytes) -> None:
        """Takes an acknowledgement from the server, in the link's thread."""
        try:
            told = relay_pb2.Acknowledgement.FromString(data)
        except DecodeError:
            return  # not a message of this protocol
        newest = told.frames.newest if told.HasField("frames") else -1
        has = Acknowledgement(newest, told.frames.before, told.stuck)
        with self._news:
            self._asked = None
            self._sender.acknowledge(has)
            for index in [one for one in self._unanswered if has.has(one)]:
                came = self._unanswered.pop(index).packet
                if came.HasField("crop"):
                    self._told = came.crop
            self._news.notify_all()

    def _changed(self) -> None:
        with self._news:
            self._news.notify_all()
