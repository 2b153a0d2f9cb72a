"""Sharpening of heads: its effect on waves, on flat areas, and on the background."""

import math

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from motioncast.models.face.motion import GRID
from motioncast.models.face.sharpening import AMOUNT, REACH, SPREAD, Sharpening
from motioncast.models.lite.colours import LUMA

SIDE = 64
EVERYWHERE = torch.ones(1, 1, GRID, GRID)


def test_detail_is_what_scipy_s_gaussian_takes_from_luma() -> None:
    image = np.random.default_rng(0).random((3, SIDE, SIDE)) * 0.4 + 0.3
    luma = np.tensordot(LUMA, image, 1)
    inner = np.s_[REACH:-REACH, REACH:-REACH]
    expected = np.zeros_like(luma)  # at the border
    expected[inner] = (luma - gaussian_filter(luma, SPREAD, radius=REACH))[inner]
    sharp = Sharpening(SIDE)(torch.from_numpy(image).float()[None], EVERYWHERE)
    for plane, before in zip(sharp[0].numpy(), image, strict=True):
        np.testing.assert_allclose(plane, before + AMOUNT * expected, atol=1e-6)


def test_a_wave_grows_by_what_a_gaussian_takes_from_it() -> None:
    # A Gaussian of spread s scales a wave of w radians per pixel by exp(-(s w)^2 / 2).
    w = 2 * math.pi / 8
    wave = 0.5 + 0.1 * torch.sin(w * torch.arange(SIDE))
    image = wave.expand(1, 3, SIDE, SIDE)
    grown = 1 + AMOUNT * (1 - math.exp(-((SPREAD * w) ** 2) / 2))
    sharp = Sharpening(SIDE)(image, EVERYWHERE)
    inner = np.s_[..., REACH:-REACH, REACH:-REACH]
    expected = 0.5 + grown * (image - 0.5)
    torch.testing.assert_close(sharp[inner], expected[inner], atol=5e-4, rtol=0)


def test_what_is_flat_and_the_room_stay() -> None:
    sharpen = Sharpening(SIDE)
    flat = torch.full((1, 3, SIDE, SIDE), 0.3)
    torch.testing.assert_close(sharpen(flat, EVERYWHERE), flat)
    noise = torch.rand(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    assert torch.equal(sharpen(noise, 0 * EVERYWHERE), noise)
    assert not torch.equal(sharpen(noise, EVERYWHERE), noise)


def test_colours_do_not_change() -> None:
    image = 0.3 + 0.4 * torch.rand(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    added = Sharpening(SIDE)(image, EVERYWHERE) - image
    torch.testing.assert_close(added[:, 0], added[:, 1])
    torch.testing.assert_close(added[:, 0], added[:, 2])
