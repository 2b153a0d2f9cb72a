"""A span of the timeline: consecutive frames, some of which were observed.

Shapes: T frames, M of them observed, K keypoints.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from motioncast.timeline.ranges import clip_keypoints


@dataclass(frozen=True, slots=True)
class Span:
    """T consecutive frames.

    Attributes:
        start: Index of the first frame on the timeline.
        keypoints: (T, K, 3), zeros for unobserved frames.
        observed: (T,).
    """

    start: int
    keypoints: NDArray[np.float32]
    observed: NDArray[np.bool_]

    @property
    def end(self) -> int:
        """Index of the first frame after the span."""
        return self.start + len(self.observed)

    @property
    def leading_gap(self) -> int:
        """How many frames precede the first observed one."""
        return int(self.observed.argmax()) if self.observed.any() else len(self.observed)

    def part(self, first: int, end: int) -> Span:
        """Returns the frames from `first` to `end`, counted from the span's own first."""
        return Span(self.start + first, self.keypoints[first:end], self.observed[first:end])

    def followed_by(self, following: Span) -> Span:
        """Returns these frames followed by those of the span that starts where this one ends."""
        return Span(
            self.start,
            np.concatenate([self.keypoints, following.keypoints]),
            np.concatenate([self.observed, following.observed]),
        )

    def filled(self, forecast: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns the keypoints of every frame, (T, K, 3): observed, else from forecast (T, K, 3).

        The forecast is clipped to the range of keypoints, as forecasts of motion overshoot.
        """
        given = self.observed[:, np.newaxis, np.newaxis]
        filled: NDArray[np.float32] = np.where(given, self.keypoints, clip_keypoints(forecast))
        return filled
