"""PSNR agrees with its definition, SSIM with its properties."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from motioncast.quality.pixels import compare, image_psnr, image_ssim

RNG = np.random.default_rng(0)
IMAGE = RNG.integers(10, 240, (32, 32, 3), dtype=np.uint8)


@pytest.mark.parametrize(("difference", "decibels"), [(1, 48.1308), (10, 28.1308)])
def test_psnr_of_a_constant_difference_is_20_log10_of_255_over_it(
    difference: int, decibels: float
) -> None:
    assert image_psnr(IMAGE + np.uint8(difference), IMAGE) == pytest.approx(decibels, abs=1e-4)


def test_psnr_does_not_depend_on_which_image_is_the_reference() -> None:
    darker = IMAGE - np.uint8(7)  # a difference that wraps around in uint8 arithmetic
    assert (
        image_psnr(darker, IMAGE)
        == image_psnr(IMAGE, darker)
        == pytest.approx(20 * np.log10(255 / 7))
    )


def test_psnr_of_black_against_white_is_zero() -> None:
    black, white = np.zeros((8, 8, 3), np.uint8), np.full((8, 8, 3), 255, np.uint8)
    assert image_psnr(black, white) == 0


def test_identical_images_have_the_largest_psnr_and_ssim() -> None:
    quality = compare(IMAGE, IMAGE)
    assert quality.psnr_db == 100.0
    assert quality.ssim == pytest.approx(1.0)


def test_ssim_of_a_brighter_flat_image_is_the_luminance_term() -> None:
    # Wang et al. 2004, equation 6: flat images differ in luminance only,
    # (2ab + c) / (a^2 + b^2 + c).
    a, b, c = 100.0, 110.0, (0.01 * 255) ** 2
    flat = np.full((16, 16, 3), 100, np.uint8)
    expected = (2 * a * b + c) / (a**2 + b**2 + c)
    assert image_ssim(flat + np.uint8(10), flat) == pytest.approx(expected)


@pytest.mark.parametrize("shape", [(11, 11, 3), (75, 140, 3)])
def test_ssim_of_bytes_agrees_with_scikit_image(shape: tuple[int, int, int]) -> None:
    reference = RNG.integers(0, 256, shape, dtype=np.uint8)
    noise = RNG.integers(-40, 40, shape)
    image = np.clip(reference + noise, 0, 255).astype(np.uint8)
    theirs = structural_similarity(  # type: ignore[no-untyped-call]
        image,
        reference,
        channel_axis=-1,
        data_range=255,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    assert image_ssim(image, reference) == pytest.approx(theirs, abs=1e-9)


def test_images_of_different_sizes_do_not_compare() -> None:
    with pytest.raises(ValueError, match="cannot be compared"):
        compare(IMAGE, IMAGE[:16])
