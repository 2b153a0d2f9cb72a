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
from motioncast.evaluate.metrics.keypoints import average_keypoint_distance
from motioncast.evaluate.metrics.pixels import mse, ssim_and_ms_ssim
from motioncast.models.motion_transfer import MotionTransfer

ROUNDING_MSE = 1 / (12 * 255**2)  # variance of the error of rounding to 8 bits

Figures = dict[str, npt.NDArray[np.float64]]  # by measure (see measures.py), (T,) each


class Judge:
    """Knows what every frame of one clip should be."""

    def __init__(self, model: MotionTransfer, reference: Frames) -> None:
        self.model = model
        self.reference = torch.from_numpy(reference.copy()).permute(0, 3, 1, 2).double() / 255
        self.keypoints = self._detect(reference)  # (T, K, 3)

    def measure(self, frames: Frames, indices: npt.NDArray[np.int64] | None = None) -> Figures:
        """Measures frames (T, S, S, 3); `indices` (T,) says which of the clip's they should be."""
        chosen = slice(None) if indices is None else torch.from_numpy(indices)
        truth, keypoints = self.reference[chosen], self.keypoints[chosen]
        images = torch.from_numpy(frames.copy()).permute(0, 3, 1, 2).double() / 255
        error = mse(images, truth)
        size = images.shape[-1]
        one_scale, all_scales = ssim_and_ms_ssim(images, truth)
        figures = {
            "mse": error,
            "psnr": -10 * torch.log10(error.clamp(min=ROUNDING_MSE)),
            "ssim": one_scale,
            "ms_ssim": all_scales.value,
            "akd": average_keypoint_distance(self._detect(frames), keypoints, size),
        }
        return {name: values.double().numpy() for name, values in figures.items()}

    @torch.inference_mode()
    def _detect(self, frames: Frames) -> Tensor:
        return self.model.detect(as_images(frames))
