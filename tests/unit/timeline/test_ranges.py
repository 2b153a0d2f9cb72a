"""Keypoints lie in the image, and intensity between 0 and 1."""

from __future__ import annotations

import numpy as np
import pytest

from motioncast.timeline.ranges import clip_keypoints
from motioncast.wire.errors import InvalidInputError
from motioncast.wire.keypoints import check_keypoints


def test_positions_and_intensity_are_cut_each_at_its_own_ends() -> None:
    wild = np.array([[[-2.0, 2.0, -2.0], [0.25, -0.25, 0.5], [1.5, -1.5, 1.5]]], np.float32)
    expected = np.array([[[-1.0, 1.0, 0.0], [0.25, -0.25, 0.5], [1.0, -1.0, 1.0]]], np.float32)
    clipped = clip_keypoints(wild)
    np.testing.assert_array_equal(clipped, expected)
    assert clipped.dtype == np.float32


def test_what_is_cut_may_travel() -> None:
    wild = np.random.default_rng(3).normal(0, 3, (50, 4, 3)).astype(np.float32)
    with pytest.raises(InvalidInputError, match="is out of range"):
        check_keypoints(wild)
    check_keypoints(clip_keypoints(wild))
