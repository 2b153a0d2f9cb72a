"""Conversion of heatmaps to keypoints."""

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from motioncast.models.heatmaps import (
    KeypointReadout,
    expected_coordinates,
    relative_intensities,
    spatial_softmax,
)


def impulse(row: int, column: int, size: int = 9, height: float = 6.0) -> Tensor:
    logits = torch.zeros(1, 1, size, size)
    logits[0, 0, row, column] = height
    return logits


def test_keypoints_of_a_single_bright_pixel_are_its_centre() -> None:
    heatmaps = torch.zeros(1, 1, 9, 9)
    heatmaps[0, 0, 2, 5] = 1.0

    # Nine corner-aligned pixels lie a quarter apart, from -1 to 1.
    assert_close(expected_coordinates(heatmaps), torch.tensor([[[0.25, -0.5]]]))


def test_keypoints_of_two_equal_pixels_lie_halfway_between_them() -> None:
    heatmaps = torch.zeros(1, 1, 9, 9)
    heatmaps[0, 0, 0, 0] = heatmaps[0, 0, 8, 4] = 0.5

    assert_close(expected_coordinates(heatmaps), torch.tensor([[[-0.5, 0.0]]]))


def test_a_softmax_heatmap_sums_to_one_and_keeps_its_mean_whatever_is_added() -> None:
    logits = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))

    heatmaps = spatial_softmax(logits, 0.1)

    assert_close(heatmaps.sum(dim=(-2, -1)), torch.ones(2, 3))
    assert_close(spatial_softmax(logits + 3.0, 0.1), heatmaps, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("rows", "columns"), [(1, 0), (0, 2), (-2, 3)])
def test_a_shifted_impulse_shifts_its_keypoint_by_as_many_pixels(rows: int, columns: int) -> None:
    readout = KeypointReadout(temperature=0.1)

    before = readout(impulse(4, 3))
    after = readout(impulse(4 + rows, 3 + columns))

    moved = torch.tensor([columns, rows]) * 0.25
    assert_close(after[0, 0, :2] - before[0, 0, :2], moved, atol=1e-4, rtol=0)


def test_intensities_are_means_of_softplus_relative_to_the_largest() -> None:
    logits = torch.zeros(1, 3, 4, 4)
    logits[0, 1] = torch.log(torch.expm1(torch.tensor(2.0)))  # softplus gives 2
    logits[0, 2, :2] = torch.log(torch.expm1(torch.tensor(1.0)))
    logits[0, 2, 2:] = -200.0  # softplus gives 0: the mean is a half

    zero_logit = torch.log(torch.tensor(2.0)) / 2
    assert_close(relative_intensities(logits), torch.tensor([[zero_logit, 1.0, 0.25]]))
