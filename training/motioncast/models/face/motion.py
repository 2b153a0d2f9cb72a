"""Dense motion of a face: geometry first, then a network decides what moves with what.

    flow = identity + sum over parts of mask * displacement + (1 - room) * turn + correction

Parts: the room (static), the head (affine), the face (head plus residual displacements), and one
for every unsupervised keypoint (its displacement), as in Monkey-Net. When a head turns, nearer
parts move further (depth.py). The network sees the source and its features warped by the geometry,
maps of the keypoints in both frames, and the geometry itself. Shapes: N frames, K
keypoints, U of them unsupervised; masks at 32x32, the flow at half the image's side.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from motioncast.models.face.depth import Depth
from motioncast.models.face.geometry import FaceGeometry
from motioncast.models.face.keypoints import ANCHORED, GROUPS
from motioncast.models.geometry import (
    Resample,
    full_precision,
    gaussian_profiles,
    gaussians,
    identity_grid,
    pixel_centres,
    warp,
)
from motioncast.models.lite.blocks import conv_bn_relu, residuals

GRID = 32  # side of the masks, for any image size
SMALL = 0.03  # spread of the anchored keypoints' Gaussians, in half sides
WIDE = 0.1  # spread of an unsupervised keypoint's Gaussian
START = 2.0  # initial logit of room, head and face
CORRECTION = 0.1  # half sides per unit of the network's correction


class Motion(NamedTuple):
    """Where in the source each pixel comes from."""

    flow: Tensor  # (N, 2, h, h) in [-1, 1]
    features: Tensor  # (N, 64, 32, 32) of the network, for the painter
    masks: Tensor  # (N, parts, 32, 32)


class Maps(nn.Module):
    """Draws the groups of anchored keypoints: sums of small Gaussians, at most 1, (N, 10, h, h)."""

    centres: Tensor

    def __init__(self, side: int) -> None:
        super().__init__()
        self.register_buffer("centres", pixel_centres(side), persistent=False)
        self.spread = max(SMALL, 1.5 / side)

    def forward(self, keypoints: Tensor) -> Tensor:
        with full_precision(keypoints):
            return self._draw(keypoints)

    def _draw(self, keypoints: Tensor) -> Tensor:
        points = keypoints[:, :ANCHORED]
        along_x, along_y = gaussian_profiles(points, self.centres, self.spread**2)  # (N, A, h)
        along_y = along_y * points[..., 2:]
        maps = []
        for group in GROUPS:
            own = slice(group.first, group.first + group.size)
            maps.append(along_y[:, own].transpose(1, 2) @ along_x[:, own])
        return torch.stack(maps, dim=1).clamp(max=1.0)


class FineGrid(nn.Module):
    """The positions at which the flow is computed: `side` x `side` of them."""

    identity: Tensor

    def __init__(self, side: int) -> None:
        super().__init__()
        self.geometry = FaceGeometry(side)
        self.down = nn.AvgPool2d(side // GRID)
        self.up = Resample(GRID, side)
        self.register_buffer("identity", identity_grid(side, side), persistent=False)


class FaceMotion(nn.Module):
    """Source features (N, C, 32, 32), its depths, and the keypoints of both frames -> `Motion`."""

    identity32: Tensor
    centres: Tensor

    def __init__(self, keypoints: int, channels: int, side: int) -> None:
        super().__init__()
        self.unsupervised = keypoints - ANCHORED
        self.parts = 3 + self.unsupervised
        self.fine = FineGrid(side)
        self.maps = Maps(GRID)
        self.register_buffer("identity32", identity_grid(GRID, GRID), persistent=False)
        self.register_buffer("centres", pixel_centres(GRID), persistent=False)
        given = 2 * channels + 2 * len(GROUPS) + 2 * self.unsupervised + 4
        self.depth = Depth(channels, len(GROUPS) + self.unsupervised)
        self.first = conv_bn_relu(given, 64)
        self.at32 = nn.Sequential(*residuals(64, 1))
        self.at16 = nn.Sequential(conv_bn_relu(64, 96, stride=2), *residuals(96, 2))
        self.at8 = nn.Sequential(conv_bn_relu(96, 128, stride=2), *residuals(128, 2))
        self.up16 = conv_bn_relu(128, 96)
        self.up32 = conv_bn_relu(96, 64)
        self.refine = nn.Sequential(*residuals(64, 1))
        self.to_masks = nn.Conv2d(64, self.parts + 2, 3, padding=1)
        nn.init.zeros_(self.to_masks.weight)
        assert self.to_masks.bias is not None
        nn.init.zeros_(self.to_masks.bias)
        with torch.no_grad():
            self.to_masks.bias[:3] = START

    def forward(
        self,
        features: Tensor,
        depth: Tensor,
        source: Tensor,
        driving: Tensor,
        fine: FineGrid | None = None,
    ) -> Motion:
        """Returns the motion, with the flow on another grid of positions if one is given."""
        grid = self.fine if fine is None else fine
        head, face, parallax = grid.geometry(source, driving)
        coarse_head, coarse_face = grid.down(head), grid.down(face)
        turn = warp(depth, self.identity32 + coarse_face) * parallax[..., None, None]
        coarse_head, coarse_face = coarse_head + turn, coarse_face + turn
        moved = warp(features, (self.identity32 + coarse_face).to(features.dtype))
        shift = (source - driving)[:, ANCHORED:, :2]  # (N, U, 2)
        seen = [features, moved, self.maps(source), self.maps(driving)]
        seen += [self.blobs(source), self.blobs(driving)]
        seen += [4 * coarse_head, 4 * coarse_face]
        refined = self.refined(torch.cat(seen, dim=1))
        estimate = self.to_masks(refined).float()
        masks = estimate[:, : self.parts].softmax(dim=1)
        # Whole parts are summed at 32x32; only head and face have finer motion.
        with full_precision(estimate):
            plain = (shift.transpose(1, 2) @ masks[:, 3:].flatten(2)).view(-1, 2, GRID, GRID)
            plain = plain + CORRECTION * estimate[:, -2:] + (1 - masks[:, :1]) * turn
            upper = grid.up(torch.cat([masks[:, 1:3], plain], dim=1))
            flow = grid.identity + upper[:, :1] * head + upper[:, 1:2] * face + upper[:, 2:]
        return Motion(flow, refined, masks)

    def depth_of(self, features: Tensor, source: Tensor) -> Tensor:
        """Returns the depths (B, 2, 32, 32) of sources, from features and keypoints (B, K, 3)."""
        depth: Tensor = self.depth(torch.cat([features, self.maps(source), self.blobs(source)], 1))
        return depth

    def refined(self, seen: Tensor) -> Tensor:
        """Returns features (N, 64, 32, 32) of everything the network sees."""
        at32 = self.at32(self.first(seen))
        at16 = self.at16(at32)
        up16 = self.up16(functional.interpolate(self.at8(at16), scale_factor=2.0)) + at16
        up32 = self.up32(functional.interpolate(up16, scale_factor=2.0)) + at32
        refined: Tensor = self.refine(up32)
        return refined

    def blobs(self, keypoints: Tensor) -> Tensor:
        """Returns a wide Gaussian per unsupervised keypoint, with its intensity as its height."""
        points = keypoints[:, ANCHORED:]
        return gaussians(points, self.centres, WIDE**2) * points[..., 2, None, None]
