"""Turns one speaker's tracks into other people's, so that a predictor learns how faces move.

The keypoints of one speaker move by certain amounts, in certain directions, together in certain
ways, and are detected with a certain accuracy; on another face a keypoint may sit elsewhere. In a
share of the windows all of this is changed:

    amount      all keypoints move 0.3 to 2 times as far from their mean positions
    directions  their motion is rotated, stretched, and mirrored in half of the windows; that of
                each keypoint is also rotated and scaled separately
    company     in half of the windows, three in ten keypoints move as another one does elsewhere
    accuracy    in half of the windows, every keypoint gets white noise, mostly weak, but up
                to three times as large as its displacement between two frames

Keypoints that are anchored to the same points of every face keep their own directions and move
with the same others: only the face as a whole is rotated and stretched. (Mirrored, the left corner
of a widening mouth would move to the right.)

Shapes: B windows, T frames, K keypoints (x, y, intensity).
"""

import math

import torch
from torch import Tensor

from motioncast.models.predictors.coordinates import clamp_keypoints

LEAST_GAIN, GREATEST_GAIN = 0.3, 2.0
TURN_RADIANS = 0.25  # standard deviations, here and in the next three lines
STRETCH = 0.2  # of the logarithm, per axis
OWN_TURN_RADIANS = 0.3
OWN_GAIN = 0.3  # of the logarithm
IN_OTHER_COMPANY = 0.3  # of the keypoints of a window
LARGEST_NOISE = 3.0  # standard deviation, in units


def as_other_people(
    windows: Tensor,
    unit: Tensor,
    share: float,
    generator: torch.Generator,
    anchored: bool = False,
) -> Tensor:
    """Returns windows (B, T, K, 3), a share of them as if of other people, in the same places.

    unit: (K, 3), standard deviation of the displacement from frame to frame; anchored: whether the
    keypoints are the same points of every face.
    """
    batch, _, keypoints, _ = windows.shape
    centre = windows.mean(dim=1, keepdim=True)
    motion = windows - centre
    if not anchored:
        motion = _in_other_company(motion, generator)
    maps = _whole_maps(batch, generator, mirror=not anchored)
    if not anchored:
        maps = _own_maps(batch, keypoints, generator) @ maps
    turned = torch.einsum("bkij,btkj->btki", maps.expand(-1, keypoints, -1, -1), motion[..., :2])
    gain = _log_uniform(LEAST_GAIN, GREATEST_GAIN, batch, generator)[:, None, None, None]
    moved = torch.cat([gain * turned, motion[..., 2:]], dim=-1)
    noise = unit * _noise(moved.shape, generator)
    chosen = _chosen(batch, share, generator)[:, None, None, None]
    return torch.where(chosen, clamp_keypoints(centre + moved + noise), windows)


def _in_other_company(motion: Tensor, generator: torch.Generator) -> Tensor:
    """Makes some keypoints of half of the windows move like a keypoint of another window."""
    batch, _, keypoints, _ = motion.shape
    others = motion[torch.randperm(batch, generator=generator)]
    others = others[:, :, torch.randperm(keypoints, generator=generator)]
    leaving = torch.rand(batch, 1, keypoints, 1, generator=generator) < IN_OTHER_COMPANY
    return torch.where(leaving & _half(batch, generator)[:, None, None, None], others, motion)


def _whole_maps(batch: int, generator: torch.Generator, mirror: bool) -> Tensor:
    """Draws linear maps of the whole face's motion (B, 1, 2, 2): rotated, stretched, mirrored."""
    turn = _rotation(TURN_RADIANS * torch.randn(batch, 1, generator=generator))
    axes = torch.exp(STRETCH * torch.randn(batch, 1, 2, generator=generator))
    if mirror:
        left = torch.where(_half(batch, generator), -1.0, 1.0)[:, None]
        axes = axes * torch.stack([left, torch.ones_like(left)], dim=-1)  # x, y
    return turn * axes[..., None, :]


def _own_maps(batch: int, keypoints: int, generator: torch.Generator) -> Tensor:
    """Draws linear maps of each keypoint's own motion (B, K, 2, 2): rotated and scaled."""
    own_turn = _rotation(OWN_TURN_RADIANS * torch.randn(batch, keypoints, generator=generator))
    own_gain = torch.exp(OWN_GAIN * torch.randn(batch, keypoints, 1, 1, generator=generator))
    return own_gain * own_turn


def _noise(shape: torch.Size, generator: torch.Generator) -> Tensor:
    """Draws noise (B, T, K, 3) in units: none in half of the windows, mostly weak elsewhere."""
    batch, _, keypoints, _ = shape
    level = LARGEST_NOISE * torch.rand(batch, 1, keypoints, 1, generator=generator) ** 3
    level = level * _half(batch, generator)[:, None, None, None]
    return level * torch.randn(shape, generator=generator)


def _rotation(angle: Tensor) -> Tensor:
    """Returns matrices (..., 2, 2) that rotate by angles in radians."""
    cosine, sine = angle.cos(), angle.sin()
    rows = [torch.stack([cosine, -sine], dim=-1), torch.stack([sine, cosine], dim=-1)]
    return torch.stack(rows, dim=-2)


def _log_uniform(least: float, most: float, count: int, generator: torch.Generator) -> Tensor:
    return least * torch.exp(math.log(most / least) * torch.rand(count, generator=generator))


def _half(count: int, generator: torch.Generator) -> Tensor:
    return _chosen(count, 0.5, generator)


def _chosen(count: int, share: float, generator: torch.Generator) -> Tensor:
    return torch.rand(count, generator=generator) < share
