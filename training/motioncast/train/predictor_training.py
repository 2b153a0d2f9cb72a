"""The state of a predictor's training, and its steps on random windows of keypoint tracks.

The random draws of a step depend only on the seed and the step: a resumed training repeats them,
and several processes draw the same batch and take a part of it each.
"""

import math
import os
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path

import torch
from torch import Tensor

from motioncast.data.motion_statistics import motion_statistics
from motioncast.data.other_people import as_other_people
from motioncast.data.windows import random_windows
from motioncast.models.predictors.checkpoint import build_predictor
from motioncast.models.predictors.recurrent import PredictorSizes
from motioncast.train.parallel import ALONE, Processes
from motioncast.train.precision import Stepper
from motioncast.train.predictor_loss import LossWeights, loss_terms, random_patterns
from motioncast.train.settings import Schedule


class PredictorTraining:
    """The state of one training: everything that a checkpoint holds."""

    def __init__(
        self,
        kind: str,
        sizes: PredictorSizes,
        clips: Sequence[Tensor],
        schedule: Schedule,
        weights: LossWeights,
        processes: Processes = ALONE,
        people: Sequence[str] | None = None,
    ) -> None:
        torch.manual_seed(schedule.seed)
        self.schedule = schedule
        self.weights = weights
        self.clips = clips
        self.people = people if schedule.by_person else None
        self.processes = processes
        # Tenths of a pixel matter, and the networks are small: 16 bits only on request.
        precision = "float32" if schedule.precision == "auto" else schedule.precision
        self.stepper = Stepper(precision, processes, on_cpu="float32")
        self.statistics = motion_statistics(clips, sizes.components)
        self.model = build_predictor(kind, sizes, self.statistics).to(processes.device)
        self.average = deepcopy(self.model).eval()
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(),
            lr=schedule.learning_rate,
            weight_decay=schedule.weight_decay,
        )
        self.step = 0

    def advance(self) -> dict[str, float]:
        """Takes one optimiser step and returns its `loss` and the terms of it."""
        schedule, part = self.schedule, self.processes.part
        generator = torch.Generator().manual_seed(schedule.seed * 1_000_003 + self.step)
        batch, frames = schedule.batch, schedule.window_frames
        keypoints = random_windows(
            self.clips, frames, batch, generator, schedule.time_flip, self.people
        )
        observed = random_patterns(batch, frames, generator)
        noise = self._noise(generator)
        draws = torch.rand(batch, frames, generator=generator)
        if schedule.other_people > 0:
            unit = self.statistics.unit
            keypoints = as_other_people(
                keypoints, unit, schedule.other_people, generator, schedule.anchored
            )

        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate()
        with self.stepper.autocast():
            terms = loss_terms(
                self.model,
                part(keypoints),
                part(observed),
                part(noise, dim=noise.dim() - 3),
                self.weights,
                self.step / schedule.steps,
                part(draws),
            )
        self.stepper.minimise(
            terms.total, self.optimizer, list(self.model.parameters()), schedule.clip_norm
        )
        self._average()
        self.step += 1
        means = self.processes.mean(torch.stack([term.detach().float() for term in terms]))
        names = ("loss", *terms._fields[1:])
        return dict(zip(names, means.tolist(), strict=True))

    def learning_rate(self) -> float:
        """Returns the learning rate of the next step."""
        schedule = self.schedule
        warmup = min(1.0, (self.step + 1) / schedule.warmup_steps)
        cosine = 0.5 * (1 + math.cos(math.pi * self.step / schedule.steps))
        return schedule.learning_rate * (warmup * cosine)

    def save(self, path: Path) -> None:
        """Writes the whole state atomically."""
        unfinished = path.with_name(f".{path.name}.unfinished")
        torch.save(
            {
                "step": self.step,
                "model": self.model.state_dict(),
                "average": self.average.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "scaler": self.stepper.state(),
            },
            unfinished,
        )
        os.replace(unfinished, path)

    def resume(self, path: Path) -> None:
        """Loads the state written by `save`."""
        content = torch.load(path, map_location="cpu", weights_only=True)
        self.model.load_state_dict(content["model"])
        self.average.load_state_dict(content["average"])
        self.optimizer.load_state_dict(content["optimizer"])
        self.stepper.load_state(content.get("scaler", {}))
        self.step = content["step"]

    def _noise(self, generator: torch.Generator) -> Tensor:
        """Draws (B, T, Z) for one path, (S, B, T, Z) for the best of S."""
        shape = (self.schedule.batch, self.schedule.window_frames, self.model.sizes.latent)
        if self.weights.best_of == 1:
            return torch.randn(shape, generator=generator)
        return torch.randn(self.weights.best_of, *shape, generator=generator)

    def _average(self) -> None:
        # A short memory at first, otherwise the untrained weights would linger.
        decay = min(self.schedule.average_decay, (self.step + 1) / (self.step + 10))
        with torch.no_grad():
            for mean, value in zip(self.average.parameters(), self.model.parameters(), strict=True):
                mean.lerp_(value, 1 - decay)
