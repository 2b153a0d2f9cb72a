"""The predictor along a receiver's timeline: it supplies what was not observed.

The rules are those of the service (`motioncast.orchestrator.recurrence`), so that both give the
same frames: observed frames wait until a gap comes or they have become many; frames before the
first observed one hold the source.

Shapes: T frames, K keypoints.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from motioncast.client.rendering import MAX_FRAMES_PER_RUN, Predictor, State
from motioncast.client.types import Keypoints
from motioncast.timeline.span import Span

MAX_UNSEEN: Final = 256 - MAX_FRAMES_PER_RUN  # observed frames that wait


class Recurrence:
    """Fills the gaps of one timeline.

    Args:
        predictor: Goes along it.
    """

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._state: State | None = None
        self._unseen: Span | None = None  # observed frames only

    def fill(self, stretch: Span, hold: Keypoints) -> NDArray[np.float32]:
        """Returns the keypoints of every frame of a stretch, (T, K, 3).

        Args:
            stretch: The timeline's next frames, 32 at most.
            hold: (K, 3), for frames before the first observed one.
        """
        started = self._state is not None or self._unseen is not None
        length = len(stretch.observed)
        held = 0 if started else stretch.leading_gap
        rest = stretch.part(held, length)
        if rest.observed.all():
            if held < length:
                self._note(rest)
            filled = rest.keypoints
        else:
            span = rest if self._unseen is None else self._unseen.followed_by(rest)
            filled = self._advance(span)[held - length :]
        return np.concatenate([np.repeat(hold[np.newaxis], held, axis=0), filled])

    def _note(self, observed: Span) -> None:
        self._unseen = observed if self._unseen is None else self._unseen.followed_by(observed)
        if len(self._unseen.observed) > MAX_UNSEEN:
            self._advance(self._unseen)

    def _advance(self, span: Span) -> NDArray[np.float32]:
        forecast, self._state = self._predictor.advance(span.keypoints, span.observed, self._state)
        self._unseen = None
        return span.filled(forecast)
