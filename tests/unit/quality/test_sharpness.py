"""Sharpness measured by gradients."""

from __future__ import annotations

import math

import numpy as np
import pytest

from motioncast.quality.sharpness import mean_gradient, sharpness

RNG = np.random.default_rng(0)


def test_the_gradient_of_a_ramp_is_its_slope() -> None:
    x, y = np.arange(9.0), np.arange(7.0)
    ramp = np.broadcast_to(0.03 * x + 0.04 * y[:, None], (2, 3, 7, 9))
    assert mean_gradient(ramp) == pytest.approx(0.05)


def test_half_the_contrast_is_half_as_sharp() -> None:
    original = RNG.random((2, 3, 8, 8))
    assert sharpness(0.25 + original / 2, original) == pytest.approx(0.5)


def test_a_mean_over_four_pixels_is_less_sharp() -> None:
    original = RNG.random((2, 3, 32, 32))
    rows = original[..., 1:, :] + original[..., :-1, :]
    assert sharpness((rows[..., 1:] + rows[..., :-1]) / 4, original) < 0.6


def test_a_flat_original_has_no_sharpness_to_compare_with() -> None:
    assert math.isnan(sharpness(RNG.random((1, 3, 4, 4)), np.ones((1, 3, 4, 4))))
