"""Correlation and amplitude of motion agree with closed forms and numpy."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from motioncast.quality.agreement import Agreement, motion_agreement

OPENING = np.sin(np.arange(100) * 2 * np.pi / 25) + 3  # four whole periods


def test_the_same_motion_elsewhere_agrees_wholly() -> None:
    found = motion_agreement(OPENING - 7, OPENING)
    assert (found.correlation, found.amplitude) == pytest.approx((1, 1))


def test_half_as_far_in_time_correlates_wholly() -> None:
    found = motion_agreement(OPENING / 2, OPENING)
    assert (found.correlation, found.amplitude) == pytest.approx((1, 0.5))


def test_a_delay_costs_the_cosine_of_its_phase() -> None:
    found = motion_agreement(np.roll(OPENING, 3), OPENING)
    assert found.correlation == pytest.approx(np.cos(3 * 2 * np.pi / 25))


def test_of_openings_it_is_numpys_correlation() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 50))
    found = motion_agreement(a, b)
    assert found.correlation == pytest.approx(np.corrcoef(a, b)[0, 1])
    assert found.amplitude == pytest.approx(a.std() / b.std())


def test_keypoints_that_rest_elsewhere_do_not_count_as_motion() -> None:
    keypoints = np.zeros((100, 2, 2))
    keypoints[:, 0, 1] = OPENING
    elsewhere = keypoints + np.array([[5.0, 1.0], [-4.0, 0.3]])
    found = motion_agreement(elsewhere, keypoints)
    assert (found.correlation, found.amplitude) == pytest.approx((1, 1))


def test_what_stands_still_agrees_with_nothing_that_moves() -> None:
    assert motion_agreement(np.full(100, 0.1), OPENING) == Agreement(0.0, 0.0)


def test_against_a_still_original_nothing_is_said() -> None:
    found = motion_agreement(OPENING, np.full(100, 0.1))
    assert np.isnan([found.correlation, found.amplitude]).all()


@pytest.mark.parametrize(
    ("result", "message"),
    [(np.zeros(3), "compared"), (np.full(100, np.nan), "finite")],
)
def test_what_is_no_such_motion_is_refused(result: NDArray[np.float64], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        motion_agreement(result, OPENING)
