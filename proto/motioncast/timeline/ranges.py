"""The valid values of keypoints (..., K, 3): x and y in [-1, 1], intensity in [0, 1]."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

POSITION: Final = (-1.0, 1.0)  # of x and y
INTENSITY: Final = (0.0, 1.0)

_LOWEST: Final = np.array([POSITION[0], POSITION[0], INTENSITY[0]], np.float32)
_HIGHEST: Final = np.array([POSITION[1], POSITION[1], INTENSITY[1]], np.float32)


def clip_keypoints(keypoints: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns keypoints (..., 3) with every value clipped to its range; NaN stays NaN.

    A forecast of motion can overshoot; a keypoint outside the image is not valid.
    """
    clipped: NDArray[np.float32] = np.clip(keypoints, _LOWEST, _HIGHEST)
    return clipped
