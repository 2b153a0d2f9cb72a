"""The lite networks' discriminator: do the patches of a close-up look real, given its keypoints?

    [image, its details, K Gaussians] -> 3 x (conv -> leaky ReLU) -> conv1, halved in size twice

Images enter folded by 2, and every score sees 26 x 26 pixels. A blurred mouth is betrayed by weak
detail: each pixel's difference from its neighbourhood mean, much smaller than that between skin and
hair. These differences enter amplified; otherwise the loss stayed at chance for hundreds of steps.
Monkey-Net's instance norm would hide their strength, so spectral norm (Miyato et al. 2018) keeps
the network smooth instead.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from motioncast.models.geometry import space_to_depth

CHANNELS = (32, 64, 96)
DETAIL_GAIN = 10.0


class PatchDiscriminator(nn.Module):
    """Scores close-ups (N, 3, S, S) in [0, 1] with Gaussians of their keypoints (N, K, S/2, S/2).

    S is a multiple of 8.
    """

    def __init__(self, keypoints: int) -> None:
        super().__init__()
        first, second, third = CHANNELS
        self.blocks = nn.ModuleList(
            spectral_norm(convolution)
            for convolution in (
                nn.Conv2d(24 + keypoints, first, 3, padding=1),
                nn.Conv2d(first, second, 4, stride=2, padding=1),
                nn.Conv2d(second, third, 4, stride=2, padding=1),
            )
        )
        self.last = nn.Conv2d(third, 1, 1)

    def forward(self, images: Tensor, heatmaps: Tensor) -> tuple[list[Tensor], Tensor]:
        """Returns [images, 3 feature maps], for comparing two images, and the scores."""
        folded = [space_to_depth(images - 0.5, 2), space_to_depth(DETAIL_GAIN * details(images), 2)]
        maps = [torch.cat([*folded, heatmaps], dim=1)]
        for block in self.blocks:
            maps.append(functional.leaky_relu(block(maps[-1]), 0.2))
        return [images, *maps[1:]], self.last(maps[-1])  # scores (N, 1, S/8, S/8)


def details(images: Tensor) -> Tensor:
    """Returns images (N, C, H, W) minus the mean of each pixel's 3 x 3 neighbourhood."""
    return images - functional.avg_pool2d(images, 3, 1, 1, count_include_pad=False)
