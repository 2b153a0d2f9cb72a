"""Training resumes from matching files; any others are refused with an error."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from motioncast.models.checkpoint import CheckpointError
from motioncast.models.configurations import LITE64, LITE128
from motioncast.models.motion_transfer import MotionTransfer
from motioncast.train.reconstruction import ReconstructionTraining
from motioncast.train.resuming import resume
from motioncast.train.settings import TrainingSettings


def training_of(network: MotionTransfer) -> ReconstructionTraining:
    return ReconstructionTraining(network, TrainingSettings(steps=1))


def test_a_training_goes_on_where_it_was_saved(tmp_path: Path) -> None:
    first, second = (training_of(MotionTransfer(LITE64)) for _ in range(2))
    first.step = 7
    first.save(tmp_path / "training.pt")
    resume(second, tmp_path / "training.pt")
    assert second.step == 7


def test_what_is_of_another_kind_is_refused_in_a_sentence(tmp_path: Path) -> None:
    training_of(MotionTransfer(LITE128)).save(tmp_path / "other.pt")
    torch.save({"weights": {}}, tmp_path / "foreign.pt")
    (tmp_path / "text.pt").write_text("no archive")
    reasons = {
        "other.pt": r"is a training of lite128, not lite64",
        "foreign.pt": r"'configuration' is missing",
        "text.pt": r".+",
    }
    for name, reason in reasons.items():
        with pytest.raises(CheckpointError, match=rf"{name}: cannot be resumed \({reason}\)$"):
            resume(training_of(MotionTransfer(LITE64)), tmp_path / name)
