"""Keypoints are dropped in training so that the synthesis learns to distrust outliers."""

import numpy as np
import torch

from motioncast.train.reconstruction import lose_some


def keypoints(samples: int) -> torch.Tensor:
    """Returns keypoints (B, 16, 3) outside the frame, where a lost keypoint is never moved to."""
    return torch.full((samples, 16, 3), 3.0)


def test_of_no_sample_a_keypoint_is_lost() -> None:
    given = keypoints(50)

    assert torch.equal(lose_some(given, 0.0, np.random.default_rng(0)), given)


def test_an_eighth_of_the_keypoints_of_a_share_of_the_samples_is_lost() -> None:
    given = keypoints(4000)

    found = lose_some(given, 0.3, np.random.default_rng(0))

    lost = found[..., 0] < 3
    # 0.3 of the samples lose keypoints unless all 16 happen to stay: 0.3 (1 - (7/8)^16) = 0.2646,
    # within four standard deviations of a binomial share. 0.3 / 8 of all keypoints are lost, with a
    # similar bound (they are dependent within a sample, hence the number of samples).
    assert abs(float(lost.any(dim=1).float().mean()) - 0.2646) < 0.028
    assert abs(float(lost.float().mean()) - 0.3 / 8) < 0.0045


def test_a_lost_keypoint_is_anywhere_in_the_frame_and_keeps_its_intensity() -> None:
    found = lose_some(keypoints(500), 1.0, np.random.default_rng(0))

    lost = found[..., 0] < 3
    places = found[lost][:, :2]
    assert places.abs().max() <= 1
    # Uniform in [-1, 1]: variance 1/3, some 1,000 of them.
    assert abs(float(places.var()) - 1 / 3) < 0.03
    assert (found[..., 2] == 3).all()
