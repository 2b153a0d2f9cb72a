"""A video of two moving points whose keypoints the toy models detect exactly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from support.toy_models import image_with_points, keypoints_of_points

SOURCE_POINTS = ((8, 8), (4, 4))
SOURCE = image_with_points(*SOURCE_POINTS)


def points(t: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Returns the positions of the red and green pixels in frame t."""
    return (t % 16, (3 * t) % 16), ((5 + t) % 16, 2)


def image(t: int) -> NDArray[np.uint8]:
    """Returns frame t."""
    return image_with_points(*points(t))


def keypoints(t: int) -> NDArray[np.float32]:
    """Returns the keypoints (2, 3) of frame t."""
    return keypoints_of_points(*points(t))
