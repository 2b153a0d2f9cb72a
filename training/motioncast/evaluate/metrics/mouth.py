"""The box around a talking mouth, found without landmarks.

Shapes: T frames, C channels, H x W pixels.
"""

from typing import NamedTuple

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
