"""Trains keypoint detector and synthesis network from unlabelled video.

    python -m motioncast.train.synthesis --config lite64_grid --data videos/train --out runs/grid

The driving frame is reconstructed from the source frame and the keypoints of both. After the share
`freeze_detector` of the training, the detector is frozen (from then on a predictor can be trained
on its keypoints) and only the synthesis network continues. Run again on the same folder, it resumes
from the last checkpoint. Use torchrun for several GPUs.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean

import torch
from tqdm import tqdm

from motioncast.data.arguments import open_data
from motioncast.data.clip_cache import split_validation
from motioncast.data.command_line import Program, refusing
from motioncast.data.pairs import PairSampler, Pool
from motioncast.data.sources import DataSource, open_clips
from motioncast.models.checkpoint import CheckpointError, save_motion_transfer
from motioncast.models.configurations import Configuration
from motioncast.models.motion_transfer import MotionTransfer
from motioncast.train.adversarial import AdversarialTraining
from motioncast.train.adversarial_fine_tuning import AdversarialFineTuning
from motioncast.train.fields import ConfigurationError
from motioncast.train.journal import Journal
from motioncast.train.parallel import ALONE, Processes, joined
from motioncast.train.preview import held_out_pairs, preview
from motioncast.train.reconstruction import ReconstructionTraining
from motioncast.train.resuming import resume
from motioncast.train.settings import (
    AdversarialSettings,
    LiteAdversarialSettings,
    SynthesisSettings,
    TrainingSettings,
)
from motioncast.train.state import SynthesisTraining
from motioncast.train.synthesis_plan import Plan, SynthesisOptions, planned


def train(
    training: SynthesisTraining,
    sampler: PairSampler,
    out: Path,
    report_every: int = 50,
    held_out: PairSampler | None = None,
) -> None:
    """Trains for the duration given by the settings.

    Writes `out`/training.pt, model.pt, log.jsonl and tensorboard/; pairs of held-out frames are
    evaluated with every checkpoint.
    """
    leads = training.processes.leads
    recent: list[dict[str, float]] = []
    with (
        Journal(out, training.step, leads) as journal,
        tqdm(
            desc="synthesis",
            unit="step",
            initial=training.step,
            total=training.settings.steps,
            mininterval=10,
            disable=not leads,
        ) as bar,
    ):
        saved = time.monotonic()
        while training.progress() < 1:
            was_frozen = training.frozen
            recent.append(training.learn(sampler.batch(training.step)))
            bar.update()
            if training.step % report_every == 0:
                bar.set_postfix(_report(training, recent, journal))
                recent.clear()
            newly_frozen = training.frozen and not was_frozen
            if leads and newly_frozen:
                save_motion_transfer(training.average, out / "detector_frozen.pt")
            if newly_frozen or time.monotonic() - saved > training.settings.checkpoint_seconds:
                _checkpoint(training, out, journal, held_out)
                saved = time.monotonic()
        _checkpoint(training, out, journal, held_out)


def _report(
    training: SynthesisTraining, recent: Sequence[dict[str, float]], journal: Journal
) -> dict[str, float]:
    """Records the mean loss terms of the recent steps, and returns them."""
    means = {
        name: round(mean(terms[name] for terms in recent if name in terms), 5)
        for name in recent[-1]
    }
    rate = training.learning_rate()
    minutes = round(training.seconds / 60, 2)
    journal.figures(
        training.step,
        {"minutes": minutes, "learning_rate": rate, **means},
        {"learning_rate": rate, **{f"loss/{name}": value for name, value in means.items()}},
    )
    return means


def _checkpoint(
    training: SynthesisTraining, out: Path, journal: Journal, held_out: PairSampler | None
) -> None:
    if not training.processes.leads:
        return
    training.save(out / "training.pt")
    save_motion_transfer(training.average, out / "model.pt")
    if held_out is not None:
        seen = preview(training.average, held_out)
        journal.scalars(training.step, {"validation/l1": seen.error()})
        journal.image(training.step, "source driving output warped", seen.picture())


def run(options: SynthesisOptions, command: str) -> None:
    """Trains; raises Refusal for invalid options or input files."""
    torch.set_num_threads(options.threads)
    with refusing(ConfigurationError, CheckpointError, FileNotFoundError):
        plan = planned(options)
        with joined(options.device) as processes:
            _train(plan, options, processes)


def _train(plan: Plan, options: SynthesisOptions, processes: Processes) -> None:
    network = plan.chosen.network
    with processes.leader_first():
        cache = open_data(options, network.image_size)
    clips, held_out = split_validation(cache)

    def pool(folder: Path, share: float = 1.0) -> Pool:
        with processes.leader_first():
            more = open_clips(DataSource(folder), network.image_size, options.cache)
        return Pool(more, range(len(more)), share)

    pools = [Pool(cache, clips, plan.own_share), *(pool(*each) for each in plan.further)]
    rooms = None if options.rooms is None else pool(options.rooms)
    training = new_training(network, in_steps(plan.settings, len(clips)), processes, plan.start)
    settings, checkpoint = training.settings, options.out / "training.pt"
    if checkpoint.is_file():
        resume(training, checkpoint)
        if processes.leads:
            print(f"resuming {checkpoint} at step {training.step}")
    sampler = PairSampler(
        pools,
        settings.batch_size,
        settings.seed,
        plan.chosen.augmentation,
        processes.rank,
        processes.count,
        rooms,
    )
    watched = held_out_pairs(cache, held_out) if held_out else None
    train(training, sampler, options.out, held_out=watched)


def in_steps(settings: SynthesisSettings, clips: int) -> SynthesisSettings:
    """Converts a duration in epochs, of one sample per clip, to steps."""
    if settings.epochs is None:
        return settings
    steps = math.ceil(settings.epochs * clips / settings.batch_size)
    return replace(settings, steps=steps, epochs=None)


def new_training(
    network: Configuration,
    settings: SynthesisSettings,
    processes: Processes = ALONE,
    start: MotionTransfer | None = None,
) -> SynthesisTraining:
    """Returns the training for the settings, of untrained networks unless `start` is given."""
    torch.manual_seed(settings.seed)
    model = MotionTransfer(network) if start is None else start.requires_grad_(True)
    if isinstance(settings, AdversarialSettings):
        return AdversarialTraining(model, settings, processes)
    if isinstance(settings, LiteAdversarialSettings):
        return AdversarialFineTuning(model, settings, processes)
    assert isinstance(settings, TrainingSettings)
    return ReconstructionTraining(model, settings, processes)


main = Program("motioncast train synthesis", SynthesisOptions, run, __doc__, pairs=("also",))


if __name__ == "__main__":
    main()
