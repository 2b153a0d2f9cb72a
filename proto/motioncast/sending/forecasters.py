"""What a receiver thinks that the next frame is; a sender that gates runs the same.

What a forecaster remembers goes in and comes out, so that a late frame can be put where it belongs
and the frames after it forecast anew.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Keypoints = NDArray[np.float32]  # (K, 3)


class Forecaster(Protocol):
    """A predictor along the timeline, whatever its state is. States are never changed in place."""

    def begin(self) -> Any:
        """Returns the state before any frame."""

    def forecast(self, state: Any) -> Keypoints | None:
        """Returns the keypoints (K, 3) of the next frame; None as long as nothing is known."""

    def after(self, state: Any, keypoints: Keypoints | None) -> Any:
        """Returns the state past the next frame: observed (K, 3), or None."""


class Hold:
    """The next frame is as the last one that came; as good as any where motion is not known."""

    def begin(self) -> Keypoints | None:
        """Returns that nothing is known."""
        return None

    def forecast(self, state: Keypoints | None) -> Keypoints | None:
        """Returns the last frame that came."""
        return state

    def after(self, state: Keypoints | None, keypoints: Keypoints | None) -> Keypoints | None:
        """Returns the frame, if it came, else the one before."""
        return state if keypoints is None else keypoints
