"""How close a picture is to another: PSNR and SSIM of 8-bit RGB images.

PSNR = 10 log10(255^2 / MSE)   over all pixels and channels
SSIM   Wang et al. 2004, 7x7 windows, mean over pixels and channels (scikit-image)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

PSNR_OF_IDENTICAL_DB: Final = 100.0  # their PSNR has no bound; a mean over frames needs one


@dataclass(frozen=True, slots=True)
class Quality:
    """How close one picture is to another."""

    psnr_db: float  # up to 100
    ssim: float  # up to 1


def compare(image: NDArray[np.uint8], reference: NDArray[np.uint8]) -> Quality:
    """Returns the quality of an image (H, W, 3) measured against a reference of the same shape."""
    return Quality(psnr(image, reference), ssim(image, reference))


def psnr(image: NDArray[np.uint8], reference: NDArray[np.uint8]) -> float:
    """Returns the peak signal-to-noise ratio in dB, 100 for identical images."""
    mse = np.square(image.astype(np.float64) - reference).mean()
    if mse == 0:
        return PSNR_OF_IDENTICAL_DB
    return float(10 * np.log10(255**2 / mse))


def ssim(image: NDArray[np.uint8], reference: NDArray[np.uint8]) -> float:
    """Returns the mean structural similarity, 1 for identical images."""
    mean = structural_similarity(  # type: ignore[no-untyped-call]  # it has no types
        image, reference, channel_axis=-1, data_range=255
    )
    return float(mean)
