"""Close-ups: square crops of a batch, each at a place of its own.

Shapes: N images, C channels, H x W pixels.
"""

import torch
from torch import Tensor
from torch.nn import functional

STRIDE = 4  # of the places that are compared
TIE = 1e-3  # of weight; between equal places the one nearer the middle is taken


def strongest_motion(weights: Tensor, size: int) -> Tensor:
    """Returns where in weights (N, 1, H, W) of about 1 the square of that size weighs most.

    Left and top (N, 2) of the square in pixels, multiples of 4; in the middle of even weights.
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
