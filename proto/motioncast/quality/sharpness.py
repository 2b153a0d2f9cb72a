"""Sharpness: how much detail frames have, right or wrong, compared with the original ones.

    sharpness = mean |gradient| of the output / mean |gradient| of the original

The gradient consists of the differences to neighbouring pixels, (right - here, below - here), and
its length is taken per colour. Below 1 the output is softer. This does not tell whether the detail
is right: noise is sharp, and a copy of the source is as sharp as the source. Use it with PSNR.

Shapes: T frames, C colours, H x W pixels, both at least 2.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def mean_gradient(frames: NDArray[np.floating[Any]]) -> float:
    """Returns the mean length of the gradient of frames (T, C, H, W), per pixel."""
    return float(np.mean([_of_one(frame) for frame in frames]))  # a single frame fits in the cache


def sharpness(frames: NDArray[np.floating[Any]], original: NDArray[np.floating[Any]]) -> float:
    """Returns the ratio of the mean gradients of frames and original; NaN if that is flat."""
    detail = mean_gradient(original)
    return mean_gradient(frames) / detail if detail > 0 else float("nan")


def _of_one(frame: NDArray[np.floating[Any]]) -> float:
    here = frame[..., :-1, :-1]
    right, below = frame[..., :-1, 1:] - here, frame[..., 1:, :-1] - here
    right *= right
    below *= below
    right += below
    return float(np.sqrt(right, out=right).mean(dtype=np.float64))
