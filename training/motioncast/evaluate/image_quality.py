"""Image quality of reconstructed frames: PSNR, SSIM and the box around a talking mouth.

    PSNR = 10 log10(1 / MSE), data range 1, per frame
    SSIM as Wang et al. (2004): 11x11 Gaussian window of standard deviation 1.5, borders left out

Shapes: T frames, C channels, H x W pixels; values in [0, 1].
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional


class Box(NamedTuple):
    """A rectangle of pixels, right and bottom excluded."""

    left: int
    top: int
    right: int
    bottom: int

    def crop(self, frames: Tensor) -> Tensor:
        """Returns the part of frames (..., H, W) inside the box."""
        return frames[..., self.top : self.bottom, self.left : self.right]


def psnr(frames: Tensor, reference: Tensor) -> Tensor:
    """Returns the PSNR in dB of each of T frames (T, C, H, W), infinite where they are equal."""
    error = (frames.double() - reference.double()).square().mean(dim=(-3, -2, -1))
    return -10 * torch.log10(error)


def ssim(frames: Tensor, reference: Tensor) -> Tensor:
    """Returns the mean SSIM of each of T frames (T, C, H, W), all channels weighing the same."""
    x, y = frames.double(), reference.double()
    mean_x, mean_y = _blur(x), _blur(y)
    variance_x = _blur(x * x) - mean_x.square()
    variance_y = _blur(y * y) - mean_y.square()
    covariance = _blur(x * y) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + 1e-4) / (mean_x.square() + mean_y.square() + 1e-4)
    structure = (2 * covariance + 9e-4) / (variance_x + variance_y + 9e-4)
    return (luminance * structure).mean(dim=(-3, -2, -1))


def mouth_box(frames: Tensor) -> Box:
    """Returns the box below the middle of a talking head's clip (T, C, H, W) that moves most.

    It is a third of the frame wide and a fifth high. There are no landmarks to take it from; of
    what is seen of a speaker below the eyes, the lips change most from frame to frame.
    """
    height, width = frames.shape[-2:]
    box_height, box_width = height // 5, width // 3
    motion = (frames[1:] - frames[:-1]).abs().mean(dim=(0, 1))  # (H, W)
    below = motion[height // 2 :]
    energy = functional.avg_pool2d(below[None, None], (box_height, box_width), stride=1)[0, 0]
    best = int(energy.argmax())
    top, left = height // 2 + best // energy.shape[1], best % energy.shape[1]
    return Box(left, top, left + box_width, top + box_height)


def _blur(images: Tensor) -> Tensor:
    offsets = torch.arange(-5, 6, dtype=images.dtype)
    window = torch.exp(-offsets.square() / (2 * 1.5**2))
    window = window / window.sum()
    channels = images.shape[-3]
    rows = window.view(1, 1, 11, 1).expand(channels, 1, 11, 1)
    columns = window.view(1, 1, 1, 11).expand(channels, 1, 1, 11)
    blurred = functional.conv2d(images, rows, groups=channels)
    return functional.conv2d(blurred, columns, groups=channels)
