"""Training logs, log.jsonl and TensorBoard, across interruptions."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.two_processes import TINY
from tensorboard.backend.event_processing.event_accumulator import (
    EventAccumulator,
)
from torch.testing import assert_close

from motioncast.data.clip_cache import ClipCache
from motioncast.data.pairs import PairSampler, Pool
from motioncast.models.predictors.recurrent import PredictorSizes
from motioncast.train.journal import Journal
from motioncast.train.predictor import train as train_predictor
from motioncast.train.predictor_loss import LossWeights
from motioncast.train.predictor_training import PredictorTraining
from motioncast.train.preview import Preview, held_out_pairs
from motioncast.train.settings import Schedule, TrainingSettings
from motioncast.train.synthesis import new_training, train


def board(folder: Path) -> EventAccumulator:
    events = EventAccumulator(str(folder / "tensorboard"))
    return events.Reload()


def scalars(folder: Path, name: str) -> list[tuple[int, float]]:
    events: list[Any] = board(folder).Scalars(name)
    return [(event.step, event.value) for event in events]


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def walks() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [0.02 * torch.randn(30, 2, 3, generator=generator).cumsum(dim=0) for _ in range(3)]


def predictor(steps: int) -> PredictorTraining:
    schedule = Schedule(steps=steps, batch=2, window_frames=8, validate_every_steps=2)
    sizes = PredictorSizes(keypoints=2, hidden=4, latent=2, features=4)
    return PredictorTraining("vrnn", sizes, walks(), schedule, LossWeights())


def test_steps_past_the_checkpoint_are_taken_back(tmp_path: Path) -> None:
    with Journal(tmp_path, step=0) as journal:
        for step in (1, 2, 3):
            journal.figures(step, {"loss": float(step)}, {"loss/total": float(step)})
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"step": 4, "lo')  # a power failure
    (events,) = (tmp_path / "tensorboard").iterdir()
    events.rename(events.with_name("events.out.tfevents.1000000000.earlier"))  # whole seconds
    with Journal(tmp_path, step=2) as journal:  # step 3 is after the checkpoint
        journal.figures(3, {"loss": 30.0}, {"loss/total": 30.0})
    assert lines(tmp_path) == [{"step": s, "loss": v} for s, v in ((1, 1), (2, 2), (3, 30))]
    assert scalars(tmp_path, "loss/total") == [(1, 1.0), (2, 2.0), (3, 30.0)]


def test_a_process_that_does_not_lead_writes_nothing(tmp_path: Path) -> None:
    with Journal(tmp_path / "out", step=0, writes=False) as journal:
        journal.figures(1, {}, {"loss": 1.0})
        journal.image(1, "image", torch.zeros(3, 2, 2))
    assert not (tmp_path / "out").exists()


def test_a_broken_and_resumed_predictor_training_tells_the_story_of_an_unbroken_one(
    tmp_path: Path,
) -> None:
    train_predictor(predictor(6), walks(), tmp_path / "unbroken")
    broken = predictor(6)
    with pytest.raises(KeyboardInterrupt):
        train_predictor(interrupted(broken, after=5), walks(), tmp_path / "broken")
    train_predictor(predictor(6), walks(), tmp_path / "broken")

    assert lines(tmp_path / "broken") == lines(tmp_path / "unbroken")
    told = scalars(tmp_path / "broken", "validation/error_over_hold")
    assert [step for step, _ in told] == [2, 4, 6]
    for name in ("loss/loss", "loss/forecast", "loss/kl", "loss/log_likelihood", "learning_rate"):
        assert scalars(tmp_path / "broken", name) == scalars(tmp_path / "unbroken", name)
    first, second = (
        torch.load(tmp_path / run / "last.pt", weights_only=True) for run in ("unbroken", "broken")
    )
    assert_close(first["model"], second["model"], atol=0, rtol=0)


class interrupted(PredictorTraining):  # noqa: N801 - reads as an adjective
    """A training that is interrupted by Ctrl-C after some steps."""

    def __init__(self, training: PredictorTraining, after: int) -> None:
        self.__dict__ = training.__dict__
        self.after = after

    def advance(self) -> dict[str, float]:
        if self.step == self.after:
            raise KeyboardInterrupt
        return super().advance()


def test_tensorboard_shows_every_loss_and_the_networks_images(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 255, (8, 32, 32, 3), dtype=np.uint8)
    cache = ClipCache(("a", "b"), (0, 4, 8), frames)
    settings = TrainingSettings(steps=2, batch_size=2, freeze_detector=1.0)
    sampler = PairSampler([Pool(cache, [0])], batch_size=2, seed=0)
    train(new_training(TINY, settings), sampler, tmp_path, 1, held_out_pairs(cache, [1]))
    for name in ("pixels", "gradient", "warped", "equivariance", "separation", "coverage"):
        assert [step for step, _ in scalars(tmp_path, f"loss/{name}")] == [1, 2]
    assert [step for step, _ in scalars(tmp_path, "validation/l1")] == [2]
    (image,) = board(tmp_path).Images("source driving output warped")
    assert (image.step, image.width, image.height) == (2, 4 * 32, 6 * 32)


def test_a_preview_s_picture_has_a_row_per_pair_and_its_error_is_the_mean_absolute_one() -> None:
    levels = [torch.full((2, 3, 4, 4), level) for level in (0.1, 0.5, 0.25, 0.4)]
    seen = Preview(*levels)
    picture = seen.picture()
    assert picture.shape == (3, 8, 16)
    assert_close(picture[0, 0, ::4], torch.tensor([0.1, 0.5, 0.25, 0.4]))
    assert seen.error() == pytest.approx(0.25)
