"""Image quality of clips of tensors, measured by the one ruler, `motioncast.quality.pixels`.

Here are only the doors: what forms a clip may have, and tensors in and out. Results lie on the CPU.

Shapes: T frames, C channels, H x W pixels; values in [0, 1].
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from motioncast.quality import pixels
from motioncast.quality.pixels import ROUNDING_PSNR_DB, SCALE_WEIGHTS, scales_that_fit

__all__ = [
    "ROUNDING_PSNR_DB",
    "SCALE_WEIGHTS",
    "MultiScaleSsim",
    "PixelQuality",
    "as_frames",
    "ms_ssim",
    "mse",
    "pixel_quality",
    "psnr",
    "scales_that_fit",
    "ssim",
    "ssim_and_ms_ssim",
]


@dataclass(frozen=True, slots=True)
class MultiScaleSsim:
    """MS-SSIM of every frame, and over how many scales: figures of other counts do not compare."""

    value: Tensor  # (T,)
    scales: int

    @property
    def label(self) -> str:
        """How a table should head the column."""
        return f"MS-SSIM ({self.scales} {'scale' if self.scales == 1 else 'scales'})"


@dataclass(frozen=True, slots=True)
class PixelQuality:
    """All figures of one clip, frame by frame."""

    mse: Tensor  # (T,)
    psnr_db: Tensor  # (T,), infinite where the frames are equal
    ssim: Tensor  # (T,)
    ms_ssim: MultiScaleSsim


def pixel_quality(
    frames: Tensor | npt.NDArray[Any], reference: Tensor | npt.NDArray[Any]
) -> PixelQuality:
    """Measures a clip against the true one, both in any form that `as_frames` reads."""
    x, y = as_frames(frames), as_frames(reference)
    if x.shape != y.shape:
        raise ValueError(f"frames: {tuple(x.shape)} and {tuple(y.shape)} cannot be compared")
    return PixelQuality(mse(x, y), psnr(x, y), *ssim_and_ms_ssim(x, y))


def as_frames(images: Tensor | npt.NDArray[Any]) -> Tensor:
    """Returns images (T, 3, H, W) or (T, H, W, 3), bytes or in [0, 1], as (T, 3, H, W) doubles.

    Raises ValueError for another shape and for numbers that are no pixels in [0, 1].
    """
    frames = torch.as_tensor(images)
    if frames.dim() == 4 and frames.shape[1] != 3 and frames.shape[3] == 3:
        frames = frames.permute(0, 3, 1, 2)
    if frames.dim() != 4 or frames.shape[1] != 3:
        raise ValueError(f"frames: {tuple(frames.shape)} is neither (T, 3, H, W) nor (T, H, W, 3)")
    if frames.dtype == torch.uint8:
        return frames.double() / 255
    if not frames.is_floating_point():
        raise ValueError(f"frames: expected bytes or floating point, not {frames.dtype}")
    if not bool(((frames >= 0) & (frames <= 1)).all()):
        raise ValueError("frames: floating-point pixels must lie in [0, 1]")
    return frames.double()


def mse(frames: Tensor, reference: Tensor) -> Tensor:
    """Returns the mean squared error of each of T frames (T, C, H, W): (T,), pixels in [0, 1]."""
    return torch.from_numpy(pixels.mse(*_doubles(frames, reference)))


def psnr(frames: Tensor, reference: Tensor) -> Tensor:
    """Returns the PSNR in dB of each of T frames (T, C, H, W), infinite where they are equal."""
    return torch.from_numpy(pixels.psnr(*_doubles(frames, reference)))


def ssim(frames: Tensor, reference: Tensor) -> Tensor:
    """Returns the mean SSIM of each of T frames (T, C, H, W), all channels weighing the same."""
    return torch.from_numpy(pixels.ssim(*_doubles(frames, reference)))


def ms_ssim(frames: Tensor, reference: Tensor) -> MultiScaleSsim:
    """Returns the MS-SSIM of each of T frames (T, C, H, W) over the scales that fit them."""
    return ssim_and_ms_ssim(frames, reference)[1]


def ssim_and_ms_ssim(frames: Tensor, reference: Tensor) -> tuple[Tensor, MultiScaleSsim]:
    """Returns SSIM (T,) and MS-SSIM at once: the first scale is the same for both."""
    single, multi, scales = pixels.ssim_and_ms_ssim(*_doubles(frames, reference))
    return torch.from_numpy(single), MultiScaleSsim(torch.from_numpy(multi), scales)


def _doubles(x: Tensor, y: Tensor) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    a, b = np.broadcast_arrays(*(clip.detach().cpu().double().numpy() for clip in (x, y)))
    return a, b
