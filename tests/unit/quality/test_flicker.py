"""Flicker of still pixels."""

from __future__ import annotations

import math

import numpy as np
import pytest

from motioncast.quality.flicker import flicker, noise_level, still_pixels

RNG = np.random.default_rng(0)


def test_a_frozen_original_is_still_everywhere_and_does_not_flicker() -> None:
    frozen = np.full((4, 3, 16, 16), 0.5)
    still = still_pixels(frozen)
    assert still.shape == (3, 16, 16)
    assert still.all()
    assert flicker(frozen, still) == 0.0


def test_an_output_that_alternates_by_two_levels_flickers_by_two_levels() -> None:
    frozen = np.full((5, 3, 16, 16), 0.5)
    output = frozen.copy()
    output[1::2] += 2 / 255
    assert flicker(output, still_pixels(frozen)) == pytest.approx(2.0)


def test_flicker_is_a_mean_over_still_pixels_whatever_their_moment() -> None:
    frames = np.zeros((3, 1, 4, 4))
    frames[1] = 6 / 255
    frames[2] = 7 / 255
    still = np.zeros((2, 4, 4), np.bool_)
    still[0, 0, :3] = still[1, 0, 0] = True  # three changes of 6 levels and one of 1
    assert flicker(frames, still) == pytest.approx((3 * 6 + 1) / 4)


def test_what_moves_is_not_still_nor_is_its_surrounding_nor_the_moment_before_and_after() -> None:
    frames = np.zeros((7, 3, 40, 40))
    frames[3:, :, 18:22, 18:22] = 1.0  # appears between frames 2 and 3
    still = still_pixels(frames)
    assert still[[0, 4, 5]].all()
    for pair in (1, 2, 3):
        # The mean over 5x5 extends the square by 2 pixels, and the margin by 4 more.
        assert not still[pair, 12:28, 12:28].any()
        assert int(still[pair].sum()) == 40 * 40 - 16 * 16


def test_a_change_at_the_border_is_a_mean_over_the_pixels_that_there_are() -> None:
    frames = np.zeros((2, 1, 12, 12))
    frames[1, 0, 0, 0] = 28 / 255  # over the corner's 9 pixels 3.11 levels; over 25 it would be 1.1
    assert not still_pixels(frames)[0, 0, 0]
    frames[1, 0, 0, 0] = 26 / 255
    assert still_pixels(frames).all()


def test_noise_that_cancels_over_neighbours_does_not_hide_the_background() -> None:
    checks = (np.arange(20)[:, None] + np.arange(20)) % 2 * 2.0 - 1
    steps = np.array([0.0, 1.0, 0.0, 1.0])[:, None, None, None]
    noisy = np.broadcast_to(0.5 + checks * steps * 4 / 255, (4, 3, 20, 20))
    still = still_pixels(noisy)
    assert still[:, 2:-2, 2:-2].all()
    assert flicker(noisy, still) == pytest.approx(4.0)


def test_the_noise_level_of_normal_noise_is_its_deviation() -> None:
    frames = 0.5 + RNG.normal(size=(12, 3, 64, 64)) * 1.5 / 255
    everywhere = np.ones((11, 64, 64), np.bool_)
    assert noise_level(frames, everywhere) == pytest.approx(1.5, rel=0.02)


def test_where_nothing_is_still_no_figure_is_given() -> None:
    frames = RNG.random((3, 3, 8, 8))
    nowhere = np.zeros((2, 8, 8), np.bool_)
    assert math.isnan(flicker(frames, nowhere))
    assert math.isnan(noise_level(frames, nowhere))
