"""Measures synthesised frames against the expected ones, frame by frame.

PSNR is bounded at that of 8-bit rounding, 58.9 dB: otherwise identical frames would make every
mean infinite.

Shapes: T frames, S pixels, K keypoints (x, y, intensity).
"""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from motioncast.evaluate.canvas import Frames, as_images
from motioncast.models.motion_transfer import MotionTransfer
from motioncast.paper.measures import IMAGE_MEASURES, Comparison
from motioncast.quality.pixels import planes

Figures = dict[str, npt.NDArray[np.float64]]  # by measure (see measures.py), (T,) each


class Judge:
    """Compares frames with the expected frames of one clip."""

    def __init__(self, model: MotionTransfer, reference: Frames) -> None:
        self.model = model
        self.reference = planes(reference)  # (T, 3, S, S)
        self.keypoints = self._detect(reference)  # (T, K, 3)

    def measure(self, frames: Frames, indices: npt.NDArray[np.int64] | None = None) -> Figures:
        """Measures frames (T, S, S, 3) against the clip's frames at `indices` (T,), or all."""
        chosen = np.arange(len(self.reference)) if indices is None else indices
        pair = Comparison(
            made=planes(frames),
            true=self.reference[chosen],
            found=self._detect(frames),
            keypoints=self.keypoints[torch.from_numpy(chosen)],
        )
        return {one.name: one.of(pair) for one in IMAGE_MEASURES if one.of is not None}

    @torch.inference_mode()
    def _detect(self, frames: Frames) -> Tensor:
        return self.model.detect(as_images(frames))
