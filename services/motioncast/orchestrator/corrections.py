"""What a predictor saw lately, so that frames which come late can be put where they belong.

    seen        state 0 ─ span ─► state 1 ─ span ─► state 2
    late        a frame of the first span, which was forecast when it was made
    corrected   state 0 ─ both spans, with the frame ─► another state 2, to go on from

Frames that were made stay as they are; those that follow are forecast from what is known by now.
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

MAX_FRAMES: Final = MAX_OBSERVED  # that are kept: those of one call


class Corrections(Generic[State]):
    """The spans that one predictor has seen, the newest alone, with the state before each."""

    def __init__(self) -> None:
        self._seen: deque[tuple[State | None, Span]] = deque()

    def note(self, state: State | None, span: Span) -> None:
        """Notes that a predictor has seen a span, from a state on."""
        self._seen.append((state, span))
        while sum(len(one.observed) for _, one in self._seen) > MAX_FRAMES:
            self._seen.popleft()

    def with_late(self, late: Mapping[int, Keypoints]) -> tuple[State | None, Span] | None:
        """Returns from which state on a predictor has to see which span anew; None: nothing.

        Args:
            late: Keypoints (K, 3) of frames that came, by their index. Those that are too old, or
                were there already, count for nothing.
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
