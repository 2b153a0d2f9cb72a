"""The boxes around mouth, eyes and face of a talking head, found without landmarks.

Shapes: T frames, C channels, H x W pixels.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Box(NamedTuple):
    """A rectangle of pixels, excluding right and bottom."""

    left: int
    top: int
    right: int
    bottom: int

    def crop(self, frames: NDArray[Any]) -> NDArray[Any]:
        """Returns the part of frames (..., H, W) inside the box."""
        return frames[..., self.top : self.bottom, self.left : self.right]


def mouth_box(frames: NDArray[Any]) -> Box:
    """Returns the box below the middle of a talking head's clip (T, C, H, W) that moves most.

    It is a third of the frame wide and a fifth high. Without landmarks, this relies on the lips
    changing most from frame to frame among everything visible below a speaker's eyes. Raises
    ValueError for fewer than 2 frames, and for frames of fewer than 5 pixels a side.
    """
    height, width = frames.shape[-2:]
    if len(frames) < 2 or min(height, width) < 5:
        raise ValueError(f"frames: {frames.shape} contain no moving box")
    box_height, box_width = height // 5, width // 3
    motion = sum(np.abs(_change(frames, t)).mean(axis=0) for t in range(1, len(frames)))
    energy = _window_sums(np.asarray(motion)[height // 2 :], box_height, box_width)
    best = int(energy.argmax())
    top, left = height // 2 + best // energy.shape[1], best % energy.shape[1]
    return Box(left, top, left + box_width, top + box_height)


def eyes_box(mouth: Box) -> Box:
    """Returns the box of the mouth's size half its height above it, as far as the frame allows.

    This is where an upright face's eyes are if the mouth's box surrounds the mouth.
    """
    height = mouth.bottom - mouth.top
    top = max(0, mouth.top - 3 * height // 2)
    return mouth._replace(top=top, bottom=top + height)


def face_box(mouth: Box, height: int, width: int) -> Box:
    """Returns a box of half the frame's height and width around mouth and eyes.

    It is centred between the mouth's box and the eyes', as far as the frame allows.
    """
    left = (mouth.left + mouth.right - width // 2) // 2
    top = (eyes_box(mouth).top + mouth.bottom - height // 2) // 2
    left, top = max(0, min(left, width - width // 2)), max(0, min(top, height - height // 2))
    return Box(left, top, left + width // 2, top + height // 2)


def motion_in(box: Box, frames: NDArray[Any]) -> NDArray[np.float64]:
    """Returns the mean |change| inside a box from the previous frame, (T,), 0 for the first."""
    inside = box.crop(frames)
    changes = [float(np.abs(_change(inside, t)).mean()) for t in range(1, len(frames))]
    return np.array([0.0, *changes])


def _change(frames: NDArray[Any], t: int) -> NDArray[np.float64]:
    change: NDArray[np.float64] = frames[t].astype(np.float64) - frames[t - 1]
    return change


def _window_sums(values: NDArray[np.float64], height: int, width: int) -> NDArray[np.float64]:
    """Returns the sums of (H, W) inside all windows of a size, (H - height + 1, W - width + 1)."""
    total = np.pad(values, ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
    sums: NDArray[np.float64] = (
        total[height:, width:] - total[:-height, width:] - total[height:, :-width]
    ) + total[:-height, :-width]
    return sums
