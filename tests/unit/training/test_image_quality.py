"""PSNR, SSIM and the mouth's box, against closed forms and another implementation."""

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from motioncast.evaluate.metrics.mouth import mouth_box
from motioncast.evaluate.metrics.pixels import psnr, ssim
from motioncast.evaluate.synthesis import ClipQuality, evaluate_clip, reconstruct, summary
from motioncast.models.configurations import LITE128
from motioncast.models.motion_transfer import MotionTransfer


def test_psnr_of_a_constant_error_is_its_logarithm() -> None:
    reference = torch.full((2, 3, 16, 16), 0.5)
    frames = reference + torch.tensor([0.1, 0.01]).view(2, 1, 1, 1)

    assert psnr(frames, reference).tolist() == pytest.approx([20.0, 40.0], abs=1e-4)


def test_ssim_agrees_with_scikit_image() -> None:
    generator = torch.Generator().manual_seed(0)
    reference = torch.rand(1, 3, 24, 24, generator=generator)
    frames = (reference + 0.2 * torch.randn(1, 3, 24, 24, generator=generator)).clamp(0, 1)

    theirs = structural_similarity(  # type: ignore[no-untyped-call]
        reference[0].double().numpy(),
        frames[0].double().numpy(),
        channel_axis=0,
        data_range=1.0,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    assert ssim(frames, reference).item() == pytest.approx(theirs, abs=1e-6)


def test_the_mouth_box_surrounds_what_moves_below_the_middle() -> None:
    frames = torch.zeros(8, 3, 60, 60)
    frames[::2, :, 40:46, 20:34] = 1.0  # the mouth
    frames[::2, :, 5:25, 10:50] = 1.0  # something larger, above

    box = mouth_box(frames)

    assert box.left <= 20 < 34 <= box.right
    assert box.top <= 40 < 46 <= box.bottom
    assert (box.right - box.left, box.bottom - box.top) == (20, 12)


def test_an_untrained_network_reconstructs_every_frame_and_is_compared_to_copying() -> None:
    torch.manual_seed(0)
    model = MotionTransfer(LITE128).eval()
    clip = np.random.default_rng(0).integers(0, 256, (4, 128, 128, 3), dtype=np.uint8)
    clip[2] = clip[0]

    quality, output = evaluate_clip(model, "noise.mp4", clip)

    frames = torch.from_numpy(clip).permute(0, 3, 1, 2).float() / 255
    assert output.shape == frames.shape
    assert torch.equal(output, reconstruct(model, frames))
    assert quality.frames == 3
    assert quality.copy_psnr_db == float("inf")  # one of the copies is exact
    assert 0 < quality.psnr_db < 40


def test_every_clip_weighs_the_same_in_the_summary() -> None:
    short = ClipQuality("a", 1, 30.0, 20.0, 0.9, 0.8, 25.0, 20.0)
    long = ClipQuality("b", 99, 40.0, 30.0, 1.0, 0.9, 35.0, 30.0)

    means = summary([short, long])

    assert means["clips"] == 2
    assert means["psnr_db"] == pytest.approx(35.0)
    assert means["mouth_psnr_db"] == pytest.approx(30.0)
