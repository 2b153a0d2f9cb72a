"""The face networks: their behaviour before training, and what is served of them."""

import pytest
import torch
from torch.testing import assert_close

from motioncast.models.checkpoint import CheckpointError, load_motion_transfer, resized
from motioncast.models.configurations import FACE128, FACE256, LITE128, Configuration, configuration
from motioncast.models.face.synthesis import FaceSynthesis
from motioncast.models.motion_transfer import MotionTransfer
from motioncast.models.shipped import shipped_checkpoint

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


def test_where_the_mask_is_nought_the_image_is_what_was_painted() -> None:
    torch.manual_seed(0)
    synthesis = FaceSynthesis(FACE128).eval()
    last = synthesis.to_rgb_and_mask
    assert last.bias is not None
    with torch.no_grad():
        last.weight[12:], last.bias[12:] = 0, -30
        room = synthesis.dense_motion.to_masks.bias
        assert room is not None
        room[0] = 30  # all background, which is not sharpened
        source, keypoints = torch.rand(1, 3, 128, 128), torch.rand(2, 80, 3) - 0.5
        encoded = synthesis.encode(source)
        made = synthesis.decode(encoded, keypoints[:1], keypoints[1:].unsqueeze(0))
    assert made.painted is not None
    assert_close(made.image, made.painted, atol=1e-5, rtol=0)


def test_detector_and_synthesis_have_at_most_six_million_parameters(faces: Configuration) -> None:
    model = MotionTransfer(faces)
    assert sum(weights.numel() for weights in model.parameters()) <= MOST_PARAMETERS


def test_the_same_weights_serve_both_sizes() -> None:
    small, lite = MotionTransfer(FACE128), MotionTransfer(LITE128)
    large = resized(small, FACE256)
    assert large.configuration == FACE256
    for name, value in small.state_dict().items():
        assert torch.equal(large.state_dict()[name], value), name
    with pytest.raises(CheckpointError, match="is of 'face128', not 'lite128'"):
        resized(small, LITE128)
    with pytest.raises(CheckpointError, match="is of 'lite128', not 'face128'"):
        resized(lite, FACE128)


def test_face128_has_the_keypoints_of_face256_so_its_predictors_serve_both() -> None:
    small, large = (
        load_motion_transfer(shipped_checkpoint("synthesis", name)).detector.state_dict()
        for name in ("face128", "face256")
    )
    assert small.keys() == large.keys()
    # The detectors see other picture sizes, so only what was trained has to be the same.
    assert all(torch.equal(small[name], large[name]) for name in small)
