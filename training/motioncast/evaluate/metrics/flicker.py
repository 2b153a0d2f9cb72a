"""Flicker: how much of a video changes from frame to frame where nothing moves.

    S_t    = |5x5 mean of x_{t+1} - x_t|, the largest of the three colours
    still  = S < 3 levels at t-1, t and t+1, at every place at most 4 pixels away
    flicker = mean of |y_{t+1} - y_t| over the still pixels, in levels of 8 bits

x is the original and alone decides what is still. The mean over 5x5 pixels is signed, so that
camera noise cancels (a fifth of its deviation is left) while what moves does not: it changes
neighbouring pixels alike. An edge's change cancels at its very centre; its sides are within 4
pixels. Choosing quiet places makes the original's own flicker look rather too small than too
large, so a ratio of output to original errs to the output's disadvantage.

Shapes: T frames, C colours, H x W pixels in [0, 1].
"""

import torch
from torch import Tensor
from torch.nn import functional

LEVELS = 255
STILL_LEVELS = 3.0
MEAN_PIXELS = 5
REACH_PIXELS = 4
REACH_FRAMES = 1


def still_pixels(original: Tensor) -> Tensor:
    """Says where an original (T, C, H, W), T >= 2, stands still between frames: (T - 1, H, W)."""
    smoothed = functional.avg_pool2d(
        original.diff(dim=0).float() * LEVELS,
        MEAN_PIXELS,
        stride=1,
        padding=MEAN_PIXELS // 2,
        count_include_pad=False,
    )
    change = smoothed.abs().amax(dim=1)  # (T - 1, H, W)
    return _largest_nearby(change) < STILL_LEVELS


def flicker(frames: Tensor, still: Tensor) -> float:
    """Returns the mean |change| of frames (T, C, H, W) over still pixels (T - 1, H, W), in levels.

    NaN where nothing is still.
    """
    change = frames.diff(dim=0).abs().double().mean(dim=1) * LEVELS  # (T - 1, H, W)
    return float(change[still].mean())


def noise_level(original: Tensor, still: Tensor) -> float:
    """Returns the deviation of the camera's noise over still pixels, in levels; NaN without any.

    It is the root mean square of the differences of two frames over the square root of 2.
    """
    difference = original.diff(dim=0).double() * LEVELS
    power = difference.square().mean(dim=1)[still].mean()
    return float(torch.sqrt(power / 2))


def _largest_nearby(change: Tensor) -> Tensor:
    """Returns the largest value within reach of every place and frame of (T, H, W)."""
    for axis, reach in ((0, REACH_FRAMES), (1, REACH_PIXELS), (2, REACH_PIXELS)):
        rows = change.movedim(axis, -1)
        change = functional.max_pool1d(rows, 2 * reach + 1, 1, reach).movedim(-1, axis)
    return change
