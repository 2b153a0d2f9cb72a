"""Sharpens heads slightly beyond the network's output.

    image + AMOUNT * head * (luma - blurred luma)

A network trained on squared errors blurs what it is unsure of, and warping blurs again. Whatever
moves as head or face gets back some of its fine detail (unsharp masking); the room, which is not
blurred, is left alone. On people held out from training, 0.04 dB buy 0.04 of the original's
sharpness. Training sees images without it, or it would learn to undo it. The blur is separable: two
convolutions of one line each cost a tenth of a square one. Shapes: N frames, image side S.
"""

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from motioncast.models.face.motion import GRID
from motioncast.models.geometry import Resample
from motioncast.models.lite.colours import LUMA

AMOUNT: Final = 0.4
SPREAD: Final = 0.8  # standard deviation of the blurring Gaussian, in pixels
REACH: Final = 3  # radius of its kernel, in pixels


class Sharpening(nn.Module):
    """Images (N, 3, S, S) and head masks (N, 1, 32, 32) -> the images, sharpened."""

    luma: Tensor
    line: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.finer = Resample(GRID, size)
        self.register_buffer("luma", torch.tensor(LUMA).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("line", gaussian_line(), persistent=False)

    def forward(self, image: Tensor, head: Tensor, white: float = 1.0) -> Tensor:
        """Sharpens images with values from 0 to `white`, except their outermost REACH pixels."""
        luma = functional.conv2d(image, self.luma)
        blurred = functional.conv2d(luma, self.line.view(1, 1, -1, 1))
        blurred = functional.conv2d(blurred, self.line.view(1, 1, 1, -1))
        detail = luma[..., REACH:-REACH, REACH:-REACH] - blurred
        amount = AMOUNT * self.finer(head)
        sharper: Tensor = image + amount * functional.pad(detail, (REACH,) * 4)
        return sharper.clamp(0.0, white)


def gaussian_line() -> Tensor:
    """Returns the (2 REACH + 1) weights of one line of the blurring kernel, which sum to 1."""
    offsets = torch.arange(-REACH, REACH + 1)
    line = torch.exp(-0.5 * (offsets / SPREAD) ** 2)
    return line / line.sum()
