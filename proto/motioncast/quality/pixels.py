"""Image quality of frames against the original ones: MSE, PSNR, SSIM and MS-SSIM, per frame.

    PSNR    = 10 log10(1 / MSE), data range 1
    SSIM    = mean of l cs            (Wang et al. 2004: 11x11 Gaussian window, deviation 1.5)
    MS-SSIM = prod_j<J mean(cs_j)^w_j * mean(l_J cs_J)^w_J,  halved in size from scale to scale
                                      (Wang et al. 2003)

    l  = (2 m_x m_y + C1) / (m_x^2 + m_y^2 + C1)          C1 = 0.01^2
    cs = (2 s_xy + C2) / (s_x^2 + s_y^2 + C2)             C2 = 0.03^2

Only windows completely inside the image count. Five scales need 176 pixels; a smaller image uses
the first scales that fit, with renormalised weights, and the result says how many those are.

Shapes: T frames, C channels, H x W pixels; values in [0, 1].
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

WINDOW: Final = 11
WINDOW_DEVIATION: Final = 1.5
C1, C2 = 0.01**2, 0.03**2
SCALE_WEIGHTS: Final = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # Wang et al. 2003
PSNR_OF_IDENTICAL_DB: Final = 100.0  # their PSNR is infinite; a mean over frames needs a limit
ROUNDING_PSNR_DB: Final = 10 * math.log10(12 * 255**2)  # rounding to 8 bits errs by step^2 / 12

_BLOCK: Final = 64  # pixels per matrix product: most of a larger band matrix is zeros

Planes = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Quality:
    """How close one picture is to another."""

    psnr_db: float  # at most 100
    ssim: float  # at most 1


def compare(image: NDArray[np.uint8], reference: NDArray[np.uint8]) -> Quality:
    """Returns the quality of an image (H, W, 3) of bytes against a reference of the same shape."""
    return Quality(image_psnr(image, reference), image_ssim(image, reference))


def image_psnr(image: NDArray[np.uint8], reference: NDArray[np.uint8]) -> float:
    """Returns the PSNR in dB of an image (H, W, 3) of bytes, 100 for identical images."""
    _same_shape(image, reference)
    error = np.square(image.astype(np.float64) - reference).mean() / 255**2
    return PSNR_OF_IDENTICAL_DB if error == 0 else float(-10 * np.log10(error))


def image_ssim(image: NDArray[np.uint8], reference: NDArray[np.uint8]) -> float:
    """Returns the SSIM of an image (H, W, 3) of bytes, 1 for identical images.

    Raises ValueError for other shapes and images of fewer than 11 pixels a side.
    """
    _same_shape(image, reference)
    x, y = (
        np.ascontiguousarray(np.moveaxis(one, -1, 0), np.float64) / 255
        for one in (image, reference)
    )
    return float(ssim(x[None], y[None])[0])


def planes(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Returns images (T, H, W, 3) of bytes as planes (T, 3, H, W) in [0, 1].

    Raises ValueError for another shape or type.
    """
    if images.ndim != 4 or images.shape[3] != 3 or images.dtype != np.uint8:
        raise ValueError(f"frames: {images.shape} of {images.dtype}, expected bytes (T, H, W, 3)")
    first = np.ascontiguousarray(np.moveaxis(images, 3, 1), np.float32)
    first /= 255
    return first


def mse(frames: Planes, reference: Planes) -> NDArray[np.float64]:
    """Returns the mean squared error of each of T frames (T, C, H, W): (T,)."""
    _same_shape(frames, reference)
    pairs = zip(frames, reference, strict=True)  # a single frame fits in the cache
    return np.array([np.square(x.astype(np.float64) - y).mean() for x, y in pairs], np.float64)


def psnr(frames: Planes, reference: Planes) -> NDArray[np.float64]:
    """Returns the PSNR in dB of each of T frames (T, C, H, W), infinite if they are equal."""
    with np.errstate(divide="ignore"):
        decibels: NDArray[np.float64] = -10 * np.log10(mse(frames, reference))
    return decibels


