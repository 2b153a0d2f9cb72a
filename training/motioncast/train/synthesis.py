"""Training of keypoint detector and synthesis network from unlabelled video.

    python -m motioncast.train.synthesis --config lite128 --data videos/train --out runs/lite128

The source frame and the keypoints of source and driving frame give the driving frame back. Once
`--freeze-detector` of the training is over, the detector stays as it is (a predictor can be
trained on its keypoints from then on) and only the synthesis network goes on. Started again on the
same folder, a training resumes where its last checkpoint was written.
"""

import argparse
import copy
import json
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from motioncast.data.clip_cache import DEFAULT_CACHE, open_cache, split_validation
from motioncast.data.pairs import Batch, PairSampler, random_affine, transform
from motioncast.models import losses
from motioncast.models.checkpoint import save_motion_transfer
from motioncast.models.configurations import CONFIGURATIONS, configuration
from motioncast.models.geometry import gaussians, pixel_centres
from motioncast.models.motion_transfer import MotionTransfer


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """How the lite networks are trained; the end is given in steps, or in minutes of training."""

    steps: int | None = None
    minutes: float | None = None
    batch_size: int = 16
    learning_rate: float = 1e-3
    final_learning_rate: float = 2e-5
    warmup_steps: int = 100
    freeze_detector: float = 0.4  # share of the training after which the detector is fixed
    motion_emphasis: float = 6.0  # weight of moving pixels, still ones having 1
    pixel_weight: float = 10.0
    gradient_weight: float = 10.0
    warped_weight: float = 2.0  # L1 of the deformed source: it teaches the flow
    equivariance_weight: float = 1.0
    separation_weight: float = 1.0
    coverage_weight: float = 0.1
    average_decay: float = 0.999
    seed: int = 0
    bfloat16: bool = True
    checkpoint_seconds: float = 180.0


