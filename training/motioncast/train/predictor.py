"""Trains a keypoint predictor on the tracks of the frozen detector.

    python -m motioncast.train.predictor --config lite128 --predictor vrnn|gru|rnn
        --data TRACKS.npz --out FOLDER

The folder gets `log.jsonl`, `last.pt` (from which a second call goes on, bit for bit) and
`predictor.pt`: the averaged weights that forecast the validation clips best.
"""

import argparse
import json
import math
import os
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from motioncast.data.keypoints import every_window, load_tracks, motion_statistics, random_windows
from motioncast.evaluate.forecast import Setting, forecast_error
from motioncast.models.checkpoint_predictor import PREDICTORS, build_predictor, save_predictor
from motioncast.models.predictor import PREDICTOR_SIZES, PredictorSizes, RecurrentPredictor
from motioncast.models.predictors import free_running, hold
from motioncast.train.predictor_loss import LossWeights, predictor_loss, random_patterns


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how fast a predictor is trained."""

    steps: int = 3000
    batch: int = 64
    window_frames: int = 32
    learning_rate: float = 3e-3  # falls to zero along a cosine
    warmup_steps: int = 100
    weight_decay: float = 1e-2
    clip_norm: float = 1.0
    average_decay: float = 0.995  # of the exponential moving average of the weights
    validate_every_steps: int = 250
    seed: int = 0


class PredictorTraining:
    """The state of one training: everything that a checkpoint holds."""

    def __init__(
        self,
        kind: str,
        sizes: PredictorSizes,
        clips: Sequence[Tensor],
        schedule: Schedule,
        weights: LossWeights,
    ) -> None:
        torch.manual_seed(schedule.seed)
        self.schedule = schedule
        self.weights = weights
        self.clips = clips
        statistics = motion_statistics(clips)
        self.model = build_predictor(kind, sizes, statistics)
        self.average = deepcopy(self.model).eval()
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(),
            lr=schedule.learning_rate,
            weight_decay=schedule.weight_decay,
        )
        self.step = 0

    def advance(self) -> float:
        """Takes one optimiser step and returns its loss.

        The random draws depend on the seed and the step alone, so a resumed training repeats them.
        """
        schedule = self.schedule
        generator = torch.Generator().manual_seed(schedule.seed * 1_000_003 + self.step)
        frames = schedule.window_frames
        keypoints = random_windows(self.clips, frames, schedule.batch, generator)
        observed = random_patterns(schedule.batch, frames, generator)
        shape = (schedule.batch, frames, self.model.sizes.latent)
        paths = (self.weights.best_of,) if self.weights.best_of > 1 else ()
        noise = torch.randn(*paths, *shape, generator=generator)
        draws = torch.rand(schedule.batch, frames, generator=generator)

        for group in self.optimizer.param_groups:
            group["lr"] = schedule.learning_rate * self._rate()
        progress = self.step / schedule.steps
        loss = predictor_loss(self.model, keypoints, observed, noise, self.weights, progress, draws)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), schedule.clip_norm)
        self.optimizer.step()
        self._average()
        self.step += 1
        return loss.item()

    def save(self, path: Path) -> None:
        """Writes all state, whole or not at all."""
        unfinished = path.with_name(f".{path.name}.unfinished")
        torch.save(
            {
                "step": self.step,
                "model": self.model.state_dict(),
                "average": self.average.state_dict(),
                "optimizer": self.optimizer.state_dict(),
            },
            unfinished,
        )
        os.replace(unfinished, path)

    def resume(self, path: Path) -> None:
        """Takes up the state that `save` wrote."""
        content = torch.load(path, weights_only=True)
        self.model.load_state_dict(content["model"])
        self.average.load_state_dict(content["average"])
        self.optimizer.load_state_dict(content["optimizer"])
        self.step = content["step"]

    def _rate(self) -> float:
        warmup = min(1.0, (self.step + 1) / self.schedule.warmup_steps)
        return warmup * 0.5 * (1 + math.cos(math.pi * self.step / self.schedule.steps))

    def _average(self) -> None:
        # A short memory at first, or the untrained weights would linger.
        decay = min(self.schedule.average_decay, (self.step + 1) / (self.step + 10))
        with torch.no_grad():
            for mean, value in zip(self.average.parameters(), self.model.parameters(), strict=True):
                mean.lerp_(value, 1 - decay)


def relative_error(model: RecurrentPredictor, windows: Tensor, setting: Setting) -> float:
    """Returns the free-running error over that of holding still, averaged over the horizons."""
    ratio = forecast_error(free_running(model), windows, setting) / forecast_error(
        hold, windows, setting
    )
    return float(ratio.mean())


def train(
    training: PredictorTraining,
    validation: Sequence[Tensor],
    out: Path,
    report: Callable[[str], None] = print,
) -> float:
    """Trains to the end of the schedule and returns the best relative error on validation clips."""
    setting = Setting(stride_frames=4)
    windows = every_window(
        validation, setting.observed_frames + setting.horizon_frames, setting.stride_frames
    )
    out.mkdir(parents=True, exist_ok=True)
    log, last = out / "log.jsonl", out / "last.pt"
    if last.exists():
        training.resume(last)
        report(f"resuming at step {training.step}")
    best = _best_logged(log, training.step)
    schedule = training.schedule
    losses: list[float] = []
    steps = tqdm(range(training.step, schedule.steps), desc="training", unit="step")
    for _ in steps:
        losses.append(training.advance())
        if training.step % schedule.validate_every_steps and training.step != schedule.steps:
            continue
        error = relative_error(training.average, windows, setting)
        if error < best:
            best = error
            save_predictor(training.average, out / "predictor.pt")
        entry = {
            "step": training.step,
            "loss": sum(losses) / len(losses),
            "validation_error_over_hold": error,
        }
        with log.open("a") as file:
            file.write(json.dumps(entry) + "\n")
        training.save(last)
        steps.set_postfix(loss=f"{entry['loss']:.4f}", validation=f"{error:.4f}")
        losses.clear()
    return best


def _best_logged(log: Path, step: int) -> float:
    if not log.exists():
        return math.inf
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    errors = [entry["validation_error_over_hold"] for entry in entries if entry["step"] <= step]
    return min(errors, default=math.inf)


def main(arguments: Sequence[str] | None = None) -> None:
    """Trains, or goes on training, one predictor."""
    parser = argparse.ArgumentParser(
        prog="python -m motioncast.train.predictor", description=__doc__
    )
    parser.add_argument("--config", choices=tuple(PREDICTOR_SIZES), default="lite128")
    parser.add_argument("--predictor", choices=tuple(PREDICTORS), default="vrnn")
    parser.add_argument("--data", type=Path, required=True, help="from motioncast.data.keypoints")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=Schedule().steps)
    parser.add_argument("--seed", type=int, default=Schedule().seed)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)

    torch.set_num_threads(options.threads)
    tracks = load_tracks(options.data)
    training = PredictorTraining(
        kind=options.predictor,
        sizes=PREDICTOR_SIZES[options.config],
        clips=tracks.subset("training"),
        schedule=Schedule(steps=options.steps, seed=options.seed),
        weights=LossWeights(),
    )
    best = train(training, tracks.subset("validation"), options.out)
    print(f"{options.out / 'predictor.pt'}: {best:.4f} of holding still, on validation clips")


if __name__ == "__main__":
    main()
