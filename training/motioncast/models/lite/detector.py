"""The lite keypoint detector: a small hourglass at a quarter of the image's resolution.

    image 128 -> space to depth 64 -> 32 -> 16 -> 8 -> 16 -> 32 -> K heatmaps -> keypoints

A heatmap is a zero-mean shape, whose softmax gives the keypoint's position, plus a height, which
that softmax ignores: an appearance map read at the keypoint. The intensity, the mean of the
non-negative heatmap, is therefore free to distinguish an open mouth from a closed one.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from motioncast.models.configurations import Configuration
from motioncast.models.geometry import space_to_depth
from motioncast.models.heatmaps import (
    expected_coordinates,
    relative_intensities,
    spatial_softmax,
)
from motioncast.models.lite.blocks import conv_bn_relu, residuals

SHAPE_LIMIT = 4.0  # of the logits; at temperature 0.1 a contrast of 80 nats
HEIGHT_SPREAD = 0.5  # standard deviation of the heights over the training images


class LiteKeypointDetector(nn.Module):
    """Maps images (N, 3, S, S) in [0, 1] to keypoints (N, K, 3)."""

    def __init__(self, configuration: Configuration) -> None:
        super().__init__()
        channels, blocks = configuration.channels, configuration.blocks
        at32, at16, at8 = configuration.detector_blocks or (0, blocks, blocks)
        c16, c48, c64, c96 = channels(16), channels(48), channels(64), channels(96)
        self.stem = nn.Sequential(conv_bn_relu(12, c16), conv_bn_relu(c16, c48, stride=2))
        self.level32 = conv_bn_relu(c48, c48)
        self.level16 = nn.Sequential(
            conv_bn_relu(c48, c64, stride=2), conv_bn_relu(c64, c64), *residuals(c64, at16)
        )
        self.level8 = nn.Sequential(
            conv_bn_relu(c64, c96, stride=2),
            conv_bn_relu(c96, c96),
            conv_bn_relu(c96, c96),
            *residuals(c96, at8),
        )
        self.up16 = conv_bn_relu(c96, c64)
        self.up32 = conv_bn_relu(c64, c48)
        self.refine32 = nn.Sequential(*residuals(c48, at32))
        self.shape_and_appearance = nn.Conv2d(c48, 2 * configuration.keypoints, 3, padding=1)
        # Otherwise the heights soon collapse to a constant, the easiest way to be equivariant.
        self.normalise = nn.BatchNorm1d(configuration.keypoints, affine=False)
        self.temperature = configuration.softmax_temperature

    def forward(self, images: Tensor) -> Tensor:
        shape, appearance = self._maps(images)  # (N, K, S / 4, S / 4)
        shape = SHAPE_LIMIT * torch.tanh(shape / SHAPE_LIMIT)
        where = spatial_softmax(shape, self.temperature)
        height = HEIGHT_SPREAD * self.normalise((where * appearance).sum(dim=(-2, -1)))
        mean = shape.mean(dim=(-2, -1)) - height  # (N, K)
        intensity = relative_intensities(shape - mean[..., None, None])
        return torch.cat([expected_coordinates(where), intensity.unsqueeze(-1)], dim=-1)

    def _maps(self, images: Tensor) -> tuple[Tensor, Tensor]:
        at32 = self.level32(self.stem(space_to_depth(images - 0.5, 2)))
        at16 = self.level16(at32)
        at8 = self.level8(at16)
        up16 = self.up16(functional.interpolate(at8, scale_factor=2.0)) + at16
        up32 = self.up32(functional.interpolate(up16, scale_factor=2.0)) + at32
        maps = self.shape_and_appearance(self.refine32(up32))
        shape, appearance = maps.float().chunk(2, dim=1)
        return shape, appearance
