"""Training the predictors: masks, losses, resuming, and that they learn."""

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from motioncast.models.predictors.checkpoint import load_predictor
from motioncast.models.predictors.recurrent import PredictorSizes
from motioncast.train.predictor import train
from motioncast.train.predictor_loss import LossWeights
from motioncast.train.predictor_training import PredictorTraining
from motioncast.train.settings import Schedule

SIZES = PredictorSizes(keypoints=2, hidden=32, latent=4, features=32)

# x_t = 2 rho cos(w) x_{t-1} - rho^2 x_{t-2} + noise: damped oscillator, period 16 frames
DAMPING, TURN, NOISE = 0.97, 2 * math.pi / 16, 0.01
RECURRENCE = (2 * DAMPING * math.cos(TURN), -(DAMPING**2))
REST = torch.tensor([0.0, 0.0, 0.5])


def oscillators(clips: int, frames: int, seed: int) -> list[Tensor]:
    """Returns clips (T, 2, 3) whose coordinates oscillate independently around their rest."""
    noise = NOISE * torch.randn(
        clips, frames + 100, 2, 3, generator=torch.Generator().manual_seed(seed)
    )
    steps = [noise[:, 0], noise[:, 1]]
    for t in range(2, noise.shape[1]):
        steps.append(RECURRENCE[0] * steps[-1] + RECURRENCE[1] * steps[-2] + noise[:, t])
    return list(torch.stack(steps[100:], dim=1) + REST)


def training(kind: str, schedule: Schedule) -> PredictorTraining:
    return PredictorTraining(kind, SIZES, oscillators(64, 64, seed=0), schedule, LossWeights())


@pytest.mark.parametrize("kind", ["vrnn", "gru", "rnn"])
def test_a_resumed_training_ends_bit_for_bit_where_an_unbroken_one_does(
    kind: str, tmp_path: Path
) -> None:
    schedule = Schedule(steps=6, batch=4, window_frames=12)
    unbroken, first, second = (training(kind, schedule) for _ in range(3))
    for _ in range(6):
        unbroken.advance()
    for _ in range(3):
        first.advance()
    first.save(tmp_path / "last.pt")
    second.resume(tmp_path / "last.pt")
    for _ in range(3):
        second.advance()
    for expected, resumed in ((unbroken.model, second.model), (unbroken.average, second.average)):
        assert_close(resumed.state_dict(), expected.state_dict(), atol=0, rtol=0)


def test_training_leaves_a_predictor_and_a_second_call_has_nothing_left_to_do(
    tmp_path: Path,
) -> None:
    schedule = Schedule(steps=4, batch=4, window_frames=12, validate_every_steps=2)
    validation = oscillators(2, 40, seed=1)
    best = train(training("gru", schedule), validation, tmp_path)
    written = (tmp_path / "predictor.pt").read_bytes()
    assert train(training("gru", schedule), validation, tmp_path) == best
    assert (tmp_path / "predictor.pt").read_bytes() == written
    assert load_predictor(tmp_path / "predictor.pt").sizes == SIZES
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 2