def ssim(frames: Planes, reference: Planes) -> NDArray[np.float64]:
    """Returns the mean SSIM of each of T frames (T, C, H, W), with equal weights of channels."""
    _same_shape(frames, reference)
    scales_that_fit(min(frames.shape[-2:]))
    pairs = zip(frames, reference, strict=True)
    return np.array([_similarities(_doubles(x), _doubles(y))[0] for x, y in pairs], np.float64)


def ssim_and_ms_ssim(
    frames: Planes, reference: Planes
) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """Returns SSIM (T,), MS-SSIM (T,) and its number of scales, sharing the first scale.

    A negative mean of a scale, which has no fractional power, counts as zero.
    """
    _same_shape(frames, reference)
    scales = scales_that_fit(min(frames.shape[-2:]))
    weights = np.array(SCALE_WEIGHTS[:scales]) / sum(SCALE_WEIGHTS[:scales])
    similar, multi = [], []
    for one, other in zip(frames, reference, strict=True):
        x, y = _doubles(one), _doubles(other)
        factors = []
        for scale in range(scales):
            full, contrast = _similarities(x, y)
            if scale == 0:
                similar.append(full)
            factors.append(full if scale == scales - 1 else contrast)
            x, y = _halved(x), _halved(y)
        multi.append(np.prod(np.maximum(factors, 0) ** weights))
    return np.array(similar, np.float64), np.array(multi, np.float64), scales


def scales_that_fit(size: int) -> int:
    """Returns how many scales of an image of `size` pixels fit a whole window, at most five."""
    if size < WINDOW:
        raise ValueError(f"frames: {size} pixels are too few for a window of {WINDOW}")
    return sum(size // 2**scale >= WINDOW for scale in range(len(SCALE_WEIGHTS)))


def _same_shape(x: NDArray[Any], y: NDArray[Any]) -> None:
    if x.shape != y.shape:
        raise ValueError(f"frames: {x.shape} and {y.shape} cannot be compared")


def _doubles(image: Planes) -> NDArray[np.float64]:
    # In float32 the error of variances in flat places exceeds what C2 tolerates.
    return np.ascontiguousarray(image, np.float64)


def _similarities(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float]:
    """Returns the means of l cs and of cs over one image (C, H, W)."""
    mean_x, mean_y = _blur(x), _blur(y)
    squares, product = mean_x * mean_x + mean_y * mean_y, mean_x * mean_y
    variances = _blur(x * x + y * y) - squares  # only their sum is ever used
    covariance = _blur(x * y) - product
    contrast = (2 * covariance + C2) / (variances + C2)
    full = (2 * product + C1) / (squares + C1) * contrast
    return float(full.mean(dtype=np.float64)), float(contrast.mean(dtype=np.float64))


def _halved(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the means of 2x2 pixels of (C, H, W), without an odd last row or column."""
    height, width = image.shape[-2] // 2, image.shape[-1] // 2
    even = image[:, : 2 * height, : 2 * width]
    means: NDArray[np.float64] = even.reshape(-1, height, 2, width, 2).mean(axis=(2, 4))
    return means


def _blur(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Blurs an image (C, H, W) where the whole window fits: (C, H - 10, W - 10)."""
    band = _band()
    height, width = image.shape[-2] - WINDOW + 1, image.shape[-1] - WINDOW + 1
    rows = np.empty((image.shape[0], height, image.shape[-1]))
    for start in range(0, height, _BLOCK):
        n = min(_BLOCK, height - start)
        window = band[:n, : n + WINDOW - 1]
        rows[:, start : start + n] = window @ image[:, start : start + n + WINDOW - 1]
    blurred = np.empty((image.shape[0], height, width))
    for start in range(0, width, _BLOCK):
        n = min(_BLOCK, width - start)
        window = band[:n, : n + WINDOW - 1].T
        blurred[..., start : start + n] = rows[..., start : start + n + WINDOW - 1] @ window
    return blurred


@cache
def _band() -> NDArray[np.float64]:
    """Returns the matrix (64, 74) that slides the window along an axis."""
    offsets = np.arange(WINDOW) - WINDOW // 2
    window = np.exp(-np.square(offsets) / (2 * WINDOW_DEVIATION**2))
    window /= window.sum()
    band = np.zeros((_BLOCK, _BLOCK + WINDOW - 1))
    for place in range(_BLOCK):
        band[place, place : place + WINDOW] = window
    return band
