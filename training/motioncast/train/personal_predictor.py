"""The predictor of one person: the best of four on the detector's keypoints in the held-out tails.

shipped      unchanged
adapted      with the positions and the speed of this person's keypoints; a network that forecasts
             in a motion basis keeps the basis its weights were trained with, and all with it
fine-tuned   adapted, then trained further
holding      adapted, and silenced: it repeats the frame before, so no result is worse than that
"""

from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from motioncast.data.keypoints import Tracks
from motioncast.data.own_videos import HELD_OUT_FRAMES, LEARNED_FRAMES
from motioncast.data.windows import every_window
from motioncast.metrics.forecast import Setting
from motioncast.models.predictors.checkpoint import kind_of, load_predictor
from motioncast.models.predictors.vrnn import VRNN
from motioncast.train.calibration import calibrate
from motioncast.train.predictor import relative_error, train
from motioncast.train.predictor_loss import LossWeights
from motioncast.train.predictor_training import PredictorTraining
from motioncast.train.settings import Schedule

SETTING = Setting(observed_frames=10, horizon_frames=HELD_OUT_FRAMES)
SCHEDULE = Schedule(
    steps=300,
    batch=32,
    window_frames=32,
    learning_rate=5e-4,
    warmup_steps=20,
    average_decay=0.98,
    validate_every_steps=50,
)
assert SCHEDULE.window_frames <= LEARNED_FRAMES


class Chosen(NamedTuple):
    """The predictor that forecasts the tails best, and the error of each candidate."""

    model: VRNN
    name: str
    errors: dict[str, float]  # relative to holding still, mean of horizons 1 to 12


def choose_predictor(
    shipped: VRNN, tracks: Tracks, out: Path, schedule: Schedule = SCHEDULE
) -> Chosen:
    """Fine-tunes in `out`, or continues there, and returns the best predictor, calibrated.

    tracks: from `OwnVideos.parts`; training and held-out parts alternate.
    """
    learned = [tracks.clip(index) for index in range(0, len(tracks.names), 2)]
    tails = [
        torch.cat([before[-SETTING.observed_frames :], tracks.clip(2 * index + 1)])
        for index, before in enumerate(learned)
    ]
    training = PredictorTraining(kind_of(shipped), shipped.sizes, learned, schedule, LossWeights())
    for model in (training.model, training.average):
        _take_weights(model, shipped)
    adapted = deepcopy(training.average)
    train(training, tails, out)
    candidates = {
        "shipped": shipped,
        "adapted": adapted,
        "fine-tuned": load_predictor(out / "predictor.pt"),
        "holding": holding(adapted),
    }
    windows = every_window(tails, SETTING.length, SETTING.stride_frames)
    errors = {
        name: relative_error(candidate, windows, SETTING) for name, candidate in candidates.items()
    }
    best = min(errors, key=errors.__getitem__)
    model = candidates[best]
    assert isinstance(model, VRNN)
    calibrate(model, tails)
    return Chosen(model, best, errors)


def holding(model: nn.Module) -> VRNN:
    """Returns a copy that forecasts no displacement at all."""
    still = deepcopy(model)
    assert isinstance(still, VRNN)
    still.silence()
    return still.eval()


def _take_weights(model: nn.Module, of: VRNN) -> None:
    """Copies the weights; the motion statistics, which are buffers, only with a basis."""
    if of.sizes.components:
        model.load_state_dict(of.state_dict())
        return
    weights: Sequence[tuple[str, Tensor]] = list(of.named_parameters())
    model.load_state_dict(dict(weights), strict=False)
