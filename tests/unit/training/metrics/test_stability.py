"""Jitter, jumps and equivariance of keypoints."""

import math

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from motioncast.metrics.stability import (
    equivariance_error,
    jitter,
    jumps,
    stillest_stretch,
)

PIXELS_PER_UNIT = 127 / 2


def test_a_straight_drift_is_no_jitter_unless_it_counts() -> None:
    time = torch.arange(10.0)
    track = torch.stack([0.01 * time, -0.02 * time], dim=-1)[:, None]  # (T, 1, 2)
    assert_close(jitter(track), torch.zeros(1, dtype=torch.double), atol=1e-5, rtol=0)
    expected = PIXELS_PER_UNIT * math.hypot(0.01, 0.02) * np.std(np.arange(10.0), ddof=1)
    assert_close(jitter(track, trend=False), torch.tensor([expected], dtype=torch.double))


def test_jitter_is_the_deviation_from_the_line_of_least_squares() -> None:
    track = torch.rand(12, 3, 3, generator=torch.Generator().manual_seed(0)).double() - 0.5
    time = np.arange(12.0)
    expected = []
    for keypoint in range(3):
        residues = 0.0
        for axis in range(2):
            values = track[:, keypoint, axis].numpy() * PIXELS_PER_UNIT
            residues += np.square(values - np.polyval(np.polyfit(time, values, 1), time)).sum()
        expected.append(math.sqrt(residues / 10))
    assert_close(jitter(track), torch.tensor(expected, dtype=torch.double))


def test_two_frames_are_too_few_for_jitter() -> None:
    with pytest.raises(ValueError, match="2 frames are too few"):
        jitter(torch.zeros(2, 1, 3))


def test_an_exchange_of_two_keypoints_is_a_jump_as_long_as_the_way_between_them() -> None:
    here, there = [-0.3, 0.4, 1.0], [0.3, -0.4, 1.0]
    track = torch.tensor([[here, there], [there, here], [there, here]])
    jumped = jumps(track)
    assert_close(jumped, torch.tensor([[63.5, 63.5], [0.0, 0.0]], dtype=torch.double))


def test_keypoints_that_move_with_their_image_have_no_error() -> None:
    still = torch.tensor([[0.1, -0.2, 1.0], [0.5, 0.5, 1.0]])
    angle = math.radians(10)
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    offset = torch.tensor([0.05, -0.1])
    affine = torch.cat([1.1 * turn, offset[:, None]], dim=1)
    # image'(u) = image(A u + b) shows at u what was at p = A u + b; this is the inverse map.
    moved = (still[:, :2] - offset) @ turn / 1.1
    error = equivariance_error(moved[None], still, affine[None])
    assert_close(error, torch.zeros(1, 2, dtype=torch.double), atol=1e-5, rtol=0)


def test_keypoints_that_stay_behind_err_by_the_shift_and_those_shifted_out_do_not_count() -> None:
    still = torch.tensor([[0.0, 0.0, 1.0], [-0.95, 0.0, 1.0]])
    shift = torch.tensor([[[1.0, 0.0, 0.1], [0.0, 1.0, 0.0]]])
    error = equivariance_error(still[None], still, shift)
    assert error[0, 0].item() == pytest.approx(0.1 * PIXELS_PER_UNIT, rel=1e-5)
    assert math.isnan(error[0, 1].item())


def test_the_stillest_stretch_begins_after_the_last_large_change() -> None:
    frames = torch.zeros(9, 3, 4, 4)
    frames[4:] = 0.5
    frames[8:] = 1.0
    assert stillest_stretch(frames, 4) == 0
    frames[1] = 0.2
    assert stillest_stretch(frames, 4) == 4
    with pytest.raises(ValueError, match="9 are too few for a stretch of 10"):
        stillest_stretch(frames, 10)
