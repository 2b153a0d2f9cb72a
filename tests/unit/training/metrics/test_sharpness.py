"""Sharpness by gradients."""

import math

import pytest
import torch

from motioncast.evaluate.metrics.sharpness import mean_gradient, sharpness


def test_the_gradient_of_a_ramp_is_its_slope() -> None:
    x, y = torch.arange(9.0), torch.arange(7.0)
    ramp = (0.03 * x + 0.04 * y[:, None]).expand(2, 3, 7, 9)
    assert mean_gradient(ramp) == pytest.approx(0.05, rel=1e-5)


def test_half_the_contrast_is_half_as_sharp() -> None:
    original = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    assert sharpness(0.25 + original / 2, original) == pytest.approx(0.5, rel=1e-5)


def test_a_mean_over_four_pixels_is_less_sharp() -> None:
    original = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    blurred = torch.nn.functional.avg_pool2d(original, 2, stride=1)
    assert sharpness(blurred, original) < 0.6


def test_a_flat_original_has_no_sharpness_to_compare_with() -> None:
    assert math.isnan(sharpness(torch.rand(1, 3, 4, 4), torch.ones(1, 3, 4, 4)))
