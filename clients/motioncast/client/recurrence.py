"""The predictor along a receiver's timeline: it supplies the frames that were not observed.

When it sees which frames follows the service's rule (`motioncast.timeline.unseen`), so both give
the same frames. Shapes: T frames, K keypoints.
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
        predictor: The predictor that advances along the timeline.
    """

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._state: State | None = None
        self._unseen = Unseen(MAX_FRAMES_PER_RUN)

    def fill(self, stretch: Span, hold: Keypoints) -> NDArray[np.float32]:
        """Returns the keypoints of every frame of a stretch, (T, K, 3).

        Args:
            stretch: The timeline's next frames, at most 32.
            hold: (K, 3), used for frames before the first observed one.
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
