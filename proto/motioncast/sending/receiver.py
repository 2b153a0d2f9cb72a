"""The receiver's rules around the decoder: accepts packets in any order, returns each frame once.

A packet that overtook its reference waits for it; a packet that waits for a lost frame is displaced
by later ones.
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
MAX_REMEMBERED: Final = 512  # frames, so that none is returned twice


class KeypointReceiver:
    """Decodes the packets of one session.

    Args:
        tables: The model's codec tables, the same as the sender's.
        near: Index close to the first packet's, for a receiver that joins late.
    """

    def __init__(self, tables: CodecTables, near: int = 0) -> None:
        self._decoder = KeypointDecoder(tables, near)
        # Packets, with the newest frame on arrival: later, a 16-bit index means another frame.
        self._waiting: deque[tuple[bytes, int]] = deque(maxlen=MAX_WAITING_PACKETS)
        self._known: dict[int, None] = {}
        self._newest = -1
        self._stuck = False

    def set_source(self, source: int, keypoints: Keypoints) -> list[DecodedFrame]:
        """Takes the keypoints (K, 3) of source 0 to 3; returns frames that waited for it.

        Raises:
            ValueError: They do not fit the model, or the index is not valid.
        """
        self._decoder.set_source(source, keypoints)
        return self._of_waiting()

    def receive(self, data: bytes) -> list[DecodedFrame]:
        """Returns the frames that a packet makes known, in decoding order.

        Empty if the packet is a duplicate, or has to wait for another one.

        Raises:
            BitstreamError: The bytes are not a valid packet.
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
        """Returns the acknowledgement that is due to the sender."""
        before = sum(1 << i for i in range(HISTORY) if self._newest - 1 - i in self._known)
        return Acknowledgement(self._newest, before, self._stuck)

    def _of_waiting(self) -> list[DecodedFrame]:
        """Returns the frames of waiting packets whose reference has arrived."""
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
                    frames = []  # damaged: a waiting packet's body has not been parsed before
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
