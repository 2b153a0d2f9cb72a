"""Frames between two known ones are interpolated linearly if the next one is near enough."""

from __future__ import annotations

import numpy as np
import pytest

from motioncast.timeline.interpolation import between, interpolated


def line(frames: int) -> np.ndarray:
    """Returns keypoints (T, 1, 3) moving by a constant amount per frame."""
    steps = np.arange(frames)[:, None, None] * np.array([0.1, -0.05, 0.02])
    moved: np.ndarray = steps.astype(np.float32)
    return moved


def test_a_third_of_the_way_is_a_third_of_the_difference() -> None:
    moved = line(10)
    found = between((1, moved[1]), (7, moved[7]), 3)
    np.testing.assert_allclose(found, moved[3], atol=1e-6)


@pytest.mark.parametrize("index", [1, 7, 0, 9])
def test_what_is_not_between_is_refused(index: int) -> None:
    moved = line(10)
    with pytest.raises(ValueError, match="not between 1 and 7"):
        between((1, moved[1]), (7, moved[7]), index)


def test_a_steady_motion_is_restored_where_the_delay_reaches() -> None:
    truth = line(8)
    observed = np.array([1, 0, 0, 0, 1, 0, 1, 0], bool)
    filled, known = interpolated(np.where(observed[:, None, None], truth, 0), observed, 2)
    assert known.tolist() == [True, False, True, True, True, True, True, False]
    np.testing.assert_allclose(filled[known], truth[known], atol=1e-6)
    assert not filled[~known].any()


def test_without_a_delay_nothing_is_filled() -> None:
    observed = np.array([1, 0, 1], bool)
    filled, known = interpolated(line(3) * observed[:, None, None], observed, 0)
    assert known.tolist() == observed.tolist()
    assert not filled[1].any()
