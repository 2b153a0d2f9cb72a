"""Trains keypoint predictors on the tracks of the frozen detector.

    python -m motioncast.train.predictor --config lite64_grid --data TRACKS.npz --out FOLDER
        [--predictor vrnn|gru|rnn|var] [--seed 0 | --seeds 0-4]

A training leaves `predictor.pt`, the averaged weights that forecast the validation clips best, with
a 90 % interval fitted to the same clips (calibration.py), `last.pt`, from which a second call goes
on bit for bit, `log.jsonl` and `tensorboard/`. With several seeds these lie in FOLDER/KIND_SEED/,
and the predictors as FOLDER/KIND_SEED.pt, where evaluation looks for them. The vector
autoregression has no seed: FOLDER/var.pt.
"""

import argparse
import math
import os
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean

import torch
from torch import Tensor
from tqdm import tqdm

from motioncast.data.keypoints import Tracks, TracksError, every_window, load_tracks
from motioncast.metrics.forecast import Setting, forecast_error
from motioncast.models.checkpoint import CheckpointError
from motioncast.models.predictors.checkpoint import load_predictor, save_predictor, save_var
from motioncast.models.predictors.gap_filling import free_running, hold
from motioncast.models.predictors.recurrent import RecurrentPredictor
from motioncast.models.predictors.registry import LEARNED, NETWORKS
from motioncast.train.arguments import DEFAULT_CONFIGURATION, add_training_arguments
from motioncast.train.calibration import calibrate
from motioncast.train.configuration import PredictorPlan, load_configuration, override_schedule
from motioncast.train.fields import ConfigurationError
from motioncast.train.journal import Journal, read_log
from motioncast.train.parallel import Processes, joined
from motioncast.train.predictor_training import PredictorTraining
from motioncast.train.resuming import resume
from motioncast.train.var import fit_var


def train(
    training: PredictorTraining,
    validation: Sequence[Tensor],
    out: Path,
    report: Callable[[str], None] = print,
) -> float:
    """Trains to the end of the schedule and returns the best relative error on validation clips.

    Without validation clips of 22 frames the last weights are kept, and the result is nan.
    """
    processes, schedule = training.processes, training.schedule
    last = out / "last.pt"
    if last.exists():
        resume(training, last)
        if processes.leads:
            report(f"resuming at step {training.step}")
    recent: list[dict[str, float]] = []
    with (
        Journal(out, training.step, processes.leads) as journal,
        tqdm(
            desc="training",
            unit="step",
            initial=training.step,
            total=schedule.steps,
            disable=not processes.leads,
        ) as bar,
    ):
        watch = _Validation(validation, journal, processes)
        while training.step < schedule.steps:
            recent.append(training.advance())
            bar.update()
            if training.step % schedule.validate_every_steps and training.step != schedule.steps:
                continue
            if processes.leads:
                means = {name: mean(terms[name] for terms in recent) for name in recent[0]}
                bar.set_postfix(watch.look(training, means, out))
                training.save(last)
            recent.clear()
    if processes.leads:
        _state_interval(out / "predictor.pt", validation)
    return watch.best


def _state_interval(path: Path, validation: Sequence[Tensor]) -> None:
    """Calibrates a predictor where it lies; without validation clips it states no interval."""
    model = load_predictor(path)
    if calibrate(model, validation):
        save_predictor(model, path)


class _Validation:
    """Watches the free-running forecast of validation clips and keeps the best predictor."""

    def __init__(self, clips: Sequence[Tensor], journal: Journal, processes: Processes) -> None:
        self.journal = journal
        self.setting = Setting(stride_frames=4)
        length = self.setting.observed_frames + self.setting.horizon_frames
        self.windows: Tensor | None = None
        self.best = math.nan
        if any(len(clip) >= length for clip in clips):
            windows = every_window(clips, length, self.setting.stride_frames)
            self.windows = windows.to(processes.device)
            logged = [entry["validation_error_over_hold"] for entry in read_log(journal.path)]
            self.best = min(logged, default=math.inf)

    def look(
        self, training: PredictorTraining, means: dict[str, float], out: Path
    ) -> dict[str, str]:
        """Notes the figures, keeps the predictor if none was better, and sums up for the bar."""
        figures = {**means, "learning_rate": training.learning_rate()}
        board = {f"loss/{name}": value for name, value in means.items()}
        board["learning_rate"] = figures["learning_rate"]
        shown = {"loss": f"{means['loss']:.4f}"}
        if self.windows is None:
            save_predictor(training.average, out / "predictor.pt")
        else:
            error = relative_error(training.average, self.windows, self.setting)
            if error < self.best:
                self.best = error
                save_predictor(training.average, out / "predictor.pt")
            figures["validation_error_over_hold"] = error
            board["validation/error_over_hold"] = error
            shown["validation"] = f"{error:.4f}"
        self.journal.figures(training.step, figures, board)
        return shown


