"""Frame measures are a table; adding one takes a line."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from motioncast.paper.measures import MEASURES, Comparison


def comparison(offset: float) -> Comparison:
    """Returns frames of 8 x 8 off by `offset`, with one of two keypoints off by 0.5 in x."""
    true = np.full((2, 3, 8, 8), 0.25)
    found = torch.zeros(2, 2, 3)
    found[:, 1, 0] = 0.5
    return Comparison(true + offset, true, found, torch.zeros(2, 2, 3))


def measured(name: str, pair: Comparison) -> np.ndarray:
    measure = MEASURES[name].of
    assert measure is not None
    return np.asarray(measure(pair))


def test_the_error_of_a_constant_offset_is_its_square() -> None:
    assert_allclose(measured("mse", comparison(0.1)), [0.01, 0.01])
    assert_allclose(measured("psnr", comparison(0.1)), [20.0, 20.0])


def test_psnr_of_equal_frames_is_that_of_rounding() -> None:
    assert_allclose(measured("psnr", comparison(0.0)), 10 * np.log10(12 * 255**2))


def test_the_distance_of_keypoints_is_in_pixels_of_the_frame() -> None:
    # 0.5 of half a side, (8 - 1) / 2 pixels, for one keypoint of two
    assert_allclose(measured("akd", comparison(0.0)), 0.5 * 3.5 / 2)


@pytest.mark.parametrize("name", ["forecast_error", "fvd", "keypoint_motion_distance"])
def test_what_no_frame_has_is_measured_elsewhere(name: str) -> None:
    assert MEASURES[name].of is None
