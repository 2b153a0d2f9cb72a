"""`motioncast train personal`: from a video file to a model that `motioncast stream` can use."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from support.command_line import Run
from support.random_networks import random_motion_transfer, random_vrnn

from motioncast.client.video import write_video
from motioncast.inference.repository import ENVIRONMENT_VARIABLE, shipped_repository
from motioncast.models.checkpoint import save_motion_transfer
from motioncast.models.configurations import LITE64
from motioncast.models.predictors.checkpoint import save_predictor
from motioncast.models.predictors.recurrent import PredictorSizes


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """A video of 70 frames, 96 x 72 pixels: a disc oscillates in front of a ramp."""
    path = tmp_path / "ada.mp4"
    y, x = np.mgrid[:72, :96]
    with write_video(path, 25, lossless=True) as writer:
        for t in range(70):
            disc = (x - 48 - 12 * np.sin(t / 5)) ** 2 + (y - 36) ** 2 < 150
            frame = np.stack([60 + x, 200 * disc, 80 + y], axis=-1)
            writer.write(frame.astype(np.uint8))
    return path


@pytest.fixture
def start(tmp_path: Path) -> list[object]:
    """Options that name small untrained checkpoints to start from."""
    networks, predictor = tmp_path / "networks.pt", tmp_path / "predictor.pt"
    save_motion_transfer(random_motion_transfer(LITE64), networks)
    sizes = PredictorSizes(keypoints=LITE64.keypoints, hidden=8, latent=2, features=8)
    save_predictor(random_vrnn(sizes), predictor)
    return ["--from", networks, "--predictor", predictor, "--cache", tmp_path / "cache"]


def test_a_model_is_trained_named_and_streamed_through(
    run: Run, video: Path, start: list[object], tmp_path: Path
) -> None:
    models = tmp_path / "models"
    train = ["train", "personal", video, "--out", tmp_path / "ada", "--steps", 1]
    trained = run(*train, "--repository", models, *start)
    assert trained.code == 0, trained.err
    assert "ada.mp4: 58 frames to train on, 12 held out" in trained.out
    assert f"motioncast stream VIDEO --model ada --models {models} --out FOLDER" in trained.out
    written = {path.name for path in models.iterdir()}
    assert written >= {"ada_keypoint", "ada_predictor", "ada_synthesis", "ada_motion_transfer"}

    stream = ["stream", video, "--models", models, "--limit", 4, "--out", tmp_path / "out"]
    assert run(*stream, "--model", "ada").code == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert report["configuration"]["model"] == "ada"
    assert report["configuration"]["height"] == LITE64.image_size

    unknown = run(*stream, "--model", "bob", "--force")
    assert (unknown.code, unknown.err.splitlines()[-1]) == (
        1,
        "motioncast: model: 'bob' is not served (expected one of ada)",
    )
    again = run(*train, "--repository", models, *start)
    assert again.code == 1
    assert "has a model ada_keypoint (choose another name, or --replace it)" in again.err


def test_a_framed_model_can_be_streamed_from_a_repository_of_its_own(
    run: Run,
    video: Path,
    start: list[object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(shipped_repository()))
    models = tmp_path / "models"
    train = ["train", "personal", video, "--out", tmp_path / "ada", "--steps", 1]
    trained = run(*train, "--frame", "fixed", "--repository", models, *start)
    assert trained.code == 0, trained.err
    stream = ["stream", video, "--models", models, "--limit", 4, "--out", tmp_path / "out"]
    streamed = run(*stream, "--model", "ada")
    assert streamed.code == 0, streamed.err
    report = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert report["configuration"]["frame"] == "fixed"


def test_a_folder_of_another_training_is_refused(
    run: Run, video: Path, start: list[object], tmp_path: Path
) -> None:
    out = tmp_path / "run"
    out.mkdir()
    (out / "personal.json").write_text('{"videos": "others"}')
    command = ["train", "personal", video, "--name", "ada", "--out", out, *start]
    result = run(*command, "--repository", tmp_path / "models")
    assert result.code == 1
    assert f"{out}: contains a training on other videos" in result.err
    assert not (tmp_path / "models").exists()


def test_what_cannot_be_read_is_one_sentence(run: Run, start: list[object], tmp_path: Path) -> None:
    command = ["train", "personal", tmp_path / "none.mp4", "--name", "ada", "--out", tmp_path]
    result = run(*command, "--repository", tmp_path, *start)
    assert (result.code, result.out) == (1, "")
    assert result.err == f"motioncast train personal: {tmp_path / 'none.mp4'}: no such video\n"
