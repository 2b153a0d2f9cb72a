"""Whether a video moves as the original does: errors of the changes from frame to frame.

    error = sum |dy_t - dx_t|^2 / sum |dx_t|^2,   d v_t = v_t - v_{t-1}
    PSNR  = -10 log10 mean |dy_t - dx_t|^2

x is the original, y the result. A result that does not move has an error of exactly 1, whatever
picture it shows. A frame shown twice costs twice its own change: it is missing at first, and
excessive at the next frame. An error common to all frames, such as static noise or a wrong colour,
costs nothing: PSNR covers that. Above 1 the result moves more wrongly than a still picture would.

Shapes: T frames, at least 2, of a common shape; pixels in [0, 1], for the error in any unit. They
may be read from a file, one at a time.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from motioncast.quality.pixels import PSNR_OF_IDENTICAL_DB


class Frames(Protocol):
    """T frames, arrays of one shape: an array (T, ...), or a reader of a file."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Any: ...


def temporal_error(frames: Frames, original: Frames) -> float:
    """Returns the error of motion of frames (T, ...) in units of the original's motion energy.

    0 for identical motion, 1 for none, no upper limit; NaN if the original does not move.
    """
    error, energy = _powers(frames, original)
    return error / energy if energy > 0 else float("nan")


def temporal_psnr(frames: Frames, original: Frames) -> float:
    """Returns the PSNR in dB of the changes of frames (T, ...) in [0, 1], at most 100."""
    error, _ = _powers(frames, original)
    if error == 0:
        return PSNR_OF_IDENTICAL_DB
    return min(PSNR_OF_IDENTICAL_DB, float(-10 * np.log10(error)))


def _powers(frames: Frames, original: Frames) -> tuple[float, float]:
    """Returns the mean squares of the changes' error and of the original's changes."""
    if len(frames) != len(original):
        raise ValueError(f"frames: {len(frames)} and {len(original)} cannot be compared")
    if len(frames) < 2:
        raise ValueError("frames: at least 2 are needed")
    error = energy = 0.0
    made, shown = frames[0], original[0]
    for t in range(1, len(frames)):  # frame by frame: a whole clip of doubles may not fit in memory
        made_before, shown_before, made, shown = made, shown, frames[t], original[t]
        if made.shape != shown.shape:
            raise ValueError(f"frames: {made.shape} and {shown.shape} cannot be compared")
        true = shown.astype(np.float64) - shown_before
        error += float(np.square(made.astype(np.float64) - made_before - true).mean())
        energy += float(np.square(true).mean())
    return error / (len(frames) - 1), energy / (len(frames) - 1)
