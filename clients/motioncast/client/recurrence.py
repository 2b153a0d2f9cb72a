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
        self._unseen: list[Keypoints] = []

    def fill(
        self,
        keypoints: NDArray[np.float32],
        observed: NDArray[np.bool_],
        hold: Keypoints,
    ) -> NDArray[np.float32]:
        """Returns the keypoints of every one of the timeline's next frames, (T, K, 3).

        Args:
            keypoints: (T, K, 3); those not observed are not looked at. At most 32 frames.
            observed: (T,).
            hold: (K, 3), for frames before the first observed one.
        """
        started = self._state is not None or bool(self._unseen)
        held = 0 if started else _leading_gap(observed)
        rest, seen = keypoints[held:], observed[held:]
        if seen.all():
            self._note(list(rest))
            filled = rest
        else:
            count = len(self._unseen)
            span = Span(
                0,
                np.concatenate([np.reshape(self._unseen, (count, *hold.shape)), rest]).astype(
                    np.float32
                ),
                np.concatenate([np.ones(count, np.bool_), seen]),
            )
            filled = self._advance(span)[count:]
        return np.concatenate([np.repeat(hold[np.newaxis], held, axis=0), filled])

    def _note(self, observed: list[Keypoints]) -> None:
        self._unseen += observed
        if len(self._unseen) > MAX_UNSEEN:
            self._advance(Span(0, np.stack(self._unseen), np.ones(len(self._unseen), np.bool_)))

    def _advance(self, span: Span) -> NDArray[np.float32]:
        forecast, self._state = self._predictor.advance(span.keypoints, span.observed, self._state)
        self._unseen = []
        return span.filled(forecast)


def _leading_gap(observed: NDArray[np.bool_]) -> int:
    return int(observed.argmax()) if observed.any() else len(observed)
