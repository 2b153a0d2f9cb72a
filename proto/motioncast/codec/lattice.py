"""The lattice: keypoints as integers, 2^-14 apart (0.008 pixels at 256).

    x, y        in [-1, 1]  ->  -16384 to 16384
    intensity   in [0, 1]   ->       0 to 16384

Products with 2^14 are exact in floating point, and so are the quotients: a point of the lattice is
the same number on every machine, both as an integer and as a float32.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

UNIT: Final = 1 << 14  # steps of the lattice in 1.0

Lattice = NDArray[np.int64]  # (..., 3K): x, y, intensity of keypoint 0, of keypoint 1, ...

_LOWEST: Final = np.array([-UNIT, -UNIT, 0], np.int64)


def to_lattice(keypoints: NDArray[np.float32]) -> Lattice:
    """Returns the points (..., 3K) of the lattice that are nearest to keypoints (..., K, 3).

    Ties are rounded to even; out-of-range values are clipped.

    Raises:
        ValueError: The last axis is not x, y, intensity, or a value is not finite.
    """
    given = np.asarray(keypoints)
    if given.ndim < 2 or given.shape[-1] != 3:
        raise ValueError(f"keypoints: shape {given.shape}, expected (..., K, 3)")
    if not np.isfinite(given).all():
        raise ValueError("keypoints: a value is not finite")
    cut = np.clip(given.astype(np.float64), -1.0, 1.0)
    points = np.rint(cut * UNIT).astype(np.int64)
    return clip_lattice(points.reshape(*given.shape[:-2], -1))


def from_lattice(points: Lattice) -> NDArray[np.float32]:
    """Returns points (..., 3K) of the lattice as keypoints (..., K, 3), exactly."""
    return (points / UNIT).astype(np.float32).reshape(*points.shape[:-1], -1, 3)


def clip_lattice(points: Lattice) -> Lattice:
    """Returns points (..., 3K) with every value clipped to its range."""
    lowest = np.tile(_LOWEST, points.shape[-1] // 3)
    clipped: Lattice = np.clip(points, lowest, UNIT)
    return clipped
