"""The synthesis losses agree with their closed forms."""

import math

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from motioncast.data.augmentation import random_affine
from motioncast.models import losses
from motioncast.models.geometry import gaussians, pixel_centres


def test_least_squares_gan_losses() -> None:
    real, fake = torch.tensor([1.0, 0.5]), torch.tensor([0.0, 2.0])

    assert losses.generator_adversarial(fake).item() == pytest.approx((1 + 1) / 2)
    expected = (0 + 0.25) / 2 + (0 + 4) / 2
    assert losses.discriminator_adversarial(real, fake).item() == pytest.approx(expected)


def test_feature_reconstruction_weighs_image_and_four_maps_ten_ten_ten_ten_one() -> None:
    real = [torch.zeros(2, 3), *(torch.zeros(4) for _ in range(4))]
    generated = [torch.full_like(part, 0.1 * (n + 1)) for n, part in enumerate(real)]

    expected = 10 * (0.1 + 0.2 + 0.3 + 0.4) + 0.5
    assert losses.feature_reconstruction(real, generated).item() == pytest.approx(expected)


def test_gradient_l1_ignores_a_constant_and_counts_a_step_once_per_row() -> None:
    flat, step = torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4)
    step[..., 2:] = 1.0

    assert losses.gradient_l1(flat + 0.3, flat).item() == 0.0
    # One of the three horizontal differences of each row is 1, every vertical one is 0.
    assert losses.gradient_l1(step, flat).item() == pytest.approx(1 / 3)


def test_weighted_l1_with_unit_weights_is_the_mean_absolute_error() -> None:
    output, target = torch.tensor([[[[0.2, 0.8]]]]), torch.tensor([[[[0.5, 0.5]]]])

    assert losses.weighted_l1(output, target, torch.ones(1, 1, 1, 2)).item() == pytest.approx(0.3)
    weights = torch.tensor([[[[3.0, 1.0]]]])
    assert losses.weighted_l1(output, target, weights).item() == pytest.approx((0.9 + 0.3) / 2)


def test_motion_weights_are_one_where_nothing_moves_and_full_where_much_does() -> None:
    frame = torch.zeros(1, 3, 32, 32)
    neighbour = frame.clone()
    neighbour[..., :8, :8] = 1.0
    neighbour[..., 20:, 20:] = 0.01  # less than the noise

    weights = losses.motion_weights(frame, neighbour, emphasis=6.0)

    assert weights[0, 0, 3, 3].item() == pytest.approx(7.0)
    assert weights[0, 0, 28, 28].item() == 1.0
    assert weights[0, 0, 16, 16].item() == 1.0


def test_keypoints_that_move_with_the_image_are_equivariant() -> None:
    affine = random_affine(4, np.random.default_rng(0))
    keypoints = 0.5 * torch.rand(4, 5, 3, generator=torch.Generator().manual_seed(0))
    # A point p of the image appears at the u with A u + b = p.
    matrix, offset = affine[:, :, :2], affine[:, None, :, 2]
    moved = torch.linalg.solve(matrix, (keypoints[..., :2] - offset).transpose(1, 2))
    followed = torch.cat([moved.transpose(1, 2), keypoints[..., 2:]], dim=-1)

    assert losses.equivariance(keypoints, followed, affine).item() == pytest.approx(0, abs=1e-6)
    assert losses.equivariance(keypoints, keypoints, affine).item() > 0.05


def test_a_keypoint_that_leaves_the_frame_does_not_count() -> None:
    shift_by_half = torch.tensor([[[1.0, 0.0, 0.5], [0.0, 1.0, 0.0]]])
    leaving = torch.tensor([[[-0.8, 0.0, 1.0]]])  # would appear at -1.3

    assert losses.equivariance(leaving, torch.zeros(1, 1, 3) + leaving, shift_by_half).item() == 0


def test_separation_of_two_keypoints_is_a_gaussian_of_their_distance() -> None:
    keypoints = torch.tensor([[[0.0, 0.0, 1.0], [0.1, 0.0, 0.3]]])

    assert losses.separation(keypoints, 0.1).item() == pytest.approx(math.exp(-0.5))
    together = torch.zeros(2, 7, 3)
    assert losses.separation(together).item() == pytest.approx(1.0)


def test_coverage_is_the_share_of_motion_away_from_every_keypoint() -> None:
    size = 16
    keypoints = torch.tensor([[[-1.0, -1.0, 1.0]]])
    heatmaps = gaussians(keypoints, pixel_centres(size), 0.01)
    weights = torch.ones(1, 1, size, size)
    weights[0, 0, 0, 0] = 3.0  # under the keypoint
    weights[0, 0, 15, 15] = 2.0  # far from it

    assert_close(losses.coverage(heatmaps, weights), torch.tensor(1 / 3))


def test_decibels_are_the_logarithm_of_each_images_weighted_squared_error() -> None:
    output, target = torch.zeros(2, 3, 1, 2), torch.zeros(2, 3, 1, 2)
    output[0], output[1, ..., 1] = 0.5, 0.1
    weights = torch.tensor([1.0, 3.0]).expand(2, 1, 1, 2)
    # (1 + 3) * 0.5^2 / 2 and 3 * 0.1^2 / 2
    expected = (math.log(0.5) + math.log(0.015)) / 2
    assert losses.decibels(output, target, weights, floor=0).item() == pytest.approx(expected)
    assert losses.decibels(target, target, weights, floor=1e-3).item() == pytest.approx(
        math.log(1e-3)
    )


def test_in_decibels_a_good_image_counts_as_much_as_a_bad_one() -> None:
    target = torch.zeros(2, 3, 4, 4)
    output = torch.cat([torch.full((1, 3, 4, 4), 0.01), torch.full((1, 3, 4, 4), 0.2)])
    for growth in (1.0, 2.0):  # of either error
        worse = output * torch.tensor([growth, 2 / growth]).view(2, 1, 1, 1)
        loss = losses.decibels(worse, target, torch.ones(2, 1, 4, 4), floor=0)
        assert loss.item() == pytest.approx(math.log(0.01 * 0.2 * 2))
