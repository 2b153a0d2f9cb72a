"""Close-ups: square crops of a batch, each at its own position.

Shapes: N images, C channels, H x W pixels.
"""

import torch
from torch import Tensor
from torch.nn import functional

STRIDE = 4  # between the positions that are compared
TIE = 1e-3  # of weight; of equal positions the one nearer the middle wins


def strongest_motion(weights: Tensor, size: int) -> Tensor:
    """Returns the position of the square of that size with the largest sum of weights (N, 1, H, W).

    The weights are about 1. Positions (N, 2) are left and top of the square in pixels, multiples of
    4; uniform weights give the middle.
    """
    sums = functional.avg_pool2d(weights, size, stride=STRIDE)  # (N, 1, h, w)
    rows, columns = sums.shape[-2:]
    y = torch.linspace(-1, 1, rows, device=weights.device)[:, None]
    x = torch.linspace(-1, 1, columns, device=weights.device)
    best = (sums - TIE * (x.square() + y.square())).flatten(1).argmax(dim=1)
    return STRIDE * torch.stack([best % columns, best // columns], dim=1)


def crop(images: Tensor, places: Tensor, size: int) -> Tensor:
    """Returns the squares (N, C, size, size) of images (N, C, H, W) at (left, top) `places`."""
    along = torch.arange(size, device=images.device)
    count, channels = images.shape[:2]
    columns = (places[:, :1] + along)[:, None, None, :]  # (N, 1, 1, size)
    rows = (places[:, 1:] + along)[:, None, :, None]  # (N, 1, size, 1)
    sample = torch.arange(count, device=images.device)[:, None, None, None]
    channel = torch.arange(channels, device=images.device)[None, :, None, None]
    return images[sample, channel, rows, columns]
