"""Keypoints as a network reads and outputs them: folded, bounded, selected frame by frame."""

import torch
from torch import Tensor

from motioncast.timeline.ranges import INTENSITY, POSITION


def clamp_keypoints(keypoints: Tensor) -> Tensor:
    """Bounds x and y to [-1, 1] and intensity to [0, 1] in (..., K, 3)."""
    position, intensity = keypoints[..., :2], keypoints[..., 2:]
    return torch.cat([position.clamp(*POSITION), intensity.clamp(*INTENSITY)], dim=-1)


def as_keypoints(coordinates: Tensor) -> Tensor:
    """Folds (..., 3K) into (..., K, 3)."""
    return coordinates.reshape(*coordinates.shape[:-1], -1, 3)


def take(observed: Tensor, given: Tensor, own: Tensor) -> Tensor:
    """Chooses per batch element: `given` where observed (B,) is 1, `own` where it is 0.

    It selects rather than blends: `given` is ignored at a predicted step, even if it is NaN.
    """
    chosen = observed.reshape(-1, *[1] * (given.dim() - 1)) > 0
    return torch.where(chosen, given, own)
