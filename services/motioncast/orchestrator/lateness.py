"""How late groups are for a video played as it arrives, and the 95th percentile of that lateness.

    due(n)  = max(arrival of the last message of group n, due(n - 1) + frames(n - 1) / rate)
    late(n) = max(0, completion of group n - due(n))

For a real-time sender the first term applies, and `late` is the time its group took. For one that
sends faster than the video plays, such as a file, the second applies: frames sent early are not due
yet.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import Final

WINDOW_SECONDS: Final = 10.0
LEAST_GROUPS: Final = 20  # fewer give no meaningful 95th percentile
_MOST_GROUPS: Final = 4096  # in the window


class Schedule:
    """The due times of one session's groups.

    Args:
        frame_rate: Frame rate of the video, frames per second.
    """

    def __init__(self, frame_rate: float) -> None:
        self._frame_rate = frame_rate
        self._due = -math.inf  # due time of the next group if it were here already

    def late(self, frames: int, came: float, made: float) -> float:
        """Returns by how many seconds a session's next group is late.

        Args:
            frames: Number of frames in the group.
            came: When its last message arrived.
            made: When its frames were ready, on the same clock.
        """
        due = max(came, self._due)
        self._due = due + frames / self._frame_rate
        return max(0.0, made - due)


class Lateness:
    """Lateness of the groups of all sessions in the last `WINDOW_SECONDS`.

    Args:
        clock: Returns the time in seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._groups: deque[tuple[float, float]] = deque(maxlen=_MOST_GROUPS)  # when, how late

    def add(self, seconds: float) -> None:
        """Adds a group that was completed just now."""
        self._groups.append((self._clock(), seconds))

    def p95(self) -> float | None:
        """Returns the 95th percentile of lateness in seconds; None for too few groups."""
        since = self._clock() - WINDOW_SECONDS
        while self._groups and self._groups[0][0] < since:
            self._groups.popleft()
        if len(self._groups) < LEAST_GROUPS:
            return None
        late = sorted(seconds for _, seconds in self._groups)
        return late[math.ceil(0.95 * len(late)) - 1]
