"""Image quality of frames against the true ones: MSE, PSNR, SSIM and MS-SSIM, per frame.

    PSNR    = 10 log10(1 / MSE), data range 1
    SSIM    = mean of l cs            (Wang et al. 2004: 11x11 Gaussian window, deviation 1.5)
    MS-SSIM = prod_j<J mean(cs_j)^w_j * mean(l_J cs_J)^w_J,  halved in size from scale to scale
                                      (Wang et al. 2003)

    l  = (2 m_x m_y + C1) / (m_x^2 + m_y^2 + C1)          C1 = 0.01^2
    cs = (2 s_xy + C2) / (s_x^2 + s_y^2 + C2)             C2 = 0.03^2

Only windows that lie inside the image count. Five scales need 176 pixels; a smaller image takes the
first scales that fit, with their weights renormalised, and the result says how many those are.

Shapes: T frames, C channels, H x W pixels; values in [0, 1].
"""

from dataclasses import dataclass
from typing import Any

import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

WINDOW = 11
WINDOW_DEVIATION = 1.5
C1, C2 = 0.01**2, 0.03**2
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # Wang et al. 2003


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
    return (frames.double() - reference.double()).square().mean(dim=(-3, -2, -1))


def psnr(frames: Tensor, reference: Tensor) -> Tensor:
    """Returns the PSNR in dB of each of T frames (T, C, H, W), infinite where they are equal."""
    return -10 * torch.log10(mse(frames, reference))


def ssim(frames: Tensor, reference: Tensor) -> Tensor:
    """Returns the mean SSIM of each of T frames (T, C, H, W), all channels weighing the same."""
    return _similarities(frames.double(), reference.double())[0]


def ms_ssim(frames: Tensor, reference: Tensor) -> MultiScaleSsim:
    """Returns the MS-SSIM of each of T frames (T, C, H, W) over the scales that fit them.

    A negative mean of a scale, which has no fractional power, counts as zero.
    """
    return ssim_and_ms_ssim(frames, reference)[1]


def ssim_and_ms_ssim(frames: Tensor, reference: Tensor) -> tuple[Tensor, MultiScaleSsim]:
    """Returns SSIM (T,) and MS-SSIM at once: the first scale is the same for both."""
    x, y = frames.double(), reference.double()
    scales = scales_that_fit(min(x.shape[-2:]))
    weights = torch.tensor(SCALE_WEIGHTS[:scales], dtype=x.dtype)
    full_size, factors = None, []
    for scale in range(scales):
        full, contrast = _similarities(x, y)
        full_size = full if full_size is None else full_size
        factors.append(full if scale == scales - 1 else contrast)
        x, y = functional.avg_pool2d(x, 2), functional.avg_pool2d(y, 2)
    assert full_size is not None
    powers = torch.stack(factors).clamp(min=0) ** (weights / weights.sum())[:, None]  # (J, T)
    return full_size, MultiScaleSsim(powers.prod(dim=0), scales)


def scales_that_fit(size: int) -> int:
    """Returns how many scales of an image of `size` pixels hold a whole window, five at most."""
    if size < WINDOW:
        raise ValueError(f"frames: {size} pixels are too few for a window of {WINDOW}")
    return sum(size // 2**scale >= WINDOW for scale in range(len(SCALE_WEIGHTS)))


def _similarities(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the means of l cs and of cs over each image, (T,) both."""
    mean_x, mean_y = _blur(x), _blur(y)
    variance_x = _blur(x * x) - mean_x.square()
    variance_y = _blur(y * y) - mean_y.square()
    covariance = _blur(x * y) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + C1) / (mean_x.square() + mean_y.square() + C1)
    contrast = (2 * covariance + C2) / (variance_x + variance_y + C2)
    return (luminance * contrast).mean(dim=(-3, -2, -1)), contrast.mean(dim=(-3, -2, -1))


def _blur(images: Tensor) -> Tensor:
    """Blurs images (..., H, W) where the whole window fits: (..., H - 10, W - 10)."""
    height, width = images.shape[-2:]
    # Two matrix products: on a CPU several times faster than a convolution of doubles.
    return (
        _window_at_every_place(height, images) @ images @ _window_at_every_place(width, images).mT
    )


def _window_at_every_place(size: int, like: Tensor) -> Tensor:
    """Returns the band matrix (size - 10, size) that slides the window along an axis."""
    offsets = torch.arange(WINDOW, dtype=like.dtype) - WINDOW // 2
    window = torch.exp(-offsets.square() / (2 * WINDOW_DEVIATION**2))
    window = window / window.sum()
    rows = [
        functional.pad(window, (place, size - WINDOW - place)) for place in range(size - WINDOW + 1)
    ]
    return torch.stack(rows).to(like)
