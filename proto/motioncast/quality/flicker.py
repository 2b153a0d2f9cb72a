"""Flicker: how much of a video changes from frame to frame where nothing moves.

    S_t    = |5x5 mean of x_{t+1} - x_t|, the largest of the three colours
    still  = S < 3 levels at t-1, t and t+1, everywhere within 4 pixels
    flicker = mean of |y_{t+1} - y_t| over the still pixels, in 8-bit levels

x is the original, which alone determines what is still. The mean over 5x5 pixels is signed, so that
camera noise cancels (a fifth of its deviation remains) while motion does not: it changes
neighbouring pixels in the same direction. An edge's change cancels at its very centre, but its
sides are within 4 pixels. Selecting quiet places makes the original's own flicker look too small if
anything, so a ratio of output to original errs to the output's disadvantage.

Shapes: T frames, C colours, H x W pixels in [0, 1].
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

LEVELS: Final = 255
STILL_LEVELS: Final = 3.0
MEAN_PIXELS: Final = 5
REACH_PIXELS: Final = 4
REACH_FRAMES: Final = 1

Planes = NDArray[np.floating[Any]]
Mask = NDArray[np.bool_]


def still_pixels(original: Planes) -> Mask:
    """Returns where an original (T, C, H, W), T >= 2, is still between frames: (T - 1, H, W)."""
    change = np.stack([_largest_mean(one) for one in _changes(original)])  # (T - 1, H, W)
    for axis, reach in ((0, REACH_FRAMES), (1, REACH_PIXELS), (2, REACH_PIXELS)):
        change = _largest_nearby(change, axis, reach)
    return change < STILL_LEVELS


def flicker(frames: Planes, still: Mask) -> float:
    """Returns the mean |change| of frames (T, C, H, W) over still pixels (T - 1, H, W), in levels.

    NaN if nothing is still.
    """
    moved = [
        np.abs(one).mean(axis=0)[where].sum()
        for one, where in zip(_changes(frames), still, strict=True)
    ]
    return _mean(float(np.sum(moved)), still)


def noise_level(original: Planes, still: Mask) -> float:
    """Returns the deviation of camera noise over still pixels, in levels; NaN if there are none.

    This is the root mean square of the differences of two frames divided by the square root of 2.
    """
    power = [
        np.square(one).mean(axis=0)[where].sum()
        for one, where in zip(_changes(original), still, strict=True)
    ]
    return float(np.sqrt(_mean(float(np.sum(power)), still) / 2))


def _changes(frames: Planes) -> Iterator[NDArray[np.float64]]:
    """Yields the T - 1 changes (C, H, W) in levels, one at a time as each fills a cache."""
    for t in range(1, len(frames)):
        yield (frames[t].astype(np.float64) - frames[t - 1]) * LEVELS


def _largest_mean(change: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the largest of the colours' |5x5 mean|, (H, W); at borders over existing pixels."""
    reach = MEAN_PIXELS // 2
    total = np.concatenate([change, np.ones_like(change[:1])])  # the last counts the pixels
    for axis in (1, 2):
        padding = [(0, 0)] * 3
        padding[axis] = (reach, reach)
        windows = np.lib.stride_tricks.sliding_window_view(
            np.pad(total, padding), MEAN_PIXELS, axis=axis
        )
        total = windows.sum(axis=-1)
    largest: NDArray[np.float64] = (np.abs(total[:-1]) / total[-1]).max(axis=0)
    return largest


def _largest_nearby(change: NDArray[np.float64], axis: int, reach: int) -> NDArray[np.float64]:
    """Returns the largest value within `reach` steps along an axis."""
    padding = [(0, 0)] * change.ndim
    padding[axis] = (reach, reach)
    padded = np.pad(change, padding)  # with 0, the smallest possible change
    length = change.shape[axis]
    largest = change
    for shift in range(2 * reach + 1):
        part = np.take(padded, range(shift, shift + length), axis=axis)
        largest = np.maximum(largest, part)
    return largest


def _mean(total: float, still: Mask) -> float:
    count = int(still.sum())
    return total / count if count else float("nan")
