"""Monkey-Net's dense motion: a flow composed of the keypoints' displacements.

    flow = identity + sum over k of mask_k * (source_k - driving_k) + correction

For the background and for every keypoint, the network sees how its Gaussian has moved and a copy
of the source shifted by its displacement.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from motioncast.models.blocks import Hourglass, same_block
from motioncast.models.configurations import Configuration
from motioncast.models.geometry import (
    full_precision,
    gaussians,
    identity_grid,
    pixel_centres,
    warp,
)

EMBEDDING_NORM = 100.0


class DenseMotion(nn.Module):
    """Returns the flow (N, 2, S, S) from a source and the keypoints of source and driving frame."""

    identity: Tensor

    def __init__(self, configuration: Configuration) -> None:
        super().__init__()
        parts, size = configuration.keypoints + 1, configuration.image_size
        self.movement = Movement(configuration)
        self.same = nn.Sequential(same_block(4 * parts, parts), same_block(4 * parts, parts))
        self.hourglass = Hourglass(4 * parts, parts + 2)
        self.register_buffer("identity", identity_grid(size, size), persistent=False)
        start_from_background(self.hourglass.last)

    def forward(self, image: Tensor, source: Tensor, driving: Tensor) -> Tensor:
        """Takes images (N, 3, S, S) and keypoints (N, K, 3) of source and driving frame."""
        movement = self.movement(source, driving)  # (N, K, S, S)
        heatmaps = torch.cat([torch.zeros_like(movement[:, :1]), movement], dim=1)
        shift = source[..., :2] - driving[..., :2]  # (N, K, 2)
        every_shift = torch.cat([torch.zeros_like(shift[:, :1]), shift], dim=1)
        copies = shifted_copies(image, every_shift, self.identity)  # (N, K + 1, 3, S, S)
        embedding = torch.cat([heatmaps.unsqueeze(2), copies], dim=2).flatten(1, 2)
        estimate = self.hourglass(self.same(embedding)).float()
        return compose_flow(estimate, shift, self.identity)


class Movement(nn.Module):
    """Gaussians around the driving keypoints minus those around the source keypoints.

    They have a height of 1/100, or sum to one if the configuration says so.
    """

    centres: Tensor

    def __init__(self, configuration: Configuration) -> None:
        super().__init__()
        self.variance = configuration.gaussian_variance
        self.unit_heatmaps = configuration.unit_heatmaps
        centres = pixel_centres(configuration.image_size)
        self.register_buffer("centres", centres, persistent=False)

    def forward(self, source: Tensor, driving: Tensor) -> Tensor:
        now = gaussians(driving, self.centres, self.variance)
        then = gaussians(source, self.centres, self.variance)
        if self.unit_heatmaps:
            return now / now.sum((-2, -1), keepdim=True) - then / then.sum((-2, -1), keepdim=True)
        return (now - then) / EMBEDDING_NORM


def shifted_copies(image: Tensor, shift: Tensor, identity: Tensor) -> Tensor:
    """Shifts a copy of an image (N, C, S, S) by each displacement (N, P, 2): (N, P, C, S, S)."""
    parts = shift.shape[1]
    flow = identity + shift.flatten(0, 1)[:, :, None, None]  # (N * P, 2, S, S)
    copies = warp(image.repeat_interleave(parts, dim=0), flow)
    return copies.reshape(-1, parts, *image.shape[1:])


def compose_flow(estimate: Tensor, shift: Tensor, identity: Tensor) -> Tensor:
    """Returns the flow (N, 2, H, W) encoded by the output of a dense motion's last layer.

    `estimate` (N, K + 1 + 2, H, W) are mask logits, background first, and a correction; `shift`
    (N, K, 2) are the keypoints' displacements from driving to source, in [-1, 1] coordinates.
    """
    masks = functional.softmax(estimate[:, :-2], dim=1)[:, 1:]
    with full_precision(shift):
        moved = shift.transpose(1, 2) @ masks.flatten(2)  # (N, 2, H * W)
    return identity + moved.view_as(estimate[:, -2:]) + estimate[:, -2:]


def start_from_background(layer: nn.Conv2d) -> None:
    """Initialises the flow to the identity: all weight on the background mask, no correction."""
    assert layer.bias is not None
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    nn.init.constant_(layer.bias[:1], 2.0)