class SynthesisTraining:
    """The state of one training: networks, their running average, optimiser, step and clock."""

    def __init__(self, model: MotionTransfer, settings: TrainingSettings) -> None:
        if (settings.steps is None) == (settings.minutes is None):
            raise ValueError("training: give its length either in steps or in minutes")
        self.settings = settings
        self.model = _channels_last_weights(model)
        self.average = copy.deepcopy(model).eval().requires_grad_(False)
        self.optimiser = torch.optim.Adam(model.parameters(), betas=(0.5, 0.999))
        self.step = 0
        self.seconds = 0.0
        self.frozen = False

    def progress(self) -> float:
        """Returns the share of the training that is over, 1 or more when it is done."""
        if self.settings.steps is not None:
            return self.step / self.settings.steps
        assert self.settings.minutes is not None
        return self.seconds / (60 * self.settings.minutes)

    def learn(self, batch: Batch) -> dict[str, float]:
        """Takes one optimiser step and returns the loss terms."""
        began = time.monotonic()
        if not self.frozen and self.progress() >= self.settings.freeze_detector:
            self.freeze_detector()
        for group in self.optimiser.param_groups:
            group["lr"] = self._learning_rate()
        terms = self._losses(batch)
        total = torch.stack(list(terms.values())).sum()
        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(total)
        torch.nn.utils.clip_grad_norm_(self._trained_parameters(), 10.0)
        self.optimiser.step()
        self.step += 1
        self._update_average()
        self.seconds += time.monotonic() - began
        return {name: term.item() for name, term in terms.items()}

    def freeze_detector(self) -> None:
        """Fixes the detector at its running average."""
        self.frozen = True
        self.model.detector.load_state_dict(self.average.detector.state_dict())
        self.model.detector.requires_grad_(False)
        self.model.detector.eval()

    def save(self, path: Path) -> None:
        """Writes everything that resuming needs, all or nothing."""
        state = {
            "configuration": self.model.configuration.name,
            "settings": asdict(self.settings),
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "frozen": self.frozen,
        }
        unfinished = path.with_name(path.name + ".part")
        torch.save(state, unfinished)
        unfinished.replace(path)

    def resume(self, path: Path) -> None:
        """Continues where `save` was called; the settings are those given now."""
        state = torch.load(path, map_location="cpu", weights_only=True)
        if state["configuration"] != self.model.configuration.name:
            raise ValueError(
                f"{path}: is a training of {state['configuration']}, "
                f"not of {self.model.configuration.name}"
            )
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.seconds = state["step"], state["seconds"]
        if state["frozen"]:
            self.freeze_detector()

    def _losses(self, batch: Batch) -> dict[str, Tensor]:
        settings = self.settings
        source, driving = (_channels_last(frames) for frames in (batch.source, batch.driving))
        weights = losses.motion_weights(driving, batch.neighbour, settings.motion_emphasis)
        terms: dict[str, Tensor] = {}
        with torch.autocast("cpu", torch.bfloat16, enabled=settings.bfloat16):
            if self.frozen:
                with torch.no_grad():
                    keypoints = self.model.detect(torch.cat([source, driving]))
            else:
                keypoints = self._detect_with_losses(source, driving, weights, terms)
            of_source, of_driving = keypoints.chunk(2)
            synthesis = self.model.synthesis
            output = synthesis.decode(synthesis.encode(source), of_source, of_driving.unsqueeze(1))
        image, warped = output.image.float(), output.warped.float()
        terms["pixels"] = settings.pixel_weight * losses.weighted_l1(image, driving, weights)
        terms["gradient"] = settings.gradient_weight * losses.gradient_l1(image, driving)
        terms["warped"] = settings.warped_weight * losses.weighted_l1(warped, driving, weights)
        return terms

    def _detect_with_losses(
        self, source: Tensor, driving: Tensor, weights: Tensor, terms: dict[str, Tensor]
    ) -> Tensor:
        """Returns the keypoints of source and driving frames (2 B, K, 3) and adds their losses."""
        settings = self.settings
        random = np.random.default_rng([settings.seed, self.step, 1])
        affine = random_affine(len(driving), random)
        moved = _channels_last(transform(driving, affine))
        of_source, found, again = self.model.detect(torch.cat([source, driving, moved])).chunk(3)
        terms["equivariance"] = settings.equivariance_weight * losses.equivariance(
            found.detach(), again, affine
        )
        terms["separation"] = settings.separation_weight * losses.separation(found)
        configuration = self.model.configuration
        centres = pixel_centres(configuration.image_size // 4)
        heatmaps = gaussians(found, centres, configuration.gaussian_variance)
        terms["coverage"] = settings.coverage_weight * losses.coverage(heatmaps, weights)
        return torch.cat([of_source, found])

    def _learning_rate(self) -> float:
        settings = self.settings
        cosine = 0.5 * (1 + math.cos(math.pi * min(self.progress(), 1.0)))
        span = settings.learning_rate - settings.final_learning_rate
        warmup = min(1.0, (self.step + 1) / settings.warmup_steps)
        return warmup * (settings.final_learning_rate + span * cosine)

    def _trained_parameters(self) -> list[Tensor]:
        return [parameter for parameter in self.model.parameters() if parameter.requires_grad]

    def _update_average(self) -> None:
        decay = min(self.settings.average_decay, (1 + self.step) / (10 + self.step))
        averaged = dict(self.average.named_parameters())
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                if parameter.requires_grad:
                    averaged[name].lerp_(parameter, 1 - decay)
            for mine, current in zip(self.average.buffers(), self.model.buffers(), strict=True):
                mine.copy_(current)


def _channels_last_weights(model: MotionTransfer) -> MotionTransfer:
    """Lays the weights out as bfloat16 convolutions on the CPU want them; the values stay."""
    for layer in model.modules():
        if isinstance(layer, torch.nn.Conv2d):
            layer.weight.data = layer.weight.data.contiguous(memory_format=torch.channels_last)
    return model


def _channels_last(images: Tensor) -> Tensor:
    return images.contiguous(memory_format=torch.channels_last)


def train(
    training: SynthesisTraining, sampler: PairSampler, out: Path, report_every: int = 50
) -> None:
    """Trains to the end of the settings, writing `out`/training.pt, model.pt and log.jsonl."""
    out.mkdir(parents=True, exist_ok=True)
    saved = time.monotonic()
    sums: dict[str, float] = {}
    training.model.train()
    bar = tqdm(desc="synthesis", unit="step", initial=training.step, mininterval=10)
    while training.progress() < 1:
        was_frozen = training.frozen
        for name, value in training.learn(sampler.batch(training.step)).items():
            sums[name] = sums.get(name, 0.0) + value
        bar.update()
        if training.frozen and not was_frozen:
            save_motion_transfer(training.average, out / "detector_frozen.pt")
        if training.step % report_every == 0:
            means = {name: round(total / report_every, 5) for name, total in sums.items()}
            sums = {}
            _log(out / "log.jsonl", training, means)
            bar.set_postfix(means)
        if time.monotonic() - saved > training.settings.checkpoint_seconds:
            _save_all(training, out)
            saved = time.monotonic()
    bar.close()
    _save_all(training, out)


def _save_all(training: SynthesisTraining, out: Path) -> None:
    training.save(out / "training.pt")
    save_motion_transfer(training.average, out / "model.pt")


def _log(path: Path, training: SynthesisTraining, means: dict[str, float]) -> None:
    line = {"step": training.step, "minutes": round(training.seconds / 60, 2), **means}
    with path.open("a") as file:
        file.write(json.dumps(line) + "\n")


def main(arguments: Sequence[str] | None = None) -> None:
    """Parses the command line and trains."""
    parser = argparse.ArgumentParser(description="Train keypoint detector and synthesis network.")
    parser.add_argument("--config", choices=sorted(CONFIGURATIONS), default="lite128")
    parser.add_argument("--data", type=Path, required=True, help="folder with one video per clip")
    parser.add_argument("--out", type=Path, required=True, help="checkpoints and log; resumed")
    parser.add_argument("--cache", type=Path, default=DEFAULT_CACHE, help="decoded clips")
    parser.add_argument("--skip-damaged", action="store_true", help="leave damaged files out")
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--steps", type=int)
    length.add_argument("--minutes", type=float)
    defaults = TrainingSettings(steps=1)
    parser.add_argument("--batch-size", type=int, default=defaults.batch_size)
    parser.add_argument("--learning-rate", type=float, default=defaults.learning_rate)
    parser.add_argument("--freeze-detector", type=float, default=defaults.freeze_detector)
    parser.add_argument("--seed", type=int, default=defaults.seed)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--float32", action="store_true", help="no bfloat16 autocast")
    options = parser.parse_args(arguments)

    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    settings = replace(
        defaults,
        steps=options.steps,
        minutes=options.minutes,
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        freeze_detector=options.freeze_detector,
        seed=options.seed,
        bfloat16=not options.float32,
    )
    chosen = configuration(options.config)
    cache = open_cache(
        options.data,
        chosen.image_size,
        options.cache,
        damaged="skip" if options.skip_damaged else "refuse",
    )
    for name in cache.skipped:
        print(f"left out, damaged: {name}")
    clips, _ = split_validation(cache)
    training = SynthesisTraining(MotionTransfer(chosen), settings)
    checkpoint = options.out / "training.pt"
    if checkpoint.is_file():
        training.resume(checkpoint)
        print(f"resuming {checkpoint} at step {training.step}")
    sampler = PairSampler(cache, clips, settings.batch_size, settings.seed)
    train(training, sampler, options.out)


if __name__ == "__main__":
    main()
