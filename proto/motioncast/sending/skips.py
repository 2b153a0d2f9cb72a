"""Counts the frames a sender left out on purpose, so that receivers do not take them for lost."""

from __future__ import annotations

from collections import deque

from motioncast.codec.packet import MAX_SKIPPED
from motioncast.timeline.pattern import Pattern


class Skips:
    """Counts the frames of one video that a policy left out since the last one that was sent.

    Args:
        pattern: The pattern that receivers know: frames it does not expect need not be reported.
    """

    def __init__(self, pattern: Pattern | None = None) -> None:
        self._pattern = pattern
        self._left_out: deque[int] = deque(maxlen=MAX_SKIPPED)
        self._sent = -1

    def leave_out(self, index: int) -> None:
        """Notes that a frame, later than all before, is left out on purpose."""
        self._left_out.append(index)

    def send(self, index: int) -> int:
        """Notes that a frame is sent; returns how many left-out frames before it to report."""
        count = self.before(index)
        self._sent = index
        self._left_out.clear()
        return count

    def before(self, end: int) -> int:
        """Returns how many frames directly before `end` were left out on purpose, 0 to 1023.

        Frames that the pattern does not expect count among them, but not on their own.
        """
        left_out = set(self._left_out)
        if not left_out:
            return 0
        count = 0
        for index in range(end - 1, max(self._sent, end - 1 - MAX_SKIPPED), -1):
            expected = self._pattern is None or self._pattern.expects(index)
            if index not in left_out and expected:
                break
            count += 1
        return count if any(one >= end - count for one in left_out) else 0
