"""The converted person matte agrees with MediaPipe's own result on the bundled interview.

Expected values were recorded once: means over squares of 32 pixels of the output of
SelfieSegmentation (mediapipe 0.10.14, general model) for the clip's first frame.
"""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
import torch

from motioncast.models.checkpoint import CheckpointError
from motioncast.models.mediapipe.matte import PersonMatte
from motioncast.models.mediapipe.near_finder import NearFinder
from motioncast.models.mediapipe.weights import load_weights, save_weights

ROOT = Path(__file__).parents[4]
CHECKPOINT = ROOT / "training" / "checkpoints" / "person_matte.pt"
CLIP = ROOT / "clients" / "motioncast" / "cli" / "assets" / "interview.mp4"
EXPECTED = (
    (0.0, 0.0, 0.0148, 0.0420, 0.0015, 0.0, 0.0, 0.0),
    (0.0, 0.0, 0.4994, 0.9977, 0.5244, 0.0, 0.0, 0.0),
    (0.0, 0.0, 0.8110, 1.0, 0.8249, 0.0, 0.0, 0.0),
    (0.0, 0.0, 0.6791, 1.0, 0.8410, 0.0009, 0.0, 0.0),
    (0.0, 0.0504, 0.7401, 1.0, 0.6332, 0.0039, 0.0, 0.0),
    (0.2886, 0.9005, 1.0, 1.0, 1.0, 0.7193, 0.0081, 0.0),
    (0.8696, 1.0, 1.0, 1.0, 1.0, 0.9961, 0.1064, 0.0),
    (0.9442, 1.0, 1.0, 1.0, 1.0, 1.0, 0.2612, 0.0),
)


def test_the_shipped_matte_says_what_mediapipes_does() -> None:
    with av.open(str(CLIP)) as video:
        frame = next(video.decode(video=0)).to_ndarray(format="rgb24")
    network = PersonMatte().eval()
    load_weights(network, CHECKPOINT)
    picture = torch.from_numpy(frame).permute(2, 0, 1)[None].float() / 255

    with torch.inference_mode():
        matte = network(picture)

    assert matte.shape == (1, 1, 256, 256)
    means = torch.nn.functional.avg_pool2d(matte, 32)[0, 0].numpy()
    np.testing.assert_allclose(means, np.array(EXPECTED), atol=2e-4)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    save_weights(NearFinder(), tmp_path / "near_finder.pt")
    with pytest.raises(CheckpointError, match="near_finder"):
        load_weights(PersonMatte(), tmp_path / "near_finder.pt")
