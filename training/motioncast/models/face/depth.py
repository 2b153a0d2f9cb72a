"""How far in front of or behind the plane of the face each visible part of a head lies.

When a head turns, an affine map of its face takes nose, ears and hair to the wrong place: nearer
parts move further. Seen from afar, that is one displacement v of the frame, times a depth for each
position of the source:

    s = A d + b + depth(s) v

v follows from the keypoints, whose depths are the same on everyone; a network estimates all other
depths from the source alone, one for x and one for y. Shapes: B sources, N frames, A
anchored keypoints; 32x32 positions.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from motioncast.models.face.keypoints import DEPTHS
from motioncast.models.lite.blocks import conv_bn_relu, residuals


def parallax(left: Tensor, weights: Tensor, depths: Tensor) -> Tensor:
    """Returns v (N, 2): the least-squares fit of the affine map's residuals to the depths.

    Args:
        left: (N, A, 2) s - A d - b of the anchored keypoints.
        weights: (1, A, 1) how rigidly they are attached to the skull.
        depths: (1, A, 1) their depths.
    """
    weighted = weights * depths
    return (weighted.transpose(1, 2) @ left).squeeze(1) / (weighted * depths).sum()


class Depth(nn.Module):
    """Source features (B, C, 32, 32) and maps of its keypoints (B, M, 32, 32) -> (B, 2, 32, 32).

    Untrained it returns zeros: a flat head, as for networks trained without it.
    """

    def __init__(self, channels: int, maps: int) -> None:
        super().__init__()
        self.first = conv_bn_relu(channels + maps, 48)
        self.at16 = nn.Sequential(conv_bn_relu(48, 64, stride=2), *residuals(64, 1))
        self.at8 = nn.Sequential(conv_bn_relu(64, 96, stride=2), *residuals(96, 2))
        self.up16 = conv_bn_relu(96, 64)
        self.up32 = conv_bn_relu(64, 48)
        self.last = nn.Conv2d(48, 2, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        assert self.last.bias is not None
        nn.init.zeros_(self.last.bias)

    def forward(self, seen: Tensor) -> Tensor:
        at32 = self.first(seen)
        at16 = self.at16(at32)
        up16 = self.up16(functional.interpolate(self.at8(at16), scale_factor=2.0)) + at16
        up32 = self.up32(functional.interpolate(up16, scale_factor=2.0)) + at32
        depth: Tensor = self.last(up32)
        return depth.float()


def depths() -> Tensor:
    """Returns the anchored keypoints' depths (1, A, 1)."""
    return torch.tensor(DEPTHS).view(1, -1, 1)
