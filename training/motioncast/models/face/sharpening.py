"""Sharpens heads slightly beyond the network's output.

    image + AMOUNT * head * (luma - blurred luma)

A network trained on squared errors blurs what it is unsure of, and warping blurs again. Whatever
moves as head or face gets back some of its fine detail (unsharp masking); the room, which is not
blurred, is left alone. On people held out from training, 0.02 dB buy 0.04 of the original's
sharpness. Training sees images without it, or it would learn to undo it. Luma minus blurred luma
is one small convolution of the colours, a tenth of the cost of blurring by matrix products.
Shapes: N frames, image side S.
"""

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from motioncast.models.face.motion import GRID
from motioncast.models.geometry import Resample

AMOUNT: Final = 0.25
SPREAD: Final = 0.8  # standard deviation of the blurring Gaussian, in pixels
REACH: Final = 3  # radius of its kernel, in pixels
LUMA: Final = (0.299, 0.587, 0.114)  # ITU-R BT.601


class Sharpening(nn.Module):
    """Images (N, 3, S, S) and head masks (N, 1, 32, 32) -> the images, sharpened."""

    kernel: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.finer = Resample(GRID, size)
        self.register_buffer("kernel", detail_kernel(), persistent=False)

    def forward(self, image: Tensor, head: Tensor, white: float = 1.0) -> Tensor:
        """Sharpens images with values from 0 to `white`, except their outermost REACH pixels."""
        detail = functional.conv2d(image, AMOUNT * self.kernel)
        sharper: Tensor = image + self.finer(head) * functional.pad(detail, (REACH,) * 4)
        return sharper.clamp(0.0, white)


def detail_kernel() -> Tensor:
    """Returns (1, 3, 7, 7): luma of a pixel minus Gaussian-blurred luma."""
    offsets = torch.arange(-REACH, REACH + 1)
    line = torch.exp(-0.5 * (offsets / SPREAD) ** 2)
    line = line / line.sum()
    kept = -torch.outer(line, line)
    kept[REACH, REACH] += 1
    return torch.tensor(LUMA).view(1, 3, 1, 1) * kept
