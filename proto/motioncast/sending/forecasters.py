"""How a receiver forecasts the next frame; a sender that gates runs the same forecaster.

A forecaster's state is passed in and returned, so that a late frame can be inserted in its place
and the frames after it forecast again.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Keypoints = NDArray[np.float32]  # (K, 3)


class Forecaster(Protocol):
    """A predictor along the timeline, with any kind of state. States are never changed in place."""

    def begin(self) -> Any:
        """Returns the state before any frame."""

    def forecast(self, state: Any) -> Keypoints | None:
        """Returns the keypoints (K, 3) of the next frame; None while nothing is known."""

    def after(self, state: Any, keypoints: Keypoints | None) -> Any:
        """Returns the state after the next frame: observed (K, 3), or None."""


class Hold:
    """Repeats the last observed frame; as good as any forecast if the motion is unknown."""

    def begin(self) -> Keypoints | None:
        """Returns None: nothing is known."""
        return None

    def forecast(self, state: Keypoints | None) -> Keypoints | None:
        """Returns the last observed frame."""
        return state

    def after(self, state: Keypoints | None, keypoints: Keypoints | None) -> Keypoints | None:
        """Returns the frame if it was observed, else the one before."""
        return state if keypoints is None else keypoints
