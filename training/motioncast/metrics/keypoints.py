"""Distances between keypoints: AKD, and diversity of samples.

    AKD            = mean over frames and keypoints of |p - p_true|
    diversity      = mean over pairs of samples of the distance between them (APD)

Only x and y count. Coordinates run from -1 at the first pixel's centre to 1 at the last one's, so a
frame of S pixels has (S - 1) / 2 pixels per unit.

Shapes: B windows, T frames, K keypoints (x, y, ...), P samples.
"""

from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

REFERENCE_SIZE = 256  # errors for all image sizes are compared in pixels at 256x256


@dataclass(frozen=True, slots=True)
class Diversity:
    """The distances between samples of one forecast."""

    pixels: Tensor  # (B, T), mean over pairs and keypoints, at 256
    trajectory_pixels: Tensor  # (B,), Euclidean norm over T, K, x and y at once (Yuan and Kitani)


def pixels_per_unit(size: int) -> float:
    """Returns the number of pixels per unit of a coordinate in a frame of `size` pixels."""
    return (size - 1) / 2


def keypoint_distance(keypoints: Tensor, truth: Tensor, size: int = REFERENCE_SIZE) -> Tensor:
    """Returns |p - p_true| (..., K) of keypoints (..., K, 2 or 3) in pixels at `size`."""
    difference = (keypoints - truth)[..., :2].double()
    distance: Tensor = torch.linalg.vector_norm(difference, dim=-1)  # (..., K)
    return distance * pixels_per_unit(size)


def average_keypoint_distance(
    keypoints: Tensor, truth: Tensor, size: int = REFERENCE_SIZE
) -> Tensor:
    """Returns the AKD (...) of keypoints (..., K, 2 or 3): the mean over K, in pixels of `size`."""
    return keypoint_distance(keypoints, truth, size).mean(dim=-1)


def diversity(samples: Tensor) -> Diversity:
    """Measures the distances between samples (P, B, T, K, 3), P >= 2, over all pairs."""
    if len(samples) < 2:
        raise ValueError("samples: at least two are needed to measure diversity")
    pairs = list(combinations(samples, 2))
    distances = [keypoint_distance(first, second) for first, second in pairs]  # (B, T, K) each
    norms = [distance.square().sum(dim=(-2, -1)).sqrt() for distance in distances]
    return Diversity(
        pixels=torch.stack([distance.mean(dim=-1) for distance in distances]).mean(dim=0),
        trajectory_pixels=torch.stack(norms).mean(dim=0),
    )
