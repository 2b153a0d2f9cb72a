"""Facial expression: how far mouth and lids are open, from anchored keypoints.

    mouth  = |upper lip, lower lip| / e                between the lips, at their middle
    lids   = mean of both eyes' |upper lid, lower lid| / e
    e      = |outer corner of one eye, of the other|   which makes it independent of distance

Anchored keypoints mark the same points of every face. The indices needed here follow; the whole
table of 70 is defined where they are trained (`models/face/keypoints.py`).

Shapes: T frames, K keypoints of square frames: x, y and possibly more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from motioncast.quality.agreement import Agreement, motion_agreement

ANCHORED: Final = 70  # number of anchored keypoints, the first ones, if there are any
LIPS: Final = (21, 15)  # upper and lower, inside
LIDS: Final = ((30, 26), (38, 34))  # upper and lower, of both eyes
EYES: Final = (24, 32)  # outer corners


@dataclass(frozen=True, slots=True)
class Movement:
    """How the motion of a result's keypoints agrees with the original's."""

    keypoints: Agreement  # x and y of all
    mouth: Agreement | None  # its opening; None if no keypoint is anchored
    lids: Agreement | None


def compare_movement(result: NDArray[Any], original: NDArray[Any], *, anchored: bool) -> Movement:
    """Compares the keypoints (T, K, 3) found in a result with those found in the original.

    Raises ValueError as `motion_agreement` does.
    """
    return Movement(
        motion_agreement(result[..., :2], original[..., :2]),
        motion_agreement(mouth_opening(result), mouth_opening(original)) if anchored else None,
        motion_agreement(lid_opening(result), lid_opening(original)) if anchored else None,
    )


def shows_expression(anchored_keypoints: int) -> bool:
    """Returns whether mouth and lids can be measured, given a model's anchored keypoints."""
    return anchored_keypoints == ANCHORED


def mouth_opening(keypoints: NDArray[Any]) -> NDArray[np.float64]:
    """Returns how far the mouth is open, (T,), relative to the distance between the eyes."""
    return _distance(keypoints, *LIPS) / _distance(keypoints, *EYES)


def lid_opening(keypoints: NDArray[Any]) -> NDArray[np.float64]:
    """Returns how far the lids are open, (T,), mean of both, relative to the eyes' distance."""
    left, right = (_distance(keypoints, *lids) for lids in LIDS)
    return (left + right) / 2 / _distance(keypoints, *EYES)


def _distance(keypoints: NDArray[Any], one: int, other: int) -> NDArray[np.float64]:
    difference = keypoints[:, one, :2].astype(np.float64) - keypoints[:, other, :2]
    distance: NDArray[np.float64] = np.hypot(difference[:, 0], difference[:, 1])
    return distance
