"""Image quality against closed forms, scikit-image and a computation with scipy alone."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy.ndimage import gaussian_filter
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from motioncast.evaluate.metrics.pixels import (
    SCALE_WEIGHTS,
    as_frames,
    ms_ssim,
    mse,
    pixel_quality,
    psnr,
    scales_that_fit,
    ssim,
)

Image = npt.NDArray[np.float64]


def pair(size: int, noise: float = 0.2) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(size)
    smooth = torch.rand(2, 3, size // 4, size // 4, generator=generator, dtype=torch.float64)
    reference = torch.nn.functional.interpolate(smooth, size=(size, size), mode="bilinear")
    noisy = reference + noise * torch.randn(reference.shape, generator=generator)
    return noisy.clamp(0, 1), reference


def direct_similarities(x: Image, y: Image) -> tuple[float, float]:
    """SSIM and its contrast-structure part of one channel, from Wang's formulas."""

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
    """MS-SSIM of one image (3, S, S) over the first scales."""
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
    reference = torch.full((2, 3, 16, 16), 0.5)
    frames = reference + torch.tensor([0.1, 0.25]).view(2, 1, 1, 1)
    assert mse(frames, reference).tolist() == pytest.approx([0.01, 0.0625], abs=1e-7)


def test_psnr_agrees_with_scikit_image() -> None:
    frames, reference = pair(24)
    theirs = [
        peak_signal_noise_ratio(y.numpy(), x.numpy(), data_range=1.0)  # type: ignore[no-untyped-call]
        for x, y in zip(frames, reference, strict=True)
    ]
    assert psnr(frames, reference).tolist() == pytest.approx(theirs, abs=1e-9)


def test_psnr_of_equal_frames_is_infinite() -> None:
    _, reference = pair(16)
    assert psnr(reference, reference).tolist() == [float("inf")] * 2


def test_ssim_agrees_with_scikit_image() -> None:
    frames, reference = pair(32)
    theirs = structural_similarity(  # type: ignore[no-untyped-call]
        reference[0].numpy(),
        frames[0].numpy(),
        channel_axis=0,
        data_range=1.0,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    assert ssim(frames, reference)[0].item() == pytest.approx(theirs, abs=1e-9)


@pytest.mark.parametrize(("size", "scales"), [(16, 1), (32, 2), (64, 3), (128, 4), (176, 5)])
def test_ms_ssim_agrees_with_a_direct_computation_over_the_scales_that_fit(
    size: int, scales: int
) -> None:
    frames, reference = pair(size)
    measured = ms_ssim(frames[:1], reference[:1])
    assert measured.scales == scales
    expected = direct_ms_ssim(frames[0].numpy(), reference[0].numpy(), scales)
    assert measured.value.item() == pytest.approx(expected, abs=1e-9)


def test_ms_ssim_of_one_scale_is_ssim() -> None:
    frames, reference = pair(20)
    assert torch.allclose(ms_ssim(frames, reference).value, ssim(frames, reference))


def test_a_table_can_say_how_many_scales_there_were() -> None:
    frames, reference = pair(64)
    assert ms_ssim(frames, reference).label == "MS-SSIM (3 scales)"
    assert ms_ssim(frames[..., :16, :16], reference[..., :16, :16]).label == "MS-SSIM (1 scale)"


def test_an_image_against_its_negative_has_an_ms_ssim_of_zero_and_not_nan() -> None:
    board = (torch.arange(64)[:, None] + torch.arange(64)) % 2
    frames = board.double().expand(1, 3, 64, 64)
    assert ms_ssim(frames, 1 - frames).value.item() == 0


def test_five_scales_are_the_most() -> None:
    assert scales_that_fit(4096) == len(SCALE_WEIGHTS) == 5


def test_an_image_smaller_than_the_window_is_refused() -> None:
    with pytest.raises(ValueError, match="10 pixels"):
        scales_that_fit(10)


def test_bytes_with_channels_last_measure_as_floats_with_channels_first() -> None:
    values = np.random.default_rng(0).integers(0, 256, (2, 2, 24, 24, 3), dtype=np.uint8)
    as_bytes = pixel_quality(values[0], values[1])
    planes = torch.from_numpy(values).permute(0, 1, 4, 2, 3).double() / 255
    as_floats = pixel_quality(planes[0], planes[1])
    for name in ("mse", "psnr_db", "ssim"):
        assert torch.equal(getattr(as_bytes, name), getattr(as_floats, name))
    assert torch.equal(as_bytes.ms_ssim.value, as_floats.ms_ssim.value)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((2, 24, 24), np.uint8), "neither"),
        (np.zeros((2, 4, 24, 24), np.uint8), "neither"),
        (np.full((1, 3, 24, 24), 255.0), r"in \[0, 1\]"),
        (np.full((1, 3, 24, 24), np.nan), r"in \[0, 1\]"),
        (np.zeros((1, 3, 24, 24), np.int64), "bytes or floating point"),
    ],
)
def test_what_is_no_clip_is_refused(images: npt.NDArray[Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        as_frames(images)


def test_clips_of_different_sizes_do_not_compare() -> None:
    with pytest.raises(ValueError, match="cannot be compared"):
        pixel_quality(np.zeros((1, 24, 24, 3), np.uint8), np.zeros((2, 24, 24, 3), np.uint8))
