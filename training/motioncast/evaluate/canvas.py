"""Draws 8-bit frames from keypoints and one source image that is encoded once.

Shapes: T frames, S pixels, K keypoints (x, y, intensity).
"""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from motioncast.models.motion_transfer import MotionTransfer

FRAMES_PER_CALL = 16

Frames = npt.NDArray[np.uint8]  # (T, S, S, 3)


class Canvas:
    """One source image on which any number of frames are drawn."""

    def __init__(self, model: MotionTransfer, source: Frames, source_keypoints: Tensor) -> None:
        """Encodes a source image (S, S, 3) whose keypoints are (K, 3)."""
        self.model = model
        self.keypoints = source_keypoints.unsqueeze(0)  # (1, K, 3)
        with torch.inference_mode():
            self.encoded = model.synthesis.encode(as_images(source[None]))

    @torch.inference_mode()
    def draw(self, keypoints: Tensor) -> Frames:
        """Synthesises the frames (T, S, S, 3) of keypoints (T, K, 3), in 8 bits as displayed."""
        parts = [
            self.model.synthesis.decode(self.encoded, self.keypoints, part.unsqueeze(0)).image
            for part in torch.split(keypoints, FRAMES_PER_CALL)
        ]
        images = (torch.cat(parts).clamp(0, 1) * 255).round().to(torch.uint8)
        return images.permute(0, 2, 3, 1).contiguous().numpy()


def as_images(frames: Frames) -> Tensor:
    """Converts 8-bit frames (T, S, S, 3) to images (T, 3, S, S) in [0, 1]."""
    return torch.from_numpy(np.array(frames)).permute(0, 3, 1, 2).float() / 255
