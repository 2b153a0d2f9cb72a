"""The predictor's recurrence along one session's timeline, for a predictor that keeps no state."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from motioncast.inference import ModelSet
from motioncast.inference.engine import Array
from motioncast.inference.forecast import forecast_errors, noise
from motioncast.orchestrator.gaps import MAX_OBSERVED
from motioncast.orchestrator.settings import MAX_STRETCH_FRAMES
from motioncast.wire.keypoints import Keypoints

_ONE_PATH: Final = 1


class Recurrence:
    """The state, and the observed frames that the predictor has yet to see.

    As in `GapFiller`: it has to see every observed frame, but only before it forecasts.

    Args:
        models: The configuration.
        seed: Of the noise; None for the mean path.
    """

    def __init__(self, models: ModelSet, seed: int | None) -> None:
        self._models = models
        self._seed = seed
        self._state: Array = np.zeros((_ONE_PATH, models.state), np.float32)
        self._is_new = True  # nothing was run yet
        self._unseen: list[Keypoints] = []
        self._unseen_from = 0  # index of the first of them

    @property
    def started(self) -> bool:
        """Whether any frame was observed."""
        return not self._is_new or bool(self._unseen)

    @property
    def is_behind(self) -> bool:
        """Whether there are frames that the predictor has yet to see."""
        return bool(self._unseen)

    @property
    def is_full(self) -> bool:
        """Whether it should see them now, for one call takes no more."""
        return len(self._unseen) + MAX_STRETCH_FRAMES > MAX_OBSERVED

    def collect(self, start: int, keypoints: Keypoints) -> None:
        """Notes observed frames in a row, (T, K, 3), from index `start` on."""
        if not self._unseen:
            self._unseen_from = start
        self._unseen.extend(keypoints)

    def unseen(self) -> tuple[int, Keypoints]:
        """Returns the index of the first frame yet to be seen, and all of them, (T, K, 3)."""
        return self._unseen_from, np.stack(self._unseen)

    def inputs(self, start: int, observed: NDArray[np.bool_]) -> dict[str, Array]:
        """Returns what a run over T frames takes besides keypoints.

        Args:
            start: Index of the first.
            observed: (T,), which of them are.
        """
        length, size = len(observed), self._models.noise_size
        return {
            "observed": observed.astype(np.float32)[np.newaxis],
            "noise": noise(self._seed, start, length, _ONE_PATH, size),
            "state": self._state,
        }

    def advance(
        self,
        forecast: Keypoints,
        next_state: Array,
        observed: NDArray[np.bool_],
        keypoints: Keypoints,
    ) -> list[float]:
        """Goes on to the state after a run; returns one-step errors of its observed frames.

        Args:
            forecast: (1, T, K, 3).
            next_state: (1, S).
            observed: (T,).
            keypoints: (T, K, 3); looked at where observed.

        Raises:
            ArithmeticError: The run led to what is no number.
        """
        if not (np.isfinite(forecast).all() and np.isfinite(next_state).all()):
            raise ArithmeticError(f"{self._models.predictor_model}: the forecast is not finite")
        errors: list[float] = forecast_errors(forecast[:, observed], keypoints[observed]).tolist()
        if self._is_new:
            del errors[:1]  # nothing forecasts the first frame of a timeline
        self._state, self._is_new = next_state, False
        self._unseen = []
        return errors
