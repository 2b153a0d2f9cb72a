"""Visual information fidelity in the pixel domain (VIFp; Sheikh and Bovik 2006), per frame.

    VIF = sum_j sum log2(1 + g^2 s_x^2 / (s_v^2 + n)) / sum_j sum log2(1 + s_x^2 / n)

    g = s_xy / s_x^2      the remaining share of the original's contrast
    s_v^2 = s_y^2 - g s_xy                what was added
    n = 2, of pixels from 0 to 255       the noise of vision

Means, variances and covariance use a Gaussian window of N x N pixels with deviation N / 5, N = 17,
9, 5, 3 at the scales j = 1 to 4; from the second on the pictures are blurred by that window and
every second pixel is kept. Only windows completely inside the picture count. x is the original and
y the result, both as brightness (BT.601). 1 for the original, 0 if nothing of it remains; a picture
with more contrast can exceed 1. Follows the authors' `vifp_mscale`, including its constants.

Shapes: T frames, C channels, H x W pixels.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from motioncast.quality.pixels import Planes

WINDOWS: Final = (17, 9, 5, 3)
SEEING_NOISE: Final = 2 / 255**2  # variance, of pixels in [0, 1]
LEAST_PIXELS: Final = 41  # per side: the last scale then has one window
BRIGHTNESS: Final = (0.299, 0.587, 0.114)
_NOTHING: Final = 1e-10 / 255**2  # variance below which a window is flat

Picture = NDArray[np.float64]  # (H, W)


def vif(frames: Planes, reference: Planes) -> NDArray[np.float64]:
    """Returns the VIF of each of T frames (T, C, H, W) in [0, 1], one channel or red, green, blue.

    Raises ValueError for different shapes, other channels and fewer than 41 pixels a side.
    """
    if frames.shape != reference.shape:
        raise ValueError(f"frames: {frames.shape} and {reference.shape} cannot be compared")
    channels, height, width = frames.shape[-3:]
    if channels not in (1, 3):
        raise ValueError(f"frames: {channels} channels, expected 1 or 3")
    if min(height, width) < LEAST_PIXELS:
        raise ValueError(
            f"frames: {min(height, width)} pixels are too few (at least {LEAST_PIXELS})"
        )
    pairs = zip(frames, reference, strict=True)
    return np.array([_of_one(_brightness(y), _brightness(x)) for y, x in pairs], np.float64)


def _of_one(result: Picture, original: Picture) -> float:
    kept = there = 0.0
    both = np.stack([original, result])
    for scale, window in enumerate(WINDOWS):
        if scale:
            both = _blur(both, window)[:, ::2, ::2]
        seen, all_ = _information(both[0], both[1], window)
        kept, there = kept + seen, there + all_
    return kept / there if there > 0 else 1.0  # the original contains no information


def _information(x: Picture, y: Picture, window: int) -> tuple[float, float]:
    """Returns the information kept in the result at one scale, and that of the original."""
    mean_x, mean_y, xx, yy, xy = _blur(np.stack([x, y, x * x, y * y, x * y]), window)
    of_x = np.maximum(xx - mean_x * mean_x, 0)
    of_y = np.maximum(yy - mean_y * mean_y, 0)
    gain = (xy - mean_x * mean_y) / (of_x + _NOTHING)
    added = of_y - gain * (xy - mean_x * mean_y)

    flat = of_x < _NOTHING
    gain[flat], added[flat], of_x[flat] = 0, of_y[flat], 0
    lost = of_y < _NOTHING
    gain[lost], added[lost] = 0, 0
    against = gain < 0
    added[against], gain[against] = of_y[against], 0
    added = np.maximum(added, _NOTHING)

    kept = np.log2(1 + gain * gain * of_x / (added + SEEING_NOISE)).sum()
    return float(kept), float(np.log2(1 + of_x / SEEING_NOISE).sum())


def _brightness(planes: Planes) -> Picture:
    """Returns (C, H, W) as (H, W)."""
    if len(planes) == 1:
        return np.asarray(planes[0], np.float64)
    return np.tensordot(np.array(BRIGHTNESS), planes.astype(np.float64), 1)


def _blur(pictures: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """Blurs pictures (P, H, W) where the whole window fits: (P, H - N + 1, W - N + 1)."""
    weights = _window(window)
    height, width = (size - window + 1 for size in pictures.shape[-2:])
    rows = weights[0] * pictures[:, :height]
    for shift in range(1, window):
        rows += weights[shift] * pictures[:, shift : shift + height]
    blurred: NDArray[np.float64] = weights[0] * rows[..., :width]
    for shift in range(1, window):
        blurred += weights[shift] * rows[..., shift : shift + width]
    return blurred


@cache
def _window(size: int) -> tuple[float, ...]:
    offsets = np.arange(size) - size // 2
    weights = np.exp(-np.square(offsets) / (2 * (size / 5) ** 2))
    return tuple((weights / weights.sum()).tolist())
