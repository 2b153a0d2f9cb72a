"""How late groups are for a video that is shown as it comes, and the 95th percentile of that.

    due(n)  = max(when the last message of group n came, due(n - 1) + frames(n - 1) / rate)
    late(n) = max(0, when group n was made - due(n))

A sender in real time is at the first term, and `late` is what its group took. One that sends faster
than the video runs, a file, is at the second: what it sends ahead is not due yet.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import Final

WINDOW_SECONDS: Final = 10.0
LEAST_GROUPS: Final = 20  # of which a 95th percentile is told: the largest of fewer is chance
_MOST_GROUPS: Final = 4096  # in the window


class Schedule:
    """When the groups of one session are due.

    Args:
        frame_rate: Of the video, frames per second.
    """

    def __init__(self, frame_rate: float) -> None:
        self._frame_rate = frame_rate
        self._due = -math.inf  # of the group to come, were it here already

    def late(self, frames: int, came: float, made: float) -> float:
        """Returns by how many seconds a session's next group is late.

        Args:
            frames: Of the group.
            came: When its last message came.
            made: When its frames were ready, on the same clock.
        """
        due = max(came, self._due)
        self._due = due + frames / self._frame_rate
        return max(0.0, made - due)


class Lateness:
    """How late the groups of all sessions were in the last `WINDOW_SECONDS`.

    Args:
        clock: Tells the time in seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._groups: deque[tuple[float, float]] = deque(maxlen=_MOST_GROUPS)  # when, how late

    def add(self, seconds: float) -> None:
        """Adds a group that has just been made."""
        self._groups.append((self._clock(), seconds))

    def p95(self) -> float | None:
        """Returns what 95 of 100 groups were not later than, in seconds; None of too few groups."""
        since = self._clock() - WINDOW_SECONDS
        while self._groups and self._groups[0][0] < since:
            self._groups.popleft()
        if len(self._groups) < LEAST_GROUPS:
            return None
        late = sorted(seconds for _, seconds in self._groups)
        return late[math.ceil(0.95 * len(late)) - 1]
