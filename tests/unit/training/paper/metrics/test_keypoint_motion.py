"""The keypoint motion distance on tracks with known counts."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from motioncast.paper.metrics.frechet import GaussianMoments, frechet_distance
from motioncast.paper.metrics.keypoint_motion import (
    direction_counts,
    keypoint_motion_distance,
    motion_features,
)

FRAMES = 13  # 12 velocities and 11 accelerations: three and two complete stretches of four


def moving(pixels: list[float], degrees: float, keypoints: int = 2) -> Tensor:
    """Returns one track per speed in pixels per frame, all in one direction."""
    speeds = torch.tensor(pixels, dtype=torch.float64) / 127.5
    angle = math.radians(degrees)
    steps = torch.arange(FRAMES, dtype=torch.float64)
    along = speeds[:, None] * steps  # (B, T)
    track = torch.stack([along * math.cos(angle), along * math.sin(angle)], dim=-1)
    return track[:, :, None].expand(-1, -1, keypoints, -1)


def test_constant_velocities_are_apart_by_their_logarithms() -> None:
    slow, fast = moving([1.0, 1.0], 20), moving([3.0, 3.0], 20)
    # Without variance, d^2 is that of the means: 3 stretches x 2 keypoints, 4 frames in one bin.
    expected = 6 * (4 * (math.log2(4) - math.log2(2))) ** 2
    result = keypoint_motion_distance(slow, fast)
    assert result.velocity == pytest.approx(expected)
    assert result.acceleration == pytest.approx(0, abs=1e-12)
    assert result.value == pytest.approx(expected)
    assert result.tracks == (2, 2)
    assert result.features == (3 + 2) * 2 * 8


def test_the_same_speed_in_another_direction_is_a_whole_step_in_two_bins() -> None:
    right, up = moving([1.0, 1.0], 20), moving([1.0, 1.0], 110)
    assert keypoint_motion_distance(right, up).velocity == pytest.approx(6 * 2 * 4**2)


def test_spread_of_speeds_enters_like_that_of_a_normal_distribution() -> None:
    slow, fast = moving([1.0, 3.0], 20), moving([1.0, 7.0], 20)
    # Counts 4 log2(1 + v): 4 and 8 against 4 and 12, all six entries alike in every track.
    a, b = np.array([4.0, 8.0]), np.array([4.0, 12.0])
    expected = 6 * ((a.mean() - b.mean()) ** 2 + (a.std(ddof=1) - b.std(ddof=1)) ** 2)
    assert keypoint_motion_distance(slow, fast).velocity == pytest.approx(expected)


def test_where_the_keypoints_are_does_not_matter() -> None:
    track = torch.rand(6, FRAMES, 3, 3, generator=torch.Generator().manual_seed(0))
    assert keypoint_motion_distance(track, track + 0.25).value == pytest.approx(0, abs=1e-6)


def test_a_quarter_turn_moves_the_counts_by_two_bins() -> None:
    vectors = torch.randn(2, 8, 3, 2, generator=torch.Generator().manual_seed(1))
    turned = torch.stack([-vectors[..., 1], vectors[..., 0]], dim=-1)
    counts = direction_counts(vectors).reshape(2, 2, 3, 8)
    expected = np.roll(counts, 2, axis=-1)
    np.testing.assert_allclose(direction_counts(turned).reshape(2, 2, 3, 8), expected, rtol=1e-6)


def test_leftwards_motion_falls_into_one_bin_whatever_the_sign_of_zero() -> None:
    vectors = torch.tensor([[-1.0, 0.0], [-1.0, -0.0]]).repeat(2, 1).reshape(1, 4, 1, 2)
    assert direction_counts(vectors).tolist() == [[4.0, 0, 0, 0, 0, 0, 0, 0]]


def test_still_keypoints_count_nothing() -> None:
    velocity, acceleration = motion_features(torch.zeros(2, FRAMES, 3, 3))
    assert not velocity.any()
    assert not acceleration.any()


def test_acceleration_is_the_second_difference_of_position() -> None:
    steps = torch.arange(FRAMES, dtype=torch.float64)
    falling = torch.zeros(1, FRAMES, 1, 2, dtype=torch.float64)
    falling[0, :, 0, 1] = 0.5 * 3 * steps**2 / 127.5  # 3 px a frame squared, downwards
    _, acceleration = motion_features(falling)
    assert acceleration.reshape(2, 8).sum(axis=1).tolist() == pytest.approx([4 * math.log2(4)] * 2)


def test_random_tracks_have_the_frechet_distance_of_their_features() -> None:
    generator = torch.Generator().manual_seed(2)
    a, b = (scale * torch.randn(40, 7, 1, 2, generator=generator) for scale in (0.1, 0.2))
    features = [np.concatenate(motion_features(tracks), axis=1) for tracks in (a, b)]
    moments = [GaussianMoments.of(f.mean(axis=0), np.cov(f, rowvar=False)) for f in features]
    expected = frechet_distance(*moments)
    assert keypoint_motion_distance(a, b).value == pytest.approx(expected, rel=1e-6)


def test_tracks_too_short_for_one_stretch_are_refused() -> None:
    short = torch.zeros(2, 5, 3, 3)
    with pytest.raises(ValueError, match="fewer than 6 frames"):
        keypoint_motion_distance(short, short)


def test_tracks_of_other_lengths_do_not_compare() -> None:
    with pytest.raises(ValueError, match="differ in frames"):
        keypoint_motion_distance(torch.zeros(2, 8, 3, 3), torch.zeros(2, 9, 3, 3))
