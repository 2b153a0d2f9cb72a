"""Fine-tuning of the shipped face networks on the bundled interview."""

import json
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from motioncast.data.clip_cache import ClipCache
from motioncast.data.own_videos import OwnVideos
from motioncast.models.checkpoint import load_motion_transfer
from motioncast.models.shipped import shipped_checkpoint
from motioncast.train.face_reconstruction import FaceTraining
from motioncast.train.personal_faces import FACE_SETTINGS
from motioncast.train.personal_synthesis import Stopping, Tails, default_settings, fine_tune

CLIP = Path(__file__).parents[4] / "clients/motioncast/cli/assets/interview.mp4"
LEARNED, HELD_OUT = 6, 3


@pytest.fixture(scope="module")
def videos() -> OwnVideos:
    """Nine frames of the interview's centre square, at 256x256."""
    frames = []
    with av.open(str(CLIP)) as video:
        for frame in video.decode(video=0):
            image = Image.fromarray(frame.to_ndarray(format="rgb24"))
            left = (image.width - image.height) // 2
            square = image.crop((left, 0, left + image.height, image.height))
            frames.append(np.asarray(square.resize((256, 256))))
            if len(frames) == LEARNED + HELD_OUT:
                break
    count, stacked = len(frames), np.stack(frames)
    parts = ClipCache(("learned", "held out"), (0, LEARNED, count), stacked)
    return OwnVideos(ClipCache(("a",), (0, count), stacked), parts)


def test_the_detector_stays_and_the_synthesis_learns(videos: OwnVideos, tmp_path: Path) -> None:
    start = load_motion_transfer(shipped_checkpoint("synthesis"))
    settings = default_settings(start)
    assert settings == FACE_SETTINGS
    before = load_motion_transfer(shipped_checkpoint("synthesis"))
    tails = Tails(videos.sources_and_tails())
    settings = replace(settings, steps=1, batch_size=2)
    seen = fine_tune(start, videos, tails, tmp_path, settings, Stopping(1))
    assert len(seen) == 2

    folder = tmp_path / "faces"
    assert_array_equal(np.load(folder / "frames.npy"), videos.parts.clip(0))
    clips = json.loads((folder / "clips.json").read_text())
    assert [(clip["start"], clip["stop"]) for clip in clips] == [(0, LEARNED)]
    images = torch.from_numpy(np.array(videos.parts.clip(0))).permute(0, 3, 1, 2) / 255
    found = before.detect(images)[:, :70, :2].detach()
    assert_allclose(np.load(folder / "points.npy"), found, atol=1e-5)

    training = FaceTraining(load_motion_transfer(shipped_checkpoint("synthesis")), settings)
    training.resume(tmp_path / "training.pt")
    after = training.model
    for name, value in before.detector.state_dict().items():
        assert torch.equal(after.detector.state_dict()[name], value), name
    changed = [
        not torch.equal(after.synthesis.state_dict()[name], value)
        for name, value in before.synthesis.named_parameters()
    ]
    assert all(changed)
