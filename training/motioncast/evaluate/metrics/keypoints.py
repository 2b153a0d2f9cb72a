"""Distances between keypoints: AKD, free-running error by horizon, diversity of samples.

    AKD            = mean over frames and keypoints of |p - p_true|
    error(h)       = mean over windows and keypoints of |forecast_h - true_h|
    motion(h)      = mean over windows and keypoints of |true_h - last observed|
    relative(h)    = error(h) / motion(h), 1 for a forecast that holds the last observed frame
    diversity      = mean over pairs of samples of the distance between them (APD)

Only x and y count. Coordinates run from -1 at the first pixel's centre to 1 at the last one's, so a
frame of S pixels has (S - 1) / 2 pixels per unit.

Shapes: B windows, N horizon, T frames, K keypoints (x, y, ...), P samples.
"""

from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

REFERENCE_SIZE = 256  # errors of all sizes of image are compared in pixels at 256x256


@dataclass(frozen=True, slots=True)
class HorizonError:
    """Free-running error of every window, and how far the truth itself has moved."""

    pixels: Tensor  # (B, N), mean over the keypoints, at 256
    motion_pixels: Tensor  # (B, N), of the truth since the last observed frame

    @property
    def mean_pixels(self) -> Tensor:
        """The error by horizon (N,), every window weighing the same."""
        return self.pixels.mean(dim=0)

    @property
    def relative(self) -> Tensor:
        """The error in units of the motion (N,): a ratio of means, since windows may stand still.

        It is infinite, or not a number, where nothing moves in any window.
        """
        return self.pixels.mean(dim=0) / self.motion_pixels.mean(dim=0)


@dataclass(frozen=True, slots=True)
class Diversity:
    """How far samples of one forecast lie apart."""

    pixels: Tensor  # (B, T), mean over pairs and keypoints, at 256
    trajectory_pixels: Tensor  # (B,), Euclidean norm over T, K, x and y at once (Yuan and Kitani)


def pixels_per_unit(size: int) -> float:
    """Returns how many pixels one unit of a coordinate is in a frame of `size` pixels."""
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


def horizon_error(forecast: Tensor, truth: Tensor, last_observed: Tensor) -> HorizonError:
    """Measures a forecast (B, N, K, 3) of the truth (B, N, K, 3) after the frame (B, K, 3)."""
    if forecast.shape != truth.shape:
        shapes = f"{tuple(forecast.shape)} and {tuple(truth.shape)}"
        raise ValueError(f"forecast and truth: {shapes} cannot be compared")
    return HorizonError(
        pixels=average_keypoint_distance(forecast, truth),
        motion_pixels=average_keypoint_distance(truth, last_observed[:, None]),
    )


def diversity(samples: Tensor) -> Diversity:
    """Measures how far samples (P, B, T, K, 3), P >= 2, lie apart, over all pairs."""
    if len(samples) < 2:
        raise ValueError("samples: at least two are needed to lie apart")
    pairs = list(combinations(samples, 2))
    distances = [keypoint_distance(first, second) for first, second in pairs]  # (B, T, K) each
    norms = [distance.square().sum(dim=(-2, -1)).sqrt() for distance in distances]
    return Diversity(
        pixels=torch.stack([distance.mean(dim=-1) for distance in distances]).mean(dim=0),
        trajectory_pixels=torch.stack(norms).mean(dim=0),
    )
