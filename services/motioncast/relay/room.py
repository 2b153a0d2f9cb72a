"""A room: one sender, its watchers, and the feedback about them to the sender."""

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

HISTORY: Final = 32  # frames before the newest that an acknowledgement covers
_RETRY_SECONDS: Final = 1.0
_NAME_BYTES: Final = 6
_TOKEN_BYTES: Final = 24


class Room:
    """What one sender publishes, for as long as it does.

    Args:
        opening: The sender's first message, checked.
        max_watchers: Limit of concurrent watchers.
        max_waiting: Limit of packets that wait for one watcher.

    Attributes:
        name: Identifies the room to watchers and in logs.
        token: The right to watch; never logged.
        next_index: The least index that the next frame on the timeline may have.
        missed: Packets that watchers missed, including watchers that have left.
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
        self._told: Feedback | None = None
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
        """Number of current watchers."""
        return len(self._watchers)

    @contextmanager
    def watcher(self) -> Iterator[Watcher]:
        """Adds a watcher from entering the block until leaving it.

        Raises:
            ExhaustedError: The room has as many watchers as it may.
        """
        if len(self._watchers) >= self.max_watchers:
            raise ExhaustedError(
                f"room: it has {len(self._watchers)} watchers, the limit is {self.max_watchers}",
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
        """Forwards a checked source, and keeps it for watchers that join later."""
        self._sources[source.index] = source
        for watcher in self._watchers:
            watcher.offer_source(source)

    def pass_on(self, packet: Packet, frames: int) -> None:
        """Forwards a checked packet with this number of frames."""
        self.next_index = packet.index + frames
        if packet.message.HasField("crop"):
            self._crop = packet.message.crop
        for watcher in self._watchers:
            watcher.offer_packet(packet, self._crop)
        self._changed.set()

    def acknowledge(self, watcher: Watcher, told: Acknowledgement) -> None:
        """Processes a watcher's acknowledgement."""
        watcher.acknowledge(told)
        self._changed.set()

    def end(self, frame_count: int, skipped_frames: int = 0) -> None:
        """Tells the watchers that the video has ended."""
        self._close(
            RoomEnd(
                reason=ROOM_END_REASON_ENDED,
                frame_count=frame_count,
                skipped_frames=skipped_frames,
            )
        )

    def lose(self) -> None:
        """Tells the watchers that the sender is lost, unless the video has ended."""
        self._close(RoomEnd(reason=ROOM_END_REASON_LOST))

    def fail(self, error: DomainError) -> None:
        """Ends the calls of the sender and of all watchers with an error."""
        self._failure, self._over = error, True
        for watcher in self._watchers:
            watcher.fail(error)
        self._changed.set()

    def fail_sender(self, error: Exception) -> None:
        """Ends the sender's call with an error; the watchers are told that it is lost."""
        self._failure = error
        self.lose()
        self._changed.set()

    async def feedback(self) -> Feedback | None:
        """Waits until the feedback changes; returns it, or None when the room is closed.

        Raises:
            DomainError: The error that the room was closed with.
        """
        while True:
            await self._changed.wait()
            self._changed.clear()
            if self._failure is not None:
                raise self._failure
            if self._over:
                return None
            feedback = Feedback(
                watchers=len(self._watchers),
                acknowledged=common_frames([one.frames for one in self._watchers]),
                anchor_wanted=any(one.needs_anchor for one in self._watchers),
            )
            if feedback != self._told:
                self._told = feedback
                return feedback

    def _close(self, end: RoomEnd) -> None:
        if not self._over:
            self._over = True
            for watcher in self._watchers:
                watcher.end(end)
            self._changed.set()


def common_frames(told: Sequence[FramesAcknowledged | None]) -> FramesAcknowledged | None:
    """Returns the frames that all acknowledgements have in common, as an acknowledgement.

    None when there are none, a watcher has no frames, or they are too far apart to have any in
    common.
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
