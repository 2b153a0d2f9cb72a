"""Distances between keypoints agree with geometry."""

import math

import pytest
import torch
from scipy.stats import norm

from motioncast.metrics.keypoints import (
    average_keypoint_distance,
    diversity,
    keypoint_distance,
)


def test_a_keypoint_across_the_frame_is_off_by_its_size_less_one() -> None:
    left, right = torch.tensor([[-1.0, 0.0, 0.5]]), torch.tensor([[1.0, 0.0, 0.5]])
    assert keypoint_distance(left, right).item() == pytest.approx(255)
    assert keypoint_distance(left, right, size=64).item() == pytest.approx(63)


def test_a_step_of_three_and_four_is_five_and_intensity_does_not_count() -> None:
    step = torch.tensor([3.0, 4.0]) / 127.5
    truth = torch.zeros(2, 1, 3)
    moved = truth.clone()
    moved[..., :2] += step
    moved[..., 2] = 0.9
    assert average_keypoint_distance(moved, truth).tolist() == pytest.approx([5.0, 5.0])


def test_the_average_keypoint_distance_is_over_the_keypoints() -> None:
    truth = torch.zeros(1, 2, 2)
    moved = torch.tensor([[[2.0, 0.0], [0.0, 4.0]]]) / 127.5
    assert average_keypoint_distance(moved, truth).item() == pytest.approx(3.0)


def test_equal_samples_have_no_diversity() -> None:
    spread = diversity(torch.ones(4, 2, 5, 3, 3))
    assert spread.pixels.abs().max() == 0
    assert spread.trajectory_pixels.abs().max() == 0


def test_diversity_of_three_samples_is_the_mean_over_their_pairs() -> None:
    samples = torch.zeros(3, 1, 4, 2, 3)
    samples[1, ..., 0] = 3 / 127.5
    samples[2, ..., 1] = 4 / 127.5
    samples[2, ..., 2] = 1.0  # intensity
    spread = diversity(samples)
    assert spread.pixels.flatten().tolist() == pytest.approx([(3 + 4 + 5) / 3] * 4)
    # With 4 frames and 2 keypoints the norm is sqrt(8) times each distance.
    assert spread.trajectory_pixels.item() == pytest.approx(math.sqrt(8) * 4)


def test_diversity_of_normal_samples_is_their_expected_distance() -> None:
    generator = torch.Generator().manual_seed(1)
    samples = torch.zeros(20, 200, 1, 5, 3)
    samples[..., 0] = torch.randn(20, 200, 1, 5, generator=generator) * 0.01
    # |x - x'| of two normals of deviation s has the mean 2 s / sqrt(pi).
    expected = 2 * 0.01 / math.sqrt(math.pi) * 127.5
    assert expected == pytest.approx(0.01 * 127.5 * math.sqrt(2) * 2 * norm.pdf(0), rel=1e-9)
    assert diversity(samples).pixels.mean().item() == pytest.approx(expected, rel=0.02)


def test_one_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="at least two"):
        diversity(torch.zeros(1, 2, 3, 4, 3))
