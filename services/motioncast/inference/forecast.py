"""What all who call a predictor model agree on: its noise, and how its forecast is read.

Shapes: N sample paths, T frames, M observed ones of them, K keypoints.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from motioncast.inference.engine import Array
from motioncast.timeline.ranges import clip_keypoints
from motioncast.wire.keypoints import Keypoints


def noise(
    seed: int | None, start: int, length: int, samples: int, size: int
) -> NDArray[np.float32]:
    """Returns standard normal noise (samples, length, size); zeros without a seed.

    The noise of a frame follows from the seed and the frame's index alone. So a call that is
    repeated, another replica, and a timeline that is cut into other calls all give the same path;
    and a path does not depend on how many others are drawn.
    """
    values = np.zeros((samples, length, size), np.float32)
    if seed is not None:
        for t in range(length):
            generator = np.random.default_rng([seed, start + t])  # PCG64
            values[:, t] = generator.standard_normal((samples, size), dtype=np.float32)
    return values


def is_finite(outputs: Mapping[str, Array]) -> bool:
    """Returns whether a forecast and the state after it are numbers."""
    return bool(np.isfinite(outputs["forecast"]).all() and np.isfinite(outputs["next_state"]).all())


def stated_interval(half_widths: NDArray[np.float32] | None) -> Keypoints | None:
    """Returns half-widths (N, T, K, 3) as one set per frame; None where nothing is stated.

    A model that was never calibrated states zeros.
    """
    if half_widths is None or not half_widths.any():
        return None
    stated: Keypoints = half_widths.mean(axis=0)
    return stated


def forecast_errors(forecast: Keypoints, observed: Keypoints) -> NDArray[np.float32]:
    """Returns how far observed keypoints (M, K, 3) lie from their forecast (N, M, K, 3), (M,).

    The mean distance of x and y over keypoints and sample paths; of the forecast as it would be
    used, cut to the range of keypoints.
    """
    offsets = clip_keypoints(forecast)[..., :2] - observed[..., :2]
    distances: NDArray[np.float32] = np.hypot(offsets[..., 0], offsets[..., 1])
    errors: NDArray[np.float32] = distances.mean(axis=(0, 2))
    return errors
