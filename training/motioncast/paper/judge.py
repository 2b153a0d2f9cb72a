"""Measures synthesised frames against those that should have come out, frame by frame.

PSNR is bounded at that of 8-bit rounding, 58.9 dB: frames that are equal would otherwise make every
mean infinite.

Shapes: T frames, S pixels, K keypoints (x, y, intensity).
"""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from motioncast.evaluate.canvas import Frames, as_images
from motioncast.evaluate.metrics.pixels import ROUNDING_PSNR_DB, as_frames, pixel_quality
from motioncast.metrics.keypoints import average_keypoint_distance
from motioncast.models.motion_transfer import MotionTransfer

Figures = dict[str, npt.NDArray[np.float64]]  # by measure (see measures.py), (T,) each


class Judge:
    """Knows what every frame of one clip should be."""

    def __init__(self, model: MotionTransfer, reference: Frames) -> None:
        self.model = model
        self.reference = as_frames(reference.copy())  # (T, 3, S, S)
        self.keypoints = self._detect(reference)  # (T, K, 3)

    def measure(self, frames: Frames, indices: npt.NDArray[np.int64] | None = None) -> Figures:
        """Measures frames (T, S, S, 3); `indices` (T,) says which of the clip's they should be."""
        chosen = slice(None) if indices is None else torch.from_numpy(indices)
        quality = pixel_quality(frames.copy(), self.reference[chosen])
        size, keypoints = frames.shape[1], self.keypoints[chosen]
        figures = {
            "mse": quality.mse,
            "psnr": quality.psnr_db.clamp(max=ROUNDING_PSNR_DB),
            "ssim": quality.ssim,
            "ms_ssim": quality.ms_ssim.value,
            "akd": average_keypoint_distance(self._detect(frames), keypoints, size),
        }
        return {name: values.double().numpy() for name, values in figures.items()}

    @torch.inference_mode()
    def _detect(self, frames: Frames) -> Tensor:
        return self.model.detect(as_images(frames))
