"""Frames that came in any order, put in order: each waits for those that were sent before it.

    take(frame, now)   -> whether it is of use still; a late one is not
    release(now)       -> frames whose turn it is

A frame waits only for what was sent and did not come: what the pattern or a gate left out is known,
from the pattern and from the packets. After `wait_seconds` what is missing counts as lost. What is
between a sender and a service that makes every frame; a receiver with a clock has `Playout`.
"""

from __future__ import annotations

from typing import Final

from motioncast.codec import DecodedFrame
from motioncast.timeline.pattern import Pattern

MAX_HELD: Final = 256  # frames; beyond that the first goes, whatever it waits for
MAX_WAIT_SECONDS: Final = 10.0


class Ordering:
    """The frames of one session.

    Args:
        pattern: Of the session.
        wait_seconds: How long a frame waits for those before it, 0 to 10.

    Raises:
        ValueError: The time is out of its range.
    """

    def __init__(self, pattern: Pattern, wait_seconds: float) -> None:
        if not 0 <= wait_seconds <= MAX_WAIT_SECONDS:
            raise ValueError(f"wait: {wait_seconds:g} s, expected 0 to {MAX_WAIT_SECONDS:g}")
        self._pattern = pattern
        self._wait = wait_seconds
        self._held: dict[int, tuple[DecodedFrame, float]] = {}
        self._last = -1  # released

    @property
    def held(self) -> int:
        """How many frames are held."""
        return len(self._held)

    @property
    def missing(self) -> bool:
        """Whether a frame that is held waits for one that was sent before it."""
        return bool(self._held) and self._lacks(min(self._held))

    def take(self, frame: DecodedFrame, now: float) -> bool:
        """Takes a frame that came at a time in seconds; returns False for one whose turn is over.

        One that is held already is taken for that.
        """
        if frame.index <= self._last:
            return False
        self._held.setdefault(frame.index, (frame, now))
        return True

    def release(self, now: float) -> list[DecodedFrame]:
        """Returns the frames whose turn it is at a time in seconds, in order."""
        released = []
        while self._held:
            first = min(self._held)
            waits = self._lacks(first) and len(self._held) <= MAX_HELD
            if waits and now < self._held[first][1] + self._wait:
                break
            released.append(self._released(first))
        return released

    def close(self) -> list[DecodedFrame]:
        """Returns what is held, in order: nothing more will come."""
        return [self._released(index) for index in sorted(self._held)]

    def due_at(self) -> float | None:
        """Returns when the next frame has its turn, if nothing comes; None when none is held."""
        return self._held[min(self._held)][1] + self._wait if self._held else None

    def _lacks(self, index: int) -> bool:
        """Whether a frame that was sent before this one has neither come nor been given up."""
        before = index - 1 - self._held[index][0].skipped
        if before >= 0:
            before = self._pattern.latest_expected(before)
        return before > self._last

    def _released(self, index: int) -> DecodedFrame:
        frame, _ = self._held.pop(index)
        self._last = index
        return frame
