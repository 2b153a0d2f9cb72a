"""How similarly two sets of keypoint tracks move: a Frechet distance on velocity and acceleration.

    v_t = p_{t+1} - p_t        a_t = v_{t+1} - v_t        in pixels at 256 per frame (squared)

Per keypoint and per stretch of four frames the directions of v are counted in eight bins, each
vector with weight log2(1 + |v|), and likewise those of a; the counts of a track form one vector,
and the distance is the Frechet distance between the Gaussians of two sets of such vectors.

This applies the idea of the Frechet video motion distance (Liu et al. 2024) to a detector's
own keypoints, which need no download. It is *not* FVMD or FVD, and its numbers are comparable with
neither: FVMD tracks a grid of 400 points through the pixels with a trained tracker, pools 5x5 of
them, and rounds log2(1 + |v|) up to integers, which would make all motion below a pixel equal 1.

Shapes: B tracks, T frames, K keypoints (x, y, ...), D features.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from motioncast.metrics.keypoints import REFERENCE_SIZE, pixels_per_unit
from motioncast.paper.metrics.frechet import frechet_distance_of_samples

DIRECTIONS = 8
FRAMES_PER_STRETCH = 4
MINIMUM_FRAMES = FRAMES_PER_STRETCH + 2  # one whole stretch of accelerations

Features = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class KeypointMotionDistance:
    """The distance between two sets of tracks; below `features` tracks it is biased upwards."""

    value: float  # velocities and accelerations in one vector
    velocity: float
    acceleration: float
    tracks: tuple[int, int]
    features: int  # D


def keypoint_motion_distance(tracks: Tensor, reference: Tensor) -> KeypointMotionDistance:
    """Compares tracks (B, T, K, 2 or 3) with reference (B', T, K, 2 or 3), T >= 6.

    Raises ValueError for tracks that are too short, too few (two are needed) or of other shapes.
    """
    if tracks.shape[1:3] != reference.shape[1:3]:
        shapes = f"{tuple(tracks.shape)} and {tuple(reference.shape)}"
        raise ValueError(f"tracks: {shapes} differ in frames or keypoints")
    first, second = motion_features(tracks), motion_features(reference)
    both = [np.concatenate(pair, axis=1) for pair in (first, second)]
    return KeypointMotionDistance(
        value=frechet_distance_of_samples(*both),
        velocity=frechet_distance_of_samples(first[0], second[0]),
        acceleration=frechet_distance_of_samples(first[1], second[1]),
        tracks=(len(tracks), len(reference)),
        features=both[0].shape[1],
    )


def motion_features(tracks: Tensor) -> tuple[Features, Features]:
    """Returns direction counts of velocity and acceleration, about (B, D / 2) each.

    Trailing frames that do not fill a whole stretch are left out.
    """
    if tracks.dim() != 4 or tracks.shape[1] < MINIMUM_FRAMES:
        raise ValueError(
            f"tracks: shape {tuple(tracks.shape)} has fewer than {MINIMUM_FRAMES} frames"
        )
    pixels = tracks[..., :2].double() * pixels_per_unit(REFERENCE_SIZE)
    velocity = pixels.diff(dim=1)  # (B, T - 1, K, 2)
    return direction_counts(velocity), direction_counts(velocity.diff(dim=1))


def direction_counts(vectors: Tensor) -> Features:
    """Counts the directions of vectors (B, T, K, 2) per stretch and keypoint, (B, L * K * 8).

    Bin 0 begins at the direction of -x; angles increase from +x to +y.
    """
    batch, frames, keypoints, _ = vectors.shape
    stretches = frames // FRAMES_PER_STRETCH
    vectors = vectors[:, : stretches * FRAMES_PER_STRETCH]
    angle = torch.atan2(vectors[..., 1], vectors[..., 0]) + math.pi  # [0, 2 pi]
    bins = (angle * (DIRECTIONS / (2 * math.pi))).long() % DIRECTIONS  # 2 pi is bin 0
    weight = torch.log2(1 + torch.linalg.vector_norm(vectors, dim=-1))  # (B, T, K)
    counts = torch.zeros(*weight.shape, DIRECTIONS, dtype=weight.dtype)
    counts.scatter_(-1, bins[..., None], weight[..., None])
    counts = counts.reshape(batch, stretches, FRAMES_PER_STRETCH, keypoints, DIRECTIONS).sum(dim=2)
    return counts.flatten(1).numpy()
