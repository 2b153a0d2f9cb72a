"""Image quality of clips agrees with closed forms, scikit-image and a scipy computation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, zoom
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from motioncast.quality.pixels import (
    SCALE_WEIGHTS,
    mse,
    planes,
    psnr,
    scales_that_fit,
    ssim,
    ssim_and_ms_ssim,
)

Image = NDArray[np.float64]


def pair(size: int, noise: float = 0.2) -> tuple[Image, Image]:
    rng = np.random.default_rng(size)
    smooth = rng.random((2, 3, size // 4, size // 4))
    reference: Image = zoom(smooth, (1, 1, 4, 4), order=1)
    noisy = reference + noise * rng.normal(size=reference.shape)
    return noisy.clip(0, 1), reference


def direct_similarities(x: Image, y: Image) -> tuple[float, float]:
    """Returns SSIM and its contrast-structure part for one channel, from Wang's formulas."""

    def blur(image: Image) -> Image:
        blurred: Image = gaussian_filter(image, 1.5, truncate=3.5)[5:-5, 5:-5]
        return blurred

    mean_x, mean_y = blur(x), blur(y)
    contrast = (2 * (blur(x * y) - mean_x * mean_y) + 0.03**2) / (
        blur(x**2) - mean_x**2 + blur(y**2) - mean_y**2 + 0.03**2
    )
    luminance = (2 * mean_x * mean_y + 0.01**2) / (mean_x**2 + mean_y**2 + 0.01**2)
    return float((luminance * contrast).mean()), float(contrast.mean())


def direct_ms_ssim(x: Image, y: Image, scales: int) -> float:
    """Returns MS-SSIM of one image (3, S, S) over the first scales."""
    result = 1.0
    weights = np.array(SCALE_WEIGHTS[:scales]) / sum(SCALE_WEIGHTS[:scales])
    for scale, weight in enumerate(weights):
        parts = [direct_similarities(*channels) for channels in zip(x, y, strict=True)]
        full, contrast = np.mean(parts, axis=0)
        result *= (full if scale == scales - 1 else contrast) ** weight
        half = x.shape[1] // 2
        x = x[:, : 2 * half, : 2 * half].reshape(3, half, 2, half, 2).mean(axis=(2, 4))
        y = y[:, : 2 * half, : 2 * half].reshape(3, half, 2, half, 2).mean(axis=(2, 4))
    return result


def test_mse_of_a_constant_error_is_its_square() -> None:
    reference = np.full((2, 3, 16, 16), 0.5)
    frames = reference + np.array([0.1, 0.25])[:, None, None, None]
    assert mse(frames, reference).tolist() == pytest.approx([0.01, 0.0625])


def test_psnr_agrees_with_scikit_image() -> None:
    frames, reference = pair(24)
    theirs = [
        peak_signal_noise_ratio(y, x, data_range=1.0)  # type: ignore[no-untyped-call]
        for x, y in zip(frames, reference, strict=True)
    ]
    assert psnr(frames, reference).tolist() == pytest.approx(theirs, abs=1e-9)


def test_psnr_of_equal_frames_is_infinite() -> None:
    _, reference = pair(16)
    assert psnr(reference, reference).tolist() == [float("inf")] * 2


def test_ssim_agrees_with_scikit_image() -> None:
    frames, reference = pair(32)
    theirs = structural_similarity(  # type: ignore[no-untyped-call]
        reference[0],
        frames[0],
        channel_axis=0,
        data_range=1.0,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    assert ssim(frames, reference)[0] == pytest.approx(theirs, abs=1e-9)


@pytest.mark.parametrize(("size", "scales"), [(16, 1), (32, 2), (64, 3), (128, 4), (176, 5)])
def test_ms_ssim_agrees_with_a_direct_computation_over_the_scales_that_fit(
    size: int, scales: int
) -> None:
    frames, reference = pair(size)
    _, measured, used = ssim_and_ms_ssim(frames[:1], reference[:1])
    assert used == scales
    expected = direct_ms_ssim(frames[0], reference[0], scales)
    assert measured[0] == pytest.approx(expected, abs=1e-9)


def test_ms_ssim_of_one_scale_is_ssim() -> None:
    frames, reference = pair(20)
    single, multi, _ = ssim_and_ms_ssim(frames, reference)
    np.testing.assert_allclose(multi, single, rtol=1e-12)
    np.testing.assert_array_equal(single, ssim(frames, reference))


def test_an_image_against_its_negative_has_an_ms_ssim_of_zero_and_not_nan() -> None:
    board = (np.arange(64)[:, None] + np.arange(64)) % 2
    frames = np.broadcast_to(board.astype(np.float64), (1, 3, 64, 64))
    assert ssim_and_ms_ssim(frames, 1 - frames)[1].tolist() == [0]


def test_planes_of_single_precision_are_measured_in_double() -> None:
    frames, reference = (one.astype(np.float32) for one in pair(32))
    doubles = ssim(frames.astype(np.float64), reference.astype(np.float64))
    np.testing.assert_array_equal(ssim(frames, reference), doubles)


def test_five_scales_are_the_most() -> None:
    assert scales_that_fit(4096) == len(SCALE_WEIGHTS) == 5


def test_an_image_smaller_than_the_window_is_refused() -> None:
    with pytest.raises(ValueError, match="10 pixels"):
        scales_that_fit(10)


def test_planes_of_bytes_are_their_channels_in_units_of_255() -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 4, 5, 3), dtype=np.uint8)
    found = planes(images)
    assert found.shape == (2, 3, 4, 5)
    for channel in range(3):
        np.testing.assert_allclose(found[:, channel] * 255, images[..., channel], rtol=1e-6)


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((2, 24, 24), np.uint8),
        np.zeros((2, 3, 24, 24), np.uint8),
        np.zeros((1, 24, 24, 3)),
    ],
)
def test_what_are_no_images_of_bytes_is_refused(images: NDArray[Any]) -> None:
    with pytest.raises(ValueError, match="expected bytes"):
        planes(images)


@pytest.mark.parametrize("measure", [mse, psnr, ssim, ssim_and_ms_ssim])
def test_clips_of_different_sizes_do_not_compare(measure: Any) -> None:
    with pytest.raises(ValueError, match="cannot be compared"):
        measure(np.zeros((1, 3, 24, 24)), np.zeros((2, 3, 24, 24)))
