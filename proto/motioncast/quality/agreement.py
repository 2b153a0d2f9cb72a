"""Whether points, or a mouth's opening, move as in the original: correlation and amplitude.

    a, b         result and original, minus each coordinate's mean over time
    correlation  sum a b / sqrt(sum a^2 sum b^2)
    amplitude    sqrt(sum a^2 / sum b^2)

Correlation measures whether it moves at the right time in the right direction, amplitude how far.
A still result has 0 for both; a mouth that opens half as far, in time, has 1 and 0.5.

Shapes: T frames; openings (T,), keypoints (T, K, 2), or anything else with T first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Agreement:
    """How the motion of a result agrees with the original's."""

    correlation: float  # in [-1, 1]
    amplitude: float  # 1 if it moves as far as the original


def motion_agreement(result: NDArray[Any], original: NDArray[Any]) -> Agreement:
    """Measures the motion of a result (T, ...) against the original's, in any common unit.

    Both figures are NaN if the original does not move. Raises ValueError for different shapes,
    fewer than 2 frames and values that are not finite.
    """
    if result.shape != original.shape:
        raise ValueError(f"motion: {result.shape} and {original.shape} cannot be compared")
    if len(result) < 2:
        raise ValueError("motion: at least 2 frames are needed")
    if not (np.isfinite(result).all() and np.isfinite(original).all()):
        raise ValueError("motion: expected finite numbers")
    a, b = (_centred(one.astype(np.float64)) for one in (result, original))
    moved, true = float(np.square(a).sum()), float(np.square(b).sum())
    if true == 0:
        return Agreement(float("nan"), float("nan"))
    if moved == 0:
        return Agreement(0.0, 0.0)
    return Agreement(
        float((a * b).sum()) / np.sqrt(moved * true).item(), float(moved / true) ** 0.5
    )


def _centred(values: NDArray[np.float64]) -> NDArray[np.float64]:
    # Subtract the first frame first, so that constant values become exactly 0, without rounding.
    change = values - values[0]
    centred: NDArray[np.float64] = change - change.mean(axis=0)
    return centred
