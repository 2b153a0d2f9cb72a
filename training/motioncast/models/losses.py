"""Losses of the synthesis networks.

lite        decibels and pixels (L1), weighted by local motion + image gradients
            + equivariance, separation and coverage of the keypoints
monkey_net  least-squares GAN + L1 on [image, discriminator feature maps]

All take float tensors in [0, 1] and return a scalar unless said otherwise.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

RECONSTRUCTION_WEIGHTS = (10.0, 10.0, 10.0, 10.0, 1.0)


def motion_weights(
    frame: Tensor, neighbour: Tensor, emphasis: float, noise: float = 0.02, full: float = 0.12
) -> Tensor:
    """Returns pixel weights (N, 1, H, W) from 1 to 1 + emphasis, high where the picture moves.

    `frame` and `neighbour` (N, 3, H, W) are a few frames apart: the fastest parts of a talking
    head are its lips and eyelids. A smoothed difference below `noise` counts as still, above
    `full` as fully moving.
    """
    difference = (frame - neighbour).abs().mean(dim=1, keepdim=True)
    smooth = functional.avg_pool2d(difference, 5, stride=1, padding=2)
    return 1 + emphasis * ((smooth - noise) / (full - noise)).clamp(0, 1)


def weighted_l1(output: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """Returns the mean absolute error with pixel weights (N, 1, H, W)."""
    return (weights * (output - target).abs()).mean()


def decibels(output: Tensor, target: Tensor, weights: Tensor, floor: float = 3e-5) -> Tensor:
    """Returns the mean over the images of ln(weighted squared error + floor).

    With weights of 1 (N, 1, H, W) this is the negated mean PSNR, up to scale. Every image counts
    by how much it improves, not by how bad it is: without the logarithm, one image at 22 dB
    outweighs twenty at 35 dB. Beyond the floor, 45 dB, there is nothing worth learning.
    """
    squared = (weights * (output - target).square()).mean(dim=(1, 2, 3))
    return (squared + floor).log().mean()


def gradient_l1(output: Tensor, target: Tensor) -> Tensor:
    """Returns the L1 error of horizontal plus vertical differences, which keeps edges sharp."""
    error = output - target
    horizontal = (error[..., :, 1:] - error[..., :, :-1]).abs().mean()
    vertical = (error[..., 1:, :] - error[..., :-1, :]).abs().mean()
    return horizontal + vertical


def equivariance(keypoints: Tensor, transformed: Tensor, affine: Tensor) -> Tensor:
    """Returns how far keypoints fail to move with the image: |dx| + |dy| + 0.1 |d intensity|.

    `transformed` (N, K, 3) were detected in the image u -> image(A u + b), and `affine` (N, 2, 3)
    is [A | b]; a point p of the image then appears at u with A u + b = p. Keypoints that leave the
    frame do not count.
    """
    back = transformed[..., :2] @ affine[:, :, :2].transpose(1, 2) + affine[:, None, :, 2]
    inside = (_inverse_position(keypoints, affine).abs() < 0.95).all(dim=-1, keepdim=True)
    position = (inside * (back - keypoints[..., :2]).abs()).mean() * 2
    return position + 0.1 * (transformed[..., 2] - keypoints[..., 2]).abs().mean()


def separation(keypoints: Tensor, distance: float = 0.1) -> Tensor:
    """Returns how crowded keypoints (N, K, 3) are: mean of exp(-d^2 / 2 distance^2) over all pairs.

    This is the spatial half of the separation loss of Minderer et al. (2019).
    """
    position = keypoints[..., :2]
    squared = (position.unsqueeze(2) - position.unsqueeze(1)).square().sum(dim=-1)  # (N, K, K)
    pairs = torch.exp(squared * (-0.5 / distance**2))
    count = keypoints.shape[1]
    return (pairs.sum(dim=(-2, -1)) - count).mean() / (count * (count - 1))


def coverage(heatmaps: Tensor, weights: Tensor) -> Tensor:
    """Returns the share of the motion that has no keypoint nearby.

    `heatmaps` (N, K, h, w) are Gaussians of height 1 around the keypoints; `weights` (N, 1, H, W)
    come from `motion_weights`, where only the excess over 1 is motion.
    """
    motion = functional.interpolate(weights - 1, size=heatmaps.shape[-2:], mode="area")
    uncovered = 1 - heatmaps.amax(dim=1, keepdim=True)
    return (motion * uncovered).sum() / motion.sum().clamp(min=1e-6)


def _inverse_position(keypoints: Tensor, affine: Tensor) -> Tensor:
    centred = keypoints[..., :2] - affine[:, None, :, 2]
    inverse: Tensor = torch.linalg.inv(affine[:, :, :2])
    return (centred @ inverse.transpose(1, 2)).detach()


def generator_adversarial(fake_score: Tensor) -> Tensor:
    """Returns the generator's least-squares GAN loss: the scores of its images should be 1."""
    return (1 - fake_score).square().mean()


def discriminator_adversarial(real_score: Tensor, fake_score: Tensor) -> Tensor:
    """Returns the discriminator's least-squares GAN loss: real 1, generated 0."""
    return (1 - real_score).square().mean() + fake_score.square().mean()


def feature_reconstruction(
    real: Sequence[Tensor],
    generated: Sequence[Tensor],
    weights: Sequence[float] = RECONSTRUCTION_WEIGHTS,
) -> Tensor:
    """Returns the weighted sum of L1 distances between [image, feature maps...] of two images."""
    terms = zip(weights, real, generated, strict=True)
    return torch.stack([w * (a - b).abs().mean() for w, a, b in terms]).sum()
