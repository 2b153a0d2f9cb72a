"""The sender's rules around the encoder: which frames, how many per packet, against what.

    push(index, keypoints)    -> packets to send now, often none
    acknowledge(...)          <- what the receiver has

Shapes: K keypoints (x, y, intensity).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np

from motioncast.codec import (
    DEFAULT_COARSENESS,
    MAX_PACKET_FRAMES,
    CodecTables,
    EncodingError,
    FrameReference,
    KeypointEncoder,
    Reference,
    SourceReference,
)
from motioncast.codec.packet import MAX_DISTANCE
from motioncast.sending.forecasters import Keypoints
from motioncast.sending.link import Acknowledgement, LinkState
from motioncast.sending.policies import EveryFrame, Policy, Regular
from motioncast.sending.references import REFERENCES, ReferenceChoice
from motioncast.sending.skips import Skips
from motioncast.timeline.pattern import Pattern

MAX_COPIES: Final = 4
MAX_WAIT_FRAMES: Final = 250


@dataclass(frozen=True, slots=True)
class SentPacket:
    """A packet to send now."""

    data: bytes
    frames: tuple[int, ...]  # indices, in order
    copy: int  # 0 for the original, then 1, 2 ...


class KeypointSender:
    """Sends the frames of one session, as few and as small as its rules allow.

    Args:
        tables: The model's codec tables, the same as the receiver's.
        policy: Which frames are sent; all by default.
        references: What packets refer to; a function of `references`. By default the last frame
            sent, for lossless carriers.
        wait_frames: How many frames a frame may wait for others to share its packet, up to 8 in a
            packet. 0: each is sent at once on its own. Every frame that waits saves a header and 28
            bytes of UDP and IP.
        copies: How often every packet is sent, 1 to 4.
        copied: Which packets are sent again, by their last frame; None: all. A gate with a coarser
            bound selects those whose loss would hurt most.
        copied_after_loss: Whether packets are sent again only for two seconds after a loss.
        copy_spacing_frames: Delay between copies; 0: all at once, early enough to be shown.
        coarseness: Coarseness of the codec, 0 to 7.
        pattern: The pattern that receivers know. Other frames that a policy leaves out are
            reported in the packets, except those that `Regular` leaves out.

    Raises:
        ValueError: A number is out of its range.
    """

    def __init__(
        self,
        tables: CodecTables,
        policy: Policy | None = None,
        references: ReferenceChoice = REFERENCES["before"],
        *,
        wait_frames: int = 0,
        copies: int = 1,
        copied: Policy | None = None,
        copied_after_loss: bool = False,
        copy_spacing_frames: int = 0,
        coarseness: int = DEFAULT_COARSENESS,
        pattern: Pattern | None = None,
    ) -> None:
        _within("wait_frames", wait_frames, 0, MAX_WAIT_FRAMES)
        _within("copies", copies, 1, MAX_COPIES)
        _within("copy_spacing_frames", copy_spacing_frames, 0, MAX_WAIT_FRAMES)
        self._encoder = KeypointEncoder(tables)
        self._policy: Policy = EveryFrame() if policy is None else policy
        self._choose = references
        self._wait = wait_frames
        self._copies = copies
        self._copied: Policy = EveryFrame() if copied is None else copied
        self._copied_after_loss = copied_after_loss
        self._spacing = copy_spacing_frames
        self._coarseness = coarseness
        self._link = LinkState()
        self._sources: dict[int, Keypoints] = {}
        self._waiting: list[tuple[int, Keypoints]] = []
        self._skips = Skips(pattern)
        self._skipped: list[int] = []  # frames left out before each waiting frame
        self._against: Reference = SourceReference()  # of the waiting frames
        self._again: deque[tuple[int, SentPacket]] = deque()  # when due, and the packet
        self._anchor_wanted = False
        self._anchored_at: int | None = None
        self._now = 0

    @property
    def link(self) -> LinkState:
        """What is known of the link."""
        return self._link

    def set_source(self, source: int, keypoints: Keypoints) -> None:
        """Takes the keypoints (K, 3) of source 0 to 3, which the receiver has from now on.

        Raises:
            ValueError: They do not fit the model, or the index is not valid.
        """
        self._encoder.set_source(source, keypoints)
        self._sources[source] = np.asarray(keypoints, np.float32)

    def push(self, index: int, keypoints: Keypoints) -> list[SentPacket]:
        """Takes a frame (K, 3), later than all before, and returns the packets that are due.

        Raises:
            EncodingError: There is no source yet, or the index decreases.
            ValueError: The keypoints do not fit the model.
        """
        if not self._sources:
            raise EncodingError("source: required before the first frame")
        self._now = index
        overdue = self._link.overdue(index) and not self._waiting
        packets = self._copies_due()
        if overdue:
            self._link.doubt(index)
            self.ask_for_anchor()
        if self._policy.sends(index, keypoints) or overdue:
            if not self._waiting:
                self._against = self._reference(index, keypoints)
            self._waiting.append((index, keypoints))
            self._skipped.append(self._skips.send(index))
            packets += self._packet_due(index)
        else:
            self._policy.settle(index, None)
            if not isinstance(self._policy, Regular):
                self._skips.leave_out(index)
            if self._waiting and index - self._waiting[0][0] >= self._wait:
                packets.append(self._encoded()[0])
        return packets + self._copies_due()

    def left_out_before(self, end: int) -> int:
        """Returns how many frames directly before the video's end were left out on purpose."""
        return self._skips.before(end)

    def flush(self) -> list[SentPacket]:
        """Returns the rest at the end of the video: waiting frames, and copies."""
        packets = [self._encoded()[0]] if self._waiting else []
        self._again, again = deque(), self._again
        return packets + [packet for _, packet in again]

    def acknowledge(self, acknowledgement: Acknowledgement) -> None:
        """Takes the receiver's acknowledgement."""
        self._link.learn(acknowledgement, self._now)
        if acknowledgement.stuck:
            self.ask_for_anchor()

    def ask_for_anchor(self) -> None:
        """Makes the next packet refer to nothing that the receiver may lack.

        It refers to the newest acknowledged frame if the choice of references uses
        acknowledgements, or else to a source. At most once per round trip.
        """
        at, patience = self._anchored_at, self._link.round_trip_frames + 1
        if at is None or self._now - at > patience:
            self._anchor_wanted = True

    def _copies_due(self) -> list[SentPacket]:
        due = [packet for when, packet in self._again if when <= self._now]
        self._again = deque(one for one in self._again if one[0] > self._now)
        return due

    def _packet_due(self, index: int) -> list[SentPacket]:
        """Encodes the waiting frames if due; tells the policy what the receiver will have."""
        full = len(self._waiting) == MAX_PACKET_FRAMES
        if full or index - self._waiting[0][0] >= self._wait:
            packet, decoded = self._encoded()
            self._policy.settle(index, decoded)
            return [packet]
        decoded = self._encoder.preview(self._waiting, self._against, self._coarseness)[-1]
        self._policy.settle(index, decoded)
        return []

    def _encoded(self) -> tuple[SentPacket, Keypoints]:
        """Returns the packet of the waiting frames, and its last frame (K, 3) as decoded."""
        frames = tuple(index for index, _ in self._waiting)
        made = self._encoder.encode(self._waiting, self._against, self._coarseness, self._skipped)
        self._waiting, self._skipped = [], []
        self._link.sent(frames, self._now)
        decoded = made.keypoints[-1]
        if self._copies > 1 and self._copies_wanted(frames[-1], decoded):
            for copy in range(1, self._copies):
                again = SentPacket(made.data, frames, copy)
                self._again.append((self._now + copy * self._spacing, again))
        return SentPacket(made.data, frames, 0), decoded

    def _copies_wanted(self, index: int, decoded: Keypoints) -> bool:
        wanted = self._copied.sends(index, decoded)
        self._copied.settle(index, decoded if wanted else None)
        return wanted and (not self._copied_after_loss or self._link.loses(self._now))

    def _reference(self, index: int, keypoints: Keypoints) -> Reference:
        """Returns what the packet that begins with this frame refers to."""
        chosen = self._choose(self._link, index)
        if self._anchor_wanted:
            self._anchor_wanted, self._anchored_at = False, index
            if chosen == self._link.newest_sent:
                chosen = None
        if chosen is None or index - chosen > MAX_DISTANCE or chosen not in self._encoder:
            return SourceReference(self._nearest_source(keypoints))
        return FrameReference(chosen)

    def _nearest_source(self, keypoints: Keypoints) -> int:
        def distance(source: int) -> float:
            return float(np.abs(self._sources[source] - keypoints).sum())

        return min(sorted(self._sources), key=distance)


def _within(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name}: {value}, expected {low} to {high}")
