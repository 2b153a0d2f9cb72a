"""The predictor along a receiver's timeline: it supplies what was not observed.

What it sees when is the service's rule (`motioncast.timeline.unseen`), so that both give the same
frames. Shapes: T frames, K keypoints.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from motioncast.client.rendering import MAX_FRAMES_PER_RUN, Predictor, State
from motioncast.client.types import Keypoints
from motioncast.timeline.span import Span
from motioncast.timeline.unseen import Unseen


class Recurrence:
    """Fills the gaps of one timeline.

    Args:
        predictor: Goes along it.
    """

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._state: State | None = None
        self._unseen = Unseen(MAX_FRAMES_PER_RUN)

    def fill(self, stretch: Span, hold: Keypoints) -> NDArray[np.float32]:
        """Returns the keypoints of every frame of a stretch, (T, K, 3).

        Args:
            stretch: The timeline's next frames, 32 at most.
            hold: (K, 3), for frames before the first observed one.
        """
        plan = self._unseen.plan(stretch)
        filled = plan.rest.keypoints
        if plan.span is not None:
            forecast, self._state = self._predictor.advance(
                plan.span.keypoints, plan.span.observed, self._state
            )
            self._unseen.seen()
            if plan.gaps:
                filled = plan.span.filled(forecast)[-len(filled) :]
        return np.concatenate([np.repeat(hold[np.newaxis], plan.held, axis=0), filled])
