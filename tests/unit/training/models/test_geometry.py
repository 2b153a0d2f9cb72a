"""Grids, Gaussians, warps and resampling."""

import math

import pytest
import torch
from torch.nn import functional
from torch.testing import assert_close

from motioncast.models.geometry import (
    Resample,
    full_precision,
    gaussians,
    identity_grid,
    lanczos_matrix,
    pixel_centres,
    space_to_depth,
    warp,
    warp_frames,
)


def test_gaussians_have_their_closed_form() -> None:
    keypoints = torch.tensor([[[0.25, -0.5, 1.0], [0.9, 0.3, 0.2]]])
    size, variance = 7, 0.01

    maps = gaussians(keypoints, pixel_centres(size), variance)

    for k, (x, y, _) in enumerate(keypoints[0].tolist()):
        for row in range(size):
            for column in range(size):
                u, v = -1 + column / 3, -1 + row / 3
                expected = math.exp(-((u - x) ** 2 + (v - y) ** 2) / (2 * variance))
                assert maps[0, k, row, column].item() == pytest.approx(expected, abs=1e-6)


def test_warping_with_the_identity_changes_nothing() -> None:
    image = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))

    assert_close(warp(image, identity_grid(8, 8).expand(2, -1, -1, -1)), image)


@pytest.mark.parametrize(("columns", "rows"), [(1, 0), (0, 2), (3, -1)])
def test_warping_by_whole_pixels_moves_the_image_and_fills_with_zero(
    columns: int, rows: int
) -> None:
    size = 8
    image = torch.rand(1, 2, size, size, generator=torch.Generator().manual_seed(1)) + 0.1
    shift = torch.tensor([columns, rows]).view(1, 2, 1, 1) * 2.0 / (size - 1)

    warped = warp(image, identity_grid(size, size) + shift)

    for row in range(size):
        for column in range(size):
            inside = 0 <= row + rows < size and 0 <= column + columns < size
            expected = image[0, :, row + rows, column + columns] if inside else torch.zeros(2)
            assert_close(warped[0, :, row, column], expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("size", "to"), [(8, 32), (16, 5), (64, 2)])
def test_resampling_equals_bilinear_interpolation(size: int, to: int) -> None:
    maps = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(2))

    expected = functional.interpolate(maps, size=(to, to), mode="bilinear", align_corners=True)

    assert_close(Resample(size, to)(maps), expected, atol=1e-5, rtol=0)


def test_lanczos_interpolation_keeps_the_samples_and_follows_a_wave_between_them() -> None:
    wave = torch.cos(math.pi / 2 * torch.arange(32.0))  # four samples a period
    between = torch.cos(math.pi / 2 * torch.arange(0, 31.5, 0.5))

    fine = lanczos_matrix(32, 63) @ wave

    assert_close(fine[::2], wave)
    assert_close(lanczos_matrix(32, 63).sum(dim=1), torch.ones(63))
    inside = slice(6, -6)
    assert (fine - between)[inside].abs().max() < 0.03
    # Half-way between two samples linear interpolation keeps cos(pi / 4) of this wave.
    linear = (wave[1:] + wave[:-1]) / 2
    assert_close(linear, math.cos(math.pi / 4) * between[1::2], atol=1e-5, rtol=0)


def test_frames_are_warped_from_the_image_that_they_belong_to() -> None:
    random = torch.Generator().manual_seed(3)
    images = torch.rand(2, 3, 9, 9, generator=random)
    flows = torch.rand(6, 2, 5, 7, generator=random) * 2.4 - 1.2  # also beyond the border

    frames = warp_frames(images, flows)

    for n, flow in enumerate(flows):
        assert_close(frames[n], warp(images[n // 3, None], flow[None])[0])


def test_space_to_depth_keeps_a_block_of_pixels_in_the_channels() -> None:
    image = torch.arange(16.0).view(1, 1, 4, 4)

    assert space_to_depth(image, 2)[0, :, 0, 1].tolist() == [2.0, 3.0, 6.0, 7.0]


def test_resampling_under_autocast_stays_exact() -> None:
    flow = identity_grid(8, 8).unsqueeze(0)
    resample = Resample(8, 32)

    with torch.autocast("cpu", torch.bfloat16):
        rough = flow @ torch.eye(8)
        exact = resample(flow)
        with full_precision(flow):
            product = flow @ torch.eye(8)

    assert rough.dtype == torch.bfloat16
    assert_close(exact, identity_grid(32, 32).unsqueeze(0))
    assert_close(product, flow)
