"""The command that trains the face networks: its results and its refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from motioncast.data.face_set_writer import FaceSetWriter
from motioncast.data.found_faces import FoundFaces
from motioncast.models.checkpoint import load_motion_transfer, save_motion_transfer
from motioncast.models.configurations import LITE64
from motioncast.models.face.keypoints import ANCHORED
from motioncast.models.motion_transfer import MotionTransfer
from motioncast.train.face import main

SIDE = 128


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set of two people with blank pictures."""
    folder = tmp_path_factory.mktemp("sets") / "people"
    random = np.random.default_rng(0)
    with FaceSetWriter(folder, SIDE) as writer:
        for person in ("anna", "ben"):
            frames = random.integers(0, 255, (3, SIDE, SIDE, 3), dtype=np.uint8)
            points = random.uniform(-0.5, 0.5, (3, ANCHORED, 2)).astype(np.float32)
            writer.write(person, person, [FoundFaces(frames, points, np.ones(3, bool))])
    return folder


def test_a_training_goes_on_where_it_stopped(
    faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--config", "face128", "--set", str(faces), "1", "--batch-size", "1"]
    arguments += ["--out", str(tmp_path / "run"), "--threads", "1", "--seed", "3"]
    main([*arguments, "--steps", "1"])
    assert "resuming" not in capsys.readouterr().out
    main([*arguments, "--steps", "2"])
    assert "at step 1" in capsys.readouterr().out
    assert load_motion_transfer(tmp_path / "run" / "model.pt").configuration.name == "face128"


def test_refusals_are_sentences(
    faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)
    lite = tmp_path / "lite64.pt"
    save_motion_transfer(MotionTransfer(LITE64), lite)
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "training.pt").write_bytes(b"no checkpoint")
    run = ["--config", "face128", "--steps", "1", "--out", str(tmp_path / "run")]
    drawn = ["--set", str(faces), "1"]

    def refusal(*arguments: str) -> str:
        with pytest.raises(SystemExit) as end:
            main(list(arguments))
        assert end.value.code == 2
        return capsys.readouterr().err.splitlines()[-1]

    assert "nowhere: is not a face set" in refusal(*run, "--set", "nowhere", "1")
    assert "the share is much" in refusal(*run, "--set", str(faces), "much")
    assert "the share is -1" in refusal(*run, "--set", str(faces), "-1")
    assert "--without: no set contains chris" in refusal(
        *run, *drawn, "--without", "anna", "--without", "chris"
    )
    assert "no person with at least two frames is left" in refusal(
        *run, *drawn, "--without", "anna", "--without", "ben"
    )
    assert "'lite64' is not one of" in refusal(*run[2:], *drawn, "--config", "lite64")
    assert "--minutes and --steps: expected one" in refusal(*run[:2], *run[4:], *drawn)
    assert "learning_rate is -1.0 (expected" in refusal(*run, *drawn, "--learning-rate", "-1")
    assert "'--expressive'" in refusal(*run, *drawn, "--expressive", "2")
    assert "'--first'" in refusal(*run, *drawn, "--first", "-1")
    assert "none.pt: no such checkpoint" in refusal(*run, *drawn, "--from", "none.pt")
    assert "contains lite64, not face networks" in refusal(*run, *drawn, "--from", str(lite))
    assert "--adversarial: needs trained networks" in refusal(*run, *drawn, "--adversarial")
    assert "nowhere is not a folder" in refusal(*run, *drawn, "--rooms", "nowhere")
    assert "cannot be resumed" in refusal(*run[:4], *drawn, "--out", str(broken))
