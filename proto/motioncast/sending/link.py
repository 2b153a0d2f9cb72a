"""What a sender knows of the link: which of its frames arrived, by the receiver's acknowledgements.

    acknowledgement   the newest decoded frame, and which of the 32 before it were decoded too
    lost              a frame that is not among them although a later one is
    overdue           the newest frame was sent longer ago than the round trip plus some patience

Time is counted in frames. Losing an acknowledgement costs nothing: the next one repeats it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

HISTORY: Final = 32  # frames before the newest that an acknowledgement covers
MEMORY_FRAMES: Final = 50  # the link counts as lossy for this long after a loss
PATIENCE_FRAMES: Final = 2  # on top of the usual round trip
FIRST_ROUND_TRIP: Final = 10  # frames, until one has been measured
MAX_OUTSTANDING: Final = 1024  # frames without an acknowledgement; the oldest are forgotten


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What a receiver reports about the frames that it has."""

    newest: int  # newest decoded frame; -1: none yet
    before: int = 0  # bit i: whether frame newest - 1 - i was decoded, i from 0 to 31
    stuck: bool = False  # the newest packet refers to a frame that did not arrive

    def has(self, index: int) -> bool:
        """Returns whether the frame is reported as decoded."""
        back = self.newest - 1 - index
        return index == self.newest or (0 <= back < HISTORY and bool(self.before >> back & 1))


class LinkState:
    """What became of the frames that were sent.

    Attributes:
        newest_sent: Index of the last frame sent; None before the first.
        newest_acknowledged: Index of the newest frame that the receiver is known to have.
    """

    def __init__(self) -> None:
        self.newest_sent: int | None = None
        self.newest_acknowledged: int | None = None
        self._outstanding: dict[int, int] = {}  # unacknowledged frames: when they were sent
        self._doubted_at: int | None = None  # at the start nothing is known
        self._lost_at: int | None = None
        self._round_trip: float | None = None

    def sent(self, frames: Sequence[int], now: int) -> None:
        """Notes the frames of a packet that is sent while frame `now` is due."""
        if self.newest_sent is None:
            self._doubted_at = now
        self.newest_sent = frames[-1]
        self._outstanding.update(dict.fromkeys(frames, now))
        while len(self._outstanding) > MAX_OUTSTANDING:
            del self._outstanding[next(iter(self._outstanding))]

    def learn(self, acknowledgement: Acknowledgement, now: int) -> None:
        """Takes an acknowledgement, in any order and possibly repeated."""
        newest = acknowledgement.newest
        if self.newest_sent is None or newest > self.newest_sent:
            return  # of another session, or invented
        if acknowledgement.stuck:
            self._lost_at = now
        came = [one for one in self._outstanding if acknowledgement.has(one)]
        if newest in came:  # for older frames, the first acknowledgement may have been lost
            self._answered(now - self._outstanding[newest])
        for index in came:
            del self._outstanding[index]
        if came and (self.newest_acknowledged is None or max(came) > self.newest_acknowledged):
            self.newest_acknowledged = max(came)
        for index in [one for one in self._outstanding if one < newest]:
            del self._outstanding[index]
            if index >= newest - HISTORY:  # nothing is said of earlier ones
                self._lost_at = now

    def lossy(self, now: int) -> bool:
        """Returns whether a frame may have been lost recently, or the session has just begun."""
        doubted = self._doubted_at is None or now - self._doubted_at < MEMORY_FRAMES
        return doubted or self.loses(now)

    def loses(self, now: int) -> bool:
        """Returns whether a frame was certainly lost recently."""
        return self._lost_at is not None and now - self._lost_at < MEMORY_FRAMES

    @property
    def round_trip_frames(self) -> float:
        """How long an acknowledgement takes."""
        return FIRST_ROUND_TRIP if self._round_trip is None else self._round_trip

    def overdue(self, now: int) -> bool:
        """Returns whether the last frame sent should have been acknowledged by now.

        Always false before the first acknowledgement: some receivers send none.
        """
        sent = self._outstanding.get(-1 if self.newest_sent is None else self.newest_sent)
        if sent is None or self._round_trip is None:
            return False
        return now - sent > self._round_trip + PATIENCE_FRAMES

    def doubt(self, now: int) -> None:
        """Counts the last frame as possibly lost."""
        self._doubted_at = now

    def _answered(self, frames: int) -> None:
        before = self._round_trip
        self._round_trip = frames if before is None else 0.9 * before + 0.1 * frames
