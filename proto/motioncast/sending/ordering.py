"""Puts frames that arrive in any order back in order: each waits for those sent before it.

    take(frame, now)   -> whether it is still of use; a late frame is not
    release(now)       -> frames whose turn has come

A frame waits only for frames that were sent and did not arrive: those that the pattern or a gate
left out are known, from the pattern and from the packets. After `wait_seconds` missing frames count
as lost. For a service that makes every frame; a receiver with a clock uses `Playout`.
"""

from __future__ import annotations

from typing import Final

from motioncast.codec import DecodedFrame
from motioncast.timeline.pattern import Pattern

MAX_HELD: Final = 256  # frames; beyond that the first is released, whatever it waits for
MAX_WAIT_SECONDS: Final = 10.0


class Ordering:
    """The frames of one session.

    Args:
        pattern: The session's pattern.
        wait_seconds: How long a frame waits for earlier ones, 0 to 10.

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
        """Whether a held frame waits for one that was sent before it."""
        return bool(self._held) and self._lacks(min(self._held))

    def take(self, frame: DecodedFrame, now: float) -> bool:
        """Takes a frame that arrived at a time in seconds; returns False if its turn is over.

        A duplicate of a held frame is ignored.
        """
        if frame.index <= self._last:
            return False
        self._held.setdefault(frame.index, (frame, now))
        return True

    def release(self, now: float) -> list[DecodedFrame]:
        """Returns the frames whose turn has come at a time in seconds, in order."""
        released = []
        while self._held:
            first = min(self._held)
            waits = self._lacks(first) and len(self._held) <= MAX_HELD
            if waits and now < self._held[first][1] + self._wait:
                break
            released.append(self._released(first))
        return released

    def close(self) -> list[DecodedFrame]:
        """Returns all held frames in order, as nothing more will arrive."""
        return [self._released(index) for index in sorted(self._held)]

    def due_at(self) -> float | None:
        """Returns when the next frame is released if nothing arrives; None if none is held."""
        return self._held[min(self._held)][1] + self._wait if self._held else None

    def _lacks(self, index: int) -> bool:
        """Whether a frame sent before this one has neither arrived nor been given up."""
        before = index - 1 - self._held[index][0].skipped
        if before >= 0:
            before = self._pattern.latest_expected(before)
        return before > self._last

    def _released(self, index: int) -> DecodedFrame:
        frame, _ = self._held.pop(index)
        self._last = index
        return frame
