"""A room: one sender, those who watch, and what the sender is told of them."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from motioncast.relay.watcher import Packet, Watcher
from motioncast.v1.common_pb2 import Crop
from motioncast.v1.motion_transfer_pb2 import SourceImage
from motioncast.v1.relay_pb2 import (
    ROOM_END_REASON_ENDED,
    ROOM_END_REASON_LOST,
    Acknowledgement,
    Feedback,
    FramesAcknowledged,
    RoomEnd,
    RoomOpening,
)
from motioncast.wire.errors import DomainError, ExhaustedError

HISTORY: Final = 32  # frames before the newest that an acknowledgement tells of
_RETRY_SECONDS: Final = 1.0
_NAME_BYTES: Final = 6
_TOKEN_BYTES: Final = 24


class Room:
    """What one sender publishes, as long as it does.

    Args:
        opening: Checked.
        max_watchers: At once.
        max_waiting: Packets for one of them.

    Attributes:
        name: Others know it by; in logs.
        token: The right to watch; never in logs.
        next_index: Of the timeline: a frame at or after this one comes next.
        missed: Packets that watchers dropped, of those that have left too.
    """

    def __init__(self, opening: RoomOpening, max_watchers: int, max_waiting: int) -> None:
        self.opening = opening
        self.name = secrets.token_hex(_NAME_BYTES)
        self.token = secrets.token_urlsafe(_TOKEN_BYTES)
        self.max_watchers = max_watchers
        self.next_index = 0
        self._max_waiting = max_waiting
        self._sources: dict[int, SourceImage] = {}
        self._crop: Crop | None = None
        self._watchers: list[Watcher] = []
        self._missed = 0
        self._changed = asyncio.Event()
        self._over = False
        self._failure: Exception | None = None

    @property
    def sources(self) -> dict[int, SourceImage]:
        """The newest source of each index."""
        return self._sources

    @property
    def missed(self) -> int:
        """Packets that watchers missed because they were too slow."""
        return self._missed + sum(one.missed for one in self._watchers)

    @property
    def watchers(self) -> int:
        """How many watch now."""
        return len(self._watchers)

    @contextmanager
    def watcher(self) -> Iterator[Watcher]:
        """Lets one watch from entering the block to leaving it.

        Raises:
            ExhaustedError: As many watch as may.
        """
        if len(self._watchers) >= self.max_watchers:
            raise ExhaustedError(
                f"room: {len(self._watchers)} watch now, the limit is {self.max_watchers}",
                retry_after_seconds=_RETRY_SECONDS,
            )
        watcher = Watcher(self._max_waiting)
        for source in self._sources.values():
            watcher.offer_source(source)
        self._watchers.append(watcher)
        self._changed.set()
        try:
            yield watcher
        finally:
            self._watchers.remove(watcher)
            self._missed += watcher.missed
            self._changed.set()

    def add_source(self, source: SourceImage) -> None:
        """Passes on a source, checked, and keeps it for those who come later."""
        self._sources[source.index] = source
        for watcher in self._watchers:
            watcher.offer_source(source)

    def pass_on(self, packet: Packet, frames: int) -> None:
        """Passes on a packet, checked, of so many frames."""
        self.next_index = packet.index + frames
        if packet.message.HasField("crop"):
            self._crop = packet.message.crop
        for watcher in self._watchers:
            watcher.offer_packet(packet, self._crop)
        self._changed.set()

    def acknowledge(self, watcher: Watcher, told: Acknowledgement) -> None:
        """Takes what a watcher says."""
        watcher.acknowledge(told)
        self._changed.set()

    def end(self, frame_count: int, skipped_frames: int = 0) -> None:
        """Says that the video is over."""
        self._close(
            RoomEnd(
                reason=ROOM_END_REASON_ENDED,
                frame_count=frame_count,
                skipped_frames=skipped_frames,
            )
        )

    def lose(self) -> None:
        """Says that the sender is lost, unless the video is over."""
        self._close(RoomEnd(reason=ROOM_END_REASON_LOST))

    def fail(self, error: DomainError) -> None:
        """Ends the sender's call and everybody's who watches with an error."""
        self._failure, self._over = error, True
        for watcher in self._watchers:
            watcher.fail(error)
        self._changed.set()

    def fail_sender(self, error: Exception) -> None:
        """Ends the sender's call with an error; those who watch are told that it is lost."""
        self._failure = error
        self.lose()
        self._changed.set()

    async def feedback(self) -> Feedback | None:
        """Waits for something to change; returns what is known then, None when the room is over.

        Raises:
            DomainError: What the room was ended with.
        """
        await self._changed.wait()
        self._changed.clear()
        if self._failure is not None:
            raise self._failure
        if self._over:
            return None
        return Feedback(
            watchers=len(self._watchers),
            acknowledged=common_frames([one.frames for one in self._watchers]),
            anchor_wanted=any(one.needs_anchor for one in self._watchers),
        )

    def _close(self, end: RoomEnd) -> None:
        if not self._over:
            self._over = True
            for watcher in self._watchers:
                watcher.end(end)
            self._changed.set()


def common_frames(told: Sequence[FramesAcknowledged | None]) -> FramesAcknowledged | None:
    """Returns the frames that all of those who tell have, as one of them would tell it.

    None when nobody tells, somebody has none, or they are too far apart to have any in common.
    """
    frames = [one for one in told if one is not None]
    if not frames or len(frames) < len(told):
        return None
    oldest = min(one.newest for one in frames)
    common = ~0
    for one in frames:
        has = (one.before << 1) | 1  # bit i: frame newest - i
        common &= has >> (one.newest - oldest) if one.newest - oldest <= HISTORY else 0
    if common <= 0:
        return None
    back = (common & -common).bit_length() - 1
    before = (common >> (back + 1)) & ((1 << HISTORY) - 1)
    return FramesAcknowledged(newest=oldest - back, before=before)
