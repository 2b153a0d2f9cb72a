"""Flicker where nothing moves."""

import math

import pytest
import torch

from motioncast.evaluate.metrics.flicker import flicker, noise_level, still_pixels


def test_a_frozen_original_is_still_everywhere_and_does_not_flicker() -> None:
    frozen = torch.full((4, 3, 16, 16), 0.5)
    still = still_pixels(frozen)
    assert still.shape == (3, 16, 16)
    assert bool(still.all())
    assert flicker(frozen, still) == 0.0


def test_an_output_that_alternates_by_two_levels_flickers_by_two_levels() -> None:
    frozen = torch.full((5, 3, 16, 16), 0.5)
    output = frozen.clone()
    output[1::2] += 2 / 255
    assert flicker(output, still_pixels(frozen)) == pytest.approx(2.0, rel=1e-5)


def test_what_moves_is_not_still_nor_is_its_surrounding_nor_the_moment_before_and_after() -> None:
    frames = torch.zeros(7, 3, 40, 40)
    frames[3:, :, 18:22, 18:22] = 1.0  # appears between frames 2 and 3
    still = still_pixels(frames)
    assert bool(still[[0, 4, 5]].all())
    for pair in (1, 2, 3):
        # The square reaches 2 pixels further by the mean over 5x5 and 4 more by the margin.
        assert not still[pair, 12:28, 12:28].any()
        assert int(still[pair].sum()) == 40 * 40 - 16 * 16


def test_noise_that_cancels_over_neighbours_does_not_hide_the_background() -> None:
    checks = (torch.arange(20)[:, None] + torch.arange(20)) % 2 * 2.0 - 1
    noisy = 0.5 + checks * torch.tensor([0.0, 1.0, 0.0, 1.0])[:, None, None, None] * 4 / 255
    still = still_pixels(noisy.expand(4, 3, 20, 20))
    assert bool(still[:, 2:-2, 2:-2].all())
    assert flicker(noisy.expand(4, 3, 20, 20), still) == pytest.approx(4.0, rel=1e-5)


def test_the_noise_level_of_normal_noise_is_its_deviation() -> None:
    generator = torch.Generator().manual_seed(0)
    frames = 0.5 + torch.randn(12, 3, 64, 64, generator=generator) * 1.5 / 255
    everywhere = torch.ones(11, 64, 64, dtype=torch.bool)
    assert noise_level(frames, everywhere) == pytest.approx(1.5, rel=0.02)


def test_where_nothing_is_still_no_figure_is_given() -> None:
    frames = torch.rand(3, 3, 8, 8)
    nowhere = torch.zeros(2, 8, 8, dtype=torch.bool)
    assert math.isnan(flicker(frames, nowhere))
    assert math.isnan(noise_level(frames, nowhere))
