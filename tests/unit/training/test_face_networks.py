"""The networks of faces: what they are before training, and what is served of them."""

import pytest
import torch
from torch.testing import assert_close

from motioncast.models.configurations import Configuration, configuration
from motioncast.models.face.synthesis import FaceSynthesis
from motioncast.models.motion_transfer import MotionTransfer

MOST_PARAMETERS = 6_000_000


@pytest.fixture(params=["face128", "face256"])
def faces(request: pytest.FixtureRequest) -> Configuration:
    return configuration(request.param)


def test_untrained_a_source_is_warped_onto_itself(faces: Configuration) -> None:
    torch.manual_seed(0)
    side = faces.image_size
    source = torch.rand(1, 3, side, side)
    keypoints = torch.rand(1, faces.keypoints, 3) - 0.5
    keypoints[..., 2] = 1.0
    synthesis = FaceSynthesis(faces).eval()
    with torch.no_grad():
        made = synthesis.decode(synthesis.encode(source), keypoints, keypoints.unsqueeze(1))
    assert_close(made.warped, source, atol=1e-3, rtol=0)


def test_both_sizes_share_their_weights() -> None:
    small = MotionTransfer(configuration("face128")).state_dict()
    MotionTransfer(configuration("face256")).load_state_dict(small)


def test_detector_and_synthesis_have_at_most_six_million_parameters(faces: Configuration) -> None:
    model = MotionTransfer(faces)
    assert sum(weights.numel() for weights in model.parameters()) <= MOST_PARAMETERS
