"""Training of keypoint detector and synthesis network from unlabelled video.

    python -m motioncast.train.synthesis --config lite128 --data videos/train --out runs/lite128

The source frame and the keypoints of source and driving frame give the driving frame back. Once
`--freeze-detector` of the training is over, the detector stays as it is (a predictor can be
trained on its keypoints from then on) and only the synthesis network goes on. Started again on the
same folder, a training resumes where its last checkpoint was written.
"""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

import torch
from tqdm import tqdm

from motioncast.data.clip_cache import DEFAULT_CACHE, open_cache, split_validation
from motioncast.data.pairs import Augmentation, PairSampler
from motioncast.models.checkpoint import save_motion_transfer
from motioncast.models.configurations import CONFIGURATIONS, Configuration, configuration
from motioncast.models.motion_transfer import MotionTransfer
from motioncast.train.adversarial import AdversarialTraining
from motioncast.train.reconstruction import ReconstructionTraining
from motioncast.train.settings import AdversarialSettings, TrainingSettings
from motioncast.train.state import SynthesisTraining

MONKEY_NET_AUGMENTATION = Augmentation(zoom=0.0, colour=0.0, brightness=0.0)


def train(
    training: SynthesisTraining, sampler: PairSampler, out: Path, report_every: int = 50
) -> None:
    """Trains to the end of the settings, writing `out`/training.pt, model.pt and log.jsonl."""
    out.mkdir(parents=True, exist_ok=True)
    saved = time.monotonic()
    recent: list[dict[str, float]] = []
    bar = tqdm(desc="synthesis", unit="step", initial=training.step, mininterval=10)
    while training.progress() < 1:
        was_frozen = training.frozen
        recent.append(training.learn(sampler.batch(training.step)))
        bar.update()
        if training.frozen and not was_frozen:
            _save_all(training, out)
            save_motion_transfer(training.average, out / "detector_frozen.pt")
        if training.step % report_every == 0:
            means = {
                name: round(mean(terms[name] for terms in recent if name in terms), 5)
                for name in recent[-1]
            }
            _log(out / "log.jsonl", training, means)
            bar.set_postfix(means)
            recent.clear()
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
    parser.add_argument("--batch-size", type=int, help="default: 16 for lite128, 32 for paper64")
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--freeze-detector", type=float, help="share of the training, 0 to 1")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args(arguments)

    torch.set_num_threads(options.threads)
    chosen = configuration(options.config)
    wanted = ("steps", "minutes", "batch_size", "learning_rate", "freeze_detector", "seed")
    given = {name: getattr(options, name) for name in wanted}
    training = new_training(
        chosen, {name: value for name, value in given.items() if value is not None}
    )
    cache = open_cache(
        options.data,
        chosen.image_size,
        options.cache,
        damaged="skip" if options.skip_damaged else "refuse",
    )
    for name in cache.skipped:
        print(f"left out, damaged: {name}")
    checkpoint = options.out / "training.pt"
    if checkpoint.is_file():
        training.resume(checkpoint)
        print(f"resuming {checkpoint} at step {training.step}")
    settings = training.settings
    clips, _ = split_validation(cache)
    lite = chosen.architecture == "lite"
    augmentation = Augmentation() if lite else MONKEY_NET_AUGMENTATION
    sampler = PairSampler(cache, clips, settings.batch_size, settings.seed, augmentation)
    train(training, sampler, options.out)


def new_training(chosen: Configuration, given: dict[str, Any]) -> SynthesisTraining:
    """Returns an untrained network in the training of its architecture, with the given settings."""
    torch.manual_seed(given.get("seed", 0))
    model = MotionTransfer(chosen)
    if chosen.architecture == "lite":
        return ReconstructionTraining(model, replace(TrainingSettings(), **given))
    return AdversarialTraining(model, replace(AdversarialSettings(), **given))


if __name__ == "__main__":
    main()