def relative_error(model: RecurrentPredictor, windows: Tensor, setting: Setting) -> float:
    """Returns the free-running error over that of holding still, averaged over the horizons."""
    ratio = forecast_error(free_running(model), windows, setting) / forecast_error(
        hold, windows, setting
    )
    return float(ratio.mean())


def main(arguments: Sequence[str] | None = None) -> None:
    """Trains, or goes on training, one kind of predictor."""
    parser = argparse.ArgumentParser(
        prog="python -m motioncast.train.predictor",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_training_arguments(parser)
    parser.set_defaults(config=None)
    parser.add_argument("--predictor", choices=LEARNED, help="default: the configuration's")
    parser.add_argument("--data", type=Path, required=True, help="from motioncast.data.keypoints")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--batch-size", type=int, help="over all processes")
    parser.add_argument("--learning-rate", type=float)
    seeds = parser.add_mutually_exclusive_group()
    seeds.add_argument("--seed", type=int)
    seeds.add_argument("--seeds", type=parse_seeds, metavar="0-4", help="one after the other")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)

    torch.set_num_threads(options.threads)
    try:
        tracks = load_tracks(options.data)
        kind, plan = _plan(options, tracks)
        with joined(options.device) as processes:
            if kind not in NETWORKS:
                _fit(tracks, options.out, processes)
            elif options.seeds is None:
                _train(kind, plan, tracks, options.out, processes)
            for seed in options.seeds or () if kind in NETWORKS else ():
                of_seed = replace(plan, schedule=replace(plan.schedule, seed=seed))
                folder = options.out / f"{kind}_{seed}"
                _train(kind, of_seed, tracks, folder, processes)
                if processes.leads:
                    _copy(folder / "predictor.pt", options.out / f"{kind}_{seed}.pt")
    except (CheckpointError, ConfigurationError, FileNotFoundError, TracksError) as error:
        parser.error(str(error))


def parse_seeds(text: str) -> list[int]:
    """Returns the seeds of "0-4" or "0,2,5"; argparse.ArgumentTypeError for anything else."""
    if match := re.fullmatch(r"(\d+)-(\d+)", text):
        seeds = list(range(int(match[1]), int(match[2]) + 1))
    else:
        seeds = [int(one) for one in text.split(",")] if re.fullmatch(r"\d+(,\d+)*", text) else []
    if not seeds:
        raise argparse.ArgumentTypeError(f"{text!r} names no seeds (expected 0-4 or 0,2,5)")
    return seeds


def _plan(options: argparse.Namespace, tracks: Tracks) -> tuple[str, PredictorPlan]:
    """Returns the kind of predictor and its plan, by configuration, options and tracks."""
    configuration = load_configuration(options.config or DEFAULT_CONFIGURATION)
    kind = options.predictor or configuration.kind
    plan = configuration.plans[kind]
    keypoints = tracks.keypoints.shape[1]
    if options.config is None:
        plan = replace(plan, sizes=replace(plan.sizes, keypoints=keypoints))
    if plan.sizes.keypoints != keypoints:
        raise ConfigurationError(
            f"{options.data}: has {keypoints} keypoints"
            f" (expected {plan.sizes.keypoints}, as {configuration.name} has)"
        )
    wanted = ("steps", "learning_rate", "seed", "precision")
    given = {name: getattr(options, name) for name in wanted}
    schedule = override_schedule(plan.schedule, {**given, "batch": options.batch_size})
    clips = tracks.subset("training")
    if max(map(len, clips), default=0) < schedule.window_frames:
        raise ConfigurationError(
            f"{options.data}: no training clip has {schedule.window_frames} frames"
            f" (predictor.schedule.window_frames)"
        )
    if schedule.epochs is not None:
        steps = math.ceil(schedule.epochs * len(clips) / schedule.batch)
        schedule = replace(schedule, steps=steps, epochs=None)
    return kind, replace(plan, schedule=schedule)


def _train(kind: str, plan: PredictorPlan, tracks: Tracks, out: Path, processes: Processes) -> None:
    training = PredictorTraining(
        kind,
        plan.sizes,
        tracks.subset("training"),
        plan.schedule,
        plan.loss,
        processes,
        tracks.people("training"),
    )
    best = train(training, tracks.subset("validation"), out)
    if processes.leads:
        print(f"{out / 'predictor.pt'}: {best:.4f} of holding still, on validation clips")


def _fit(tracks: Tracks, out: Path, processes: Processes) -> None:
    if processes.leads:
        fitted = fit_var(tracks.subset("training"), tracks.subset("validation"))
        save_var(fitted, out / "var.pt")
        print(f"{out / 'var.pt'}: fitted for {', '.join(map(str, fitted.patterns))}")


def _copy(trained: Path, to: Path) -> None:
    unfinished = to.with_name(f".{to.name}.unfinished")
    shutil.copyfile(trained, unfinished)
    os.replace(unfinished, to)


if __name__ == "__main__":
    main()
