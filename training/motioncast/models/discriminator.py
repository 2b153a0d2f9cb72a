"""Monkey-Net's discriminator: does an image look real, given where its keypoints are?

    [image, K Gaussians] -> 4 x (conv4 -> instance norm -> leaky ReLU -> pool) -> conv1

The first block has no instance norm.
"""

import torch
from torch import Tensor, nn

from motioncast.models.configurations import Configuration
from motioncast.models.geometry import gaussians, pixel_centres

CHANNELS = (64, 128, 256, 256)


class Discriminator(nn.Module):
    """Scores images (N, 3, S, S) with their keypoints (N, K, 3)."""

    centres: Tensor

    def __init__(self, configuration: Configuration) -> None:
        super().__init__()
        self.variance = configuration.gaussian_variance
        centres = pixel_centres(configuration.image_size)
        self.register_buffer("centres", centres, persistent=False)
        widths = [3 + configuration.keypoints, *CHANNELS]
        self.blocks = nn.ModuleList(
            _block(channels_in, channels_out, normalise=index > 0)
            for index, (channels_in, channels_out) in enumerate(zip(widths, CHANNELS, strict=False))
        )
        self.last = nn.Conv2d(CHANNELS[-1], 1, 1)

    def forward(self, images: Tensor, keypoints: Tensor) -> tuple[list[Tensor], Tensor]:
        """Returns [images, 4 feature maps], for comparing two images, and the score."""
        heatmaps = gaussians(keypoints, self.centres, self.variance)
        maps = [torch.cat([images, heatmaps], dim=1)]
        for block in self.blocks:
            maps.append(block(maps[-1]))
        return [images, *maps[1:]], self.last(maps[-1])


def _block(channels_in: int, channels_out: int, normalise: bool) -> nn.Sequential:
    norm = [nn.InstanceNorm2d(channels_out, affine=True)] if normalise else []
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 4), *norm, nn.LeakyReLU(0.2), nn.AvgPool2d(2)
    )
