"""Which frames are sent: all, M of every M + N, or those that the receiver would forecast badly.

    sent(t) = 1 where  max over keypoints of w_k |(x, y)_k(t) - (x, y)_k of the forecast| > bound

The gate considers the largest error, not the mean: most of a face is at rest most of the time, and
a mean of 2 pixels would freeze lips. It forecasts from frames as they will be decoded, just as the
receiver does.

Shapes: K keypoints (x, y, intensity).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from motioncast.sending.forecasters import Forecaster, Hold, Keypoints
from motioncast.timeline.pattern import Pattern

PIXELS_PER_UNIT: Final = 127.5  # of keypoint coordinates, in an image of 256
DEFAULT_BOUND_PIXELS: Final = 1.0
COPIED_BOUND_PIXELS: Final = 4.0  # of a gate that selects the packets to send twice after a loss
DEFAULT_HEARTBEAT_FRAMES: Final = 25
MAX_HEARTBEAT_FRAMES: Final = 252  # as far back as a packet can refer


class Policy(Protocol):
    """Decides for every frame in turn whether it is sent. Indices may skip frames."""

    def sends(self, index: int, keypoints: Keypoints) -> bool:
        """Returns whether a frame (K, 3), later than all before, is to be sent."""

    def settle(self, index: int, decoded: Keypoints | None) -> None:
        """Learns what the receiver gets for that frame: (K, 3) as decoded, or nothing."""


class EveryFrame:
    """Sends every frame."""

    def sends(self, index: int, keypoints: Keypoints) -> bool:
        """Returns True."""
        return True

    def settle(self, index: int, decoded: Keypoints | None) -> None:
        """Learns nothing."""


class Regular:
    """Sends the frames that a pattern M:N expects."""

    def __init__(self, pattern: Pattern) -> None:
        self._pattern = pattern

    def sends(self, index: int, keypoints: Keypoints) -> bool:
        """Returns whether the pattern expects the frame."""
        return self._pattern.expects(index)

    def settle(self, index: int, decoded: Keypoints | None) -> None:
        """Learns nothing."""


class Gate:
    """Sends the frames that the receiver would forecast badly, and one from time to time.

    Args:
        bound_pixels: The largest forecast error to accept, in pixels of an image of 256, above 0.
        weights: Weights of the K keypoints, as stated by the model (lips and lids weigh more). The
            bound applies to the keypoints of the largest weight; one of half that weight may err
            twice as much. Empty: all equal.
        heartbeat_frames: The longest interval between two sent frames, 1 to 252, and so the longest
            wait of a receiver that joins late or lost the last frame.
        forecaster: The receiver's forecaster.

    Raises:
        ValueError: A number is out of its range, or the weights are invalid.
    """

    def __init__(
        self,
        bound_pixels: float = DEFAULT_BOUND_PIXELS,
        weights: Sequence[float] = (),
        heartbeat_frames: int = DEFAULT_HEARTBEAT_FRAMES,
        forecaster: Forecaster | None = None,
    ) -> None:
        if not 0 < bound_pixels <= 256:
            raise ValueError(f"gate: {bound_pixels:g} pixels, expected more than 0, at most 256")
        if not 1 <= heartbeat_frames <= MAX_HEARTBEAT_FRAMES:
            raise ValueError(
                f"heartbeat: {heartbeat_frames} frames, expected 1 to {MAX_HEARTBEAT_FRAMES}"
            )
        self._bound = bound_pixels
        self._weights = _relative(weights)
        self._heartbeat = heartbeat_frames
        self._forecaster = Hold() if forecaster is None else forecaster
        self._state: Any = self._forecaster.begin()
        self._next = 0  # the frame that the state precedes
        self._sent: int | None = None

    def sends(self, index: int, keypoints: Keypoints) -> bool:
        """Returns whether the forecast is too far off, or the heartbeat is due."""
        if self._sent is None:
            self._next = index  # a forecaster's timeline begins with the first known frame
        while self._next < index:  # frames that were left out
            self._advance(None)
        forecast = self._forecaster.forecast(self._state)
        if forecast is None or self._sent is None or index - self._sent >= self._heartbeat:
            return True
        return weighted_error(forecast, keypoints, self._weights) > self._bound

    def settle(self, index: int, decoded: Keypoints | None) -> None:
        """Takes the frame as decoded, from which the receiver forecasts the next ones."""
        self._advance(decoded)
        if decoded is not None:
            self._sent = index

    def _advance(self, keypoints: Keypoints | None) -> None:
        self._state = self._forecaster.after(self._state, keypoints)
        self._next += 1


def weighted_error(
    forecast: Keypoints, truth: Keypoints, weights: NDArray[np.float64] | float = 1.0
) -> float:
    """Returns the largest w_k |(x, y)_forecast - (x, y)_truth| of keypoints (K, 3), in pixels."""
    away = (forecast[:, :2] - truth[:, :2]).astype(np.float64) * PIXELS_PER_UNIT
    return float((np.hypot(away[:, 0], away[:, 1]) * weights).max())


def _relative(weights: Sequence[float]) -> NDArray[np.float64] | float:
    """Returns weights divided by the largest of them; 1 if there are none."""
    if len(weights) == 0:
        return 1.0
    given = np.asarray(weights, np.float64)
    if not (np.isfinite(given).all() and (given >= 0).all() and given.max() > 0):
        raise ValueError("weights: expected numbers of at least 0, one of them above 0")
    relative: NDArray[np.float64] = given / given.max()
    return relative
