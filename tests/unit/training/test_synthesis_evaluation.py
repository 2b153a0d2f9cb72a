"""Reconstruction quality of a clip, and the summary over clips."""

import numpy as np
import pytest
import torch

from motioncast.evaluate.synthesis import ClipQuality, evaluate_clip, reconstruct, summary
from motioncast.models.configurations import LITE128
from motioncast.models.motion_transfer import MotionTransfer


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
