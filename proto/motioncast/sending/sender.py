"""The sender's rules around the encoder: which frames, how many at once, against what.

    push(index, keypoints)    -> packets to be sent now, often none
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
    """A packet to be sent now."""

    data: bytes
    frames: tuple[int, ...]  # indices, in order
    copy: int  # 0 the first time, then 1, 2 ...


class KeypointSender:
    """Sends the frames of one session, as few and as short as its rules allow.

    Args:
        tables: Of the model; the receiver has the same.
        policy: Which frames; every one by default.
        references: Against what; a function of `references`. By default the last frame sent, for
            carriers that lose nothing.
        wait_frames: How long a frame may wait for others to go with it, up to 8 in a packet. 0:
            each goes at once by itself. A header and 28 bytes of UDP and IP are saved for each that
            waits.
        copies: How often every packet is sent, 1 to 4.
        copied: Which packets, by their last frame; None: all. A gate with a coarser bound has those
            sent again that would be missed most.
        copy_spacing_frames: So much later each time; 0: at once, which is soon enough to be shown.
        coarseness: Of the codec, 0 to 7.
        pattern: What receivers know of. What a policy leaves out besides is told in the packets;
            not what `Regular` does.

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
        self._spacing = copy_spacing_frames
        self._coarseness = coarseness
        self._link = LinkState()
        self._sources: dict[int, Keypoints] = {}
        self._waiting: list[tuple[int, Keypoints]] = []
        self._skips = Skips(pattern)
        self._skipped: list[int] = []  # before each that waits
        self._against: Reference = SourceReference()  # of what waits
        self._again: deque[tuple[int, SentPacket]] = deque()  # when, what
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
            ValueError: They do not fit the model, or no source has that index.
        """
        self._encoder.set_source(source, keypoints)
        self._sources[source] = np.asarray(keypoints, np.float32)

    def push(self, index: int, keypoints: Keypoints) -> list[SentPacket]:
        """Takes a frame (K, 3), later than all before, and returns the packets that are due.

        Raises:
            EncodingError: There is no source yet, or the index decreases.
            ValueError: The keypoints are not the model's.
        """
        if not self._sources:
            raise EncodingError("source: a sender needs one before its first frame")
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
        """Returns what is left at the end: frames that wait, and copies."""
        packets = [self._encoded()[0]] if self._waiting else []
        self._again, again = deque(), self._again
        return packets + [packet for _, packet in again]

    def acknowledge(self, acknowledgement: Acknowledgement) -> None:
        """Takes what the receiver says that it has."""
        self._link.learn(acknowledgement, self._now)
        if acknowledgement.stuck:
            self.ask_for_anchor()

    def ask_for_anchor(self) -> None:
        """Has the next packet refer to nothing that the receiver may lack.

        To the newest frame that it acknowledged, where the choice of references uses them, or else
        to a source. Not twice within the time that an answer takes.
        """
        at, patience = self._anchored_at, self._link.round_trip_frames + 1
        if at is None or self._now - at > patience:
            self._anchor_wanted = True

    def _copies_due(self) -> list[SentPacket]:
        due = [packet for when, packet in self._again if when <= self._now]
        self._again = deque(one for one in self._again if one[0] > self._now)
        return due

    def _packet_due(self, index: int) -> list[SentPacket]:
        """Encodes what waits if it is time; tells the policy what the receiver will have."""
        full = len(self._waiting) == MAX_PACKET_FRAMES
        if full or index - self._waiting[0][0] >= self._wait:
            packet, decoded = self._encoded()
            self._policy.settle(index, decoded)
            return [packet]
        decoded = self._encoder.preview(self._waiting, self._against, self._coarseness)[-1]
        self._policy.settle(index, decoded)
        return []

    def _encoded(self) -> tuple[SentPacket, Keypoints]:
        """Returns the packet of what waits, and its last frame (K, 3) as it will be decoded."""
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
        return wanted

    def _reference(self, index: int, keypoints: Keypoints) -> Reference:
        """Returns what a packet refers to whose first frame is this one."""
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
