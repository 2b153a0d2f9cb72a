"""Recent input of a predictor, kept so that late frames can be inserted where they belong.

    seen        state 0 ─ span ─► state 1 ─ span ─► state 2
    late        a frame of the first span, which was forecast when the span was processed
    corrected   state 0 ─ both spans, with the frame ─► a new state 2, to continue from

Frames already produced stay as they are; later ones are forecast from the corrected state.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Final, Generic, TypeVar

import numpy as np

from motioncast.timeline.span import Span
from motioncast.timeline.unseen import MAX_OBSERVED
from motioncast.wire.keypoints import Keypoints

State = TypeVar("State")

MAX_FRAMES: Final = MAX_OBSERVED  # kept: those of one call


class Corrections(Generic[State]):
    """The newest spans that one predictor has processed, with the state before each."""

    def __init__(self) -> None:
        self._seen: deque[tuple[State | None, Span]] = deque()

    def note(self, state: State | None, span: Span) -> None:
        """Records that a predictor processed a span, starting from a state."""
        self._seen.append((state, span))
        while sum(len(one.observed) for _, one in self._seen) > MAX_FRAMES:
            self._seen.popleft()

    def with_late(self, late: Mapping[int, Keypoints]) -> tuple[State | None, Span] | None:
        """Returns the state and span that a predictor has to process again, or None.

        Args:
            late: Keypoints (K, 3) of late frames by index. Frames that are too old, or that were
                already observed, are ignored.
        """
        wanted = {
            index: keypoints
            for index, keypoints in late.items()
            for _, span in self._seen
            if span.start <= index < span.end and not span.observed[index - span.start]
        }
        if not wanted:
            return None
        while self._seen[0][1].end <= min(wanted):
            self._seen.popleft()
        state, span = self._seen[0]
        for _, following in list(self._seen)[1:]:
            span = span.followed_by(following)
        keypoints, observed = span.keypoints.copy(), span.observed.copy()
        for index, known in wanted.items():
            keypoints[index - span.start] = known
            observed[index - span.start] = True
        self._seen.clear()
        return state, Span(span.start, keypoints, np.asarray(observed, np.bool_))
