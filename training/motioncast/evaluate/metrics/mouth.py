"""The boxes around mouth, eyes and face of a talking head, found without landmarks.

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
    motion = frames.diff(dim=0).abs().mean(dim=(0, 1))  # (H, W)
    below = motion[height // 2 :]
    energy = functional.avg_pool2d(below[None, None], (box_height, box_width), stride=1)[0, 0]
    best = int(energy.argmax())
    top, left = height // 2 + best // energy.shape[1], best % energy.shape[1]
    return Box(left, top, left + box_width, top + box_height)


def eyes_box(mouth: Box) -> Box:
    """Returns the box of the mouth's size half its height above it, as far as the frame allows.

    That is where the eyes of an upright face are when the mouth's box is around the mouth.
    """
    height = mouth.bottom - mouth.top
    top = max(0, mouth.top - 3 * height // 2)
    return mouth._replace(top=top, bottom=top + height)


def face_box(mouth: Box, height: int, width: int) -> Box:
    """Returns the half of a frame's height and width around mouth and eyes.

    It lies around the middle between the mouth's box and the eyes', as far as the frame allows.
    """
    left = (mouth.left + mouth.right - width // 2) // 2
    top = (eyes_box(mouth).top + mouth.bottom - height // 2) // 2
    left, top = max(0, min(left, width - width // 2)), max(0, min(top, height - height // 2))
    return Box(left, top, left + width // 2, top + height // 2)


def motion_in(box: Box, frames: Tensor) -> Tensor:
    """Returns the mean |change| inside a box since the frame before, (T,), 0 for the first."""
    change = box.crop(frames).diff(dim=0).abs().mean(dim=(-3, -2, -1))
    return functional.pad(change, (1, 0))
