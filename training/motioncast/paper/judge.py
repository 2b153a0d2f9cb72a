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
from motioncast.metrics.keypoints import average_keypoint_distance
from motioncast.models.motion_transfer import MotionTransfer
from motioncast.quality.pixels import ROUNDING_PSNR_DB, mse, planes, psnr, ssim_and_ms_ssim

Figures = dict[str, npt.NDArray[np.float64]]  # by measure (see measures.py), (T,) each


class Judge:
    """Knows what every frame of one clip should be."""

    def __init__(self, model: MotionTransfer, reference: Frames) -> None:
        self.model = model
        self.reference = planes(reference)  # (T, 3, S, S)
        self.keypoints = self._detect(reference)  # (T, K, 3)

    def measure(self, frames: Frames, indices: npt.NDArray[np.int64] | None = None) -> Figures:
        """Measures frames (T, S, S, 3); `indices` (T,) says which of the clip's they should be."""
        chosen = np.arange(len(self.reference)) if indices is None else indices
        made, true = planes(frames), self.reference[chosen]
        ssim, ms_ssim, _ = ssim_and_ms_ssim(made, true)
        keypoints, size = self.keypoints[torch.from_numpy(chosen)], frames.shape[1]
        akd = average_keypoint_distance(self._detect(frames), keypoints, size)
        return {
            "mse": mse(made, true),
            "psnr": psnr(made, true).clip(max=ROUNDING_PSNR_DB),
            "ssim": ssim,
            "ms_ssim": ms_ssim,
            "akd": akd.double().numpy(),
        }

    @torch.inference_mode()
    def _detect(self, frames: Frames) -> Tensor:
        return self.model.detect(as_images(frames))
