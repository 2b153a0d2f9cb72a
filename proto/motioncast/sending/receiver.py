"""The receiver's rules around the decoder: packets in any order, each frame out once.

A packet whose reference is under way, overtaken by it, waits for it; one that waits for a frame
that was lost is thrown away by those that follow.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from motioncast.codec import (
    CodecTables,
    DecodedFrame,
    KeypointDecoder,
    UnknownReferenceError,
)
from motioncast.codec.packet import MAX_DISTANCE
from motioncast.sending.forecasters import Keypoints
from motioncast.sending.link import HISTORY, Acknowledgement

MAX_WAITING_PACKETS: Final = 16
MAX_REMEMBERED: Final = 512  # frames, so that none is given out twice


class KeypointReceiver:
    """Decodes the packets of one session.

    Args:
        tables: Of the model; the sender has the same.
        near: Index that the first packet is not far from, for a receiver that joins later.
    """

    def __init__(self, tables: CodecTables, near: int = 0) -> None:
        self._decoder = KeypointDecoder(tables, near)
        # Packets, and the newest frame when they came: an index of 16 bits means others later.
        self._waiting: deque[tuple[bytes, int]] = deque(maxlen=MAX_WAITING_PACKETS)
        self._known: dict[int, None] = {}
        self._newest = -1
        self._stuck = False

    def set_source(self, source: int, keypoints: Keypoints) -> list[DecodedFrame]:
        """Takes the keypoints (K, 3) of source 0 to 3; returns frames that waited for it.

        Raises:
            ValueError: They do not fit the model, or no source has that index.
        """
        self._decoder.set_source(source, keypoints)
        return self._of_waiting()

    def receive(self, data: bytes) -> list[DecodedFrame]:
        """Returns the frames that a packet makes known, in the order in which they were decoded.

        None when it came twice, or has to wait for another one.

        Raises:
            BitstreamError: The bytes are no packet.
        """
        try:
            frames = self._new(self._decoder.decode(data))
        except UnknownReferenceError:
            if all(data != other for other, _ in self._waiting):
                self._waiting.append((data, self._newest))
            self._stuck = True
            return []
        self._stuck = False
        return frames + self._of_waiting() if frames else []

    def acknowledgement(self) -> Acknowledgement:
        """Returns the messages that are due to the sender."""
        before = sum(1 << i for i in range(HISTORY) if self._newest - 1 - i in self._known)
        return Acknowledgement(self._newest, before, self._stuck)

    def _of_waiting(self) -> list[DecodedFrame]:
        """Returns the frames of packets that waited for what is there now."""
        found: list[DecodedFrame] = []
        while self._waiting and self._newest - self._waiting[0][1] > MAX_DISTANCE:
            self._waiting.popleft()
        progress = True
        while progress:
            progress = False
            for waiting in list(self._waiting):
                try:
                    frames = self._decoder.decode(waiting[0])
                except UnknownReferenceError:
                    continue
                except ValueError:
                    frames = []  # damaged: it was not looked into as long as it waited
                self._waiting.remove(waiting)
                found += self._new(frames)
                progress = True
        if not self._waiting:
            self._stuck = False
        return found

    def _new(self, frames: list[DecodedFrame]) -> list[DecodedFrame]:
        new = [frame for frame in frames if frame.index not in self._known]
        for frame in new:
            self._known[frame.index] = None
            self._newest = max(self._newest, frame.index)
        while len(self._known) > MAX_REMEMBERED:
            del self._known[next(iter(self._known))]
        return new
