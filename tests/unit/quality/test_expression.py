"""Openings of mouth and lids of a hand-made face."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from motioncast.quality.expression import (
    EYES,
    LIDS,
    LIPS,
    compare_movement,
    lid_opening,
    mouth_opening,
    shows_expression,
)

TURN = np.linspace(0, 4 * np.pi, 60)
MOUTH = 0.1 + 0.1 * np.sin(TURN)
LEFT, RIGHT = 0.05 + 0.03 * np.cos(TURN), 0.05 + 0.01 * np.cos(TURN)


def face(
    mouth: NDArray[np.float64] = MOUTH, left: NDArray[np.float64] = LEFT, side: float = 0.5
) -> NDArray[np.float64]:
    """Returns keypoints (T, 80, 3) with eyes `side` apart, the unit of openings."""
    points = np.zeros((len(mouth), 80, 3))
    points[:, EYES[1], 0] = side
    points[:, LIPS[1], 1] = side * mouth
    for (_, lower), opening in zip(LIDS, (left, RIGHT), strict=True):
        points[:, lower, 1] = side * opening
    return points


def test_openings_are_in_distances_between_the_eyes() -> None:
    for side in (0.2, 0.5):
        np.testing.assert_allclose(mouth_opening(face(side=side)), MOUTH)
        np.testing.assert_allclose(lid_opening(face(side=side)), (LEFT + RIGHT) / 2)


def test_a_head_that_turns_in_the_plane_opens_nothing() -> None:
    points = face()
    cos, sin = np.cos(0.3), np.sin(0.3)
    points[..., :2] = points[..., :2] @ np.array([[cos, sin], [-sin, cos]]) + 0.1
    np.testing.assert_allclose(mouth_opening(points), MOUTH)
    np.testing.assert_allclose(lid_opening(points), (LEFT + RIGHT) / 2)


def test_a_mouth_that_opens_half_as_far_and_lids_that_rest() -> None:
    found = compare_movement(face(MOUTH / 2, 0.06 - RIGHT), face(), anchored=True)
    assert found.mouth is not None
    assert found.lids is not None
    assert (found.mouth.correlation, found.mouth.amplitude) == pytest.approx((1, 0.5))
    # The two eyes' motions cancel, leaving a constant 0.06 / 2.
    assert found.lids.amplitude == pytest.approx(0, abs=1e-12)


def test_without_anchored_keypoints_there_is_the_motion_of_all() -> None:
    found = compare_movement(face() + 0.3, face(), anchored=False)
    assert found.mouth is found.lids is None
    assert (found.keypoints.correlation, found.keypoints.amplitude) == pytest.approx((1, 1))


@pytest.mark.parametrize(("anchored", "shown"), [(0, False), (70, True), (69, False), (80, False)])
def test_mouth_and_lids_are_measured_on_the_seventy_points_that_are_known(
    anchored: int, shown: bool
) -> None:
    assert shows_expression(anchored) is shown
