"""Sharpness: how much detail frames have, right or wrong, compared with the true ones.

    sharpness = mean |gradient| of the output / mean |gradient| of the original

The gradient is that of differences between neighbouring pixels, (right - here, below - here), its
length taken per colour. Below 1 the output is softer. It does not say that the detail is right:
noise is sharp, and a copy of the source is as sharp as the source. Read it beside PSNR.

Shapes: T frames, C colours, H x W pixels, both at least 2.
"""

import torch
from torch import Tensor


def mean_gradient(frames: Tensor) -> float:
    """Returns the mean length of the gradient of frames (T, C, H, W), per pixel's step."""
    here = frames[..., :-1, :-1]
    right = frames[..., :-1, 1:] - here
    below = frames[..., 1:, :-1] - here
    return float(torch.hypot(right, below).double().mean())


def sharpness(frames: Tensor, original: Tensor) -> float:
    """Returns the ratio of the mean gradients of frames and original, NaN where that is flat."""
    detail = mean_gradient(original)
    return mean_gradient(frames) / detail if detail > 0 else float("nan")
