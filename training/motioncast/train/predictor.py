"""Trains keypoint predictors on the tracks of the frozen detector.

    motioncast train predictor --config lite64_grid --data TRACKS.npz --out FOLDER
        [--predictor vrnn|gru|rnn|var] [--seed 0 | --seeds 0-4]

A training writes `predictor.pt`, the averaged weights that forecast the validation clips best, with
a 90 % interval fitted to the same clips (calibration.py); `last.pt`, from which a second run
continues bit for bit; `log.jsonl` and `tensorboard/`. With several seeds these are in
FOLDER/KIND_SEED/, and the predictors are FOLDER/KIND_SEED.pt, where evaluation looks for them. The
vector autoregression has no seed: FOLDER/var.pt.
"""

import math
import os
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from statistics import mean
from typing import Annotated

import torch
import typer
from torch import Tensor
from tqdm import tqdm

from motioncast.data.command_line import Program, refusing
from motioncast.data.keypoints import Tracks, TracksError, load_tracks
from motioncast.data.windows import every_window
from motioncast.metrics.forecast import Setting, forecast_error
from motioncast.models.checkpoint import CheckpointError
from motioncast.models.predictors.checkpoint import load_predictor, save_predictor, save_var
from motioncast.models.predictors.gap_filling import free_running, hold
from motioncast.models.predictors.recurrent import RecurrentPredictor
from motioncast.models.predictors.registry import LEARNED, NETWORKS
from motioncast.train.arguments import DEFAULT_CONFIGURATION, TrainingOptions
from motioncast.train.calibration import calibrate
from motioncast.train.configuration import PredictorPlan, load_configuration, override_schedule
from motioncast.train.fields import ConfigurationError
from motioncast.train.journal import Journal, read_log
from motioncast.train.parallel import Processes, joined
from motioncast.train.predictor_training import PredictorTraining
from motioncast.train.resuming import resume
from motioncast.train.var import fit_var

Kind = StrEnum("Kind", {kind.upper(): kind for kind in LEARNED})  # type: ignore[misc]


def train(
    training: PredictorTraining,
    validation: Sequence[Tensor],
    out: Path,
    report: Callable[[str], None] = print,
) -> float:
    """Trains to the end of the schedule and returns the best relative error on validation clips.

    Without validation clips of at least 22 frames the last weights are kept and the result is NaN.
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
    """Calibrates a saved predictor in place; without validation clips it states no interval."""
    model = load_predictor(path)
    if calibrate(model, validation):
        save_predictor(model, path)


class _Validation:
    """Monitors the free-running forecast of validation clips and keeps the best predictor."""

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
        """Records the figures, keeps the predictor if it is the best, and returns bar labels."""
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
    """Returns the free-running error relative to holding still, averaged over the horizons."""
    ratio = forecast_error(free_running(model), windows, setting) / forecast_error(
        hold, windows, setting
    )
    return float(ratio.mean())


@dataclass(frozen=True, kw_only=True)
class PredictorOptions(TrainingOptions):
    """Which kind of predictor is trained, on which tracks."""

    predictor: Annotated[
        Kind | None, typer.Option(help="kind of predictor to train (default: the configuration's)")
    ] = None
    data: Annotated[Path, typer.Option(help="keypoint tracks, from `motioncast train tracks`")]
    steps: int | None = None
    batch_size: Annotated[int | None, typer.Option(help="batch size over all processes")] = None
    learning_rate: float | None = None
    seed: int | None = None
    seeds: Annotated[
        str | None,
        typer.Option(metavar="0-4", help="seeds to train one after the other, instead of --seed"),
    ] = None
    threads: int = 1


def run(options: PredictorOptions, command: str) -> None:
    """Trains one kind of predictor, or continues a training; raises Refusal for invalid input."""
    torch.set_num_threads(options.threads)
    with refusing(CheckpointError, ConfigurationError, FileNotFoundError, TracksError):
        seeds = None if options.seeds is None else parse_seeds(options.seeds)
        if seeds is not None and options.seed is not None:
            raise ConfigurationError("--seed and --seeds: expected at most one of them")
        tracks = load_tracks(options.data)
        kind, plan = _plan(options, tracks)
        with joined(options.device) as processes:
            if kind not in NETWORKS:
                _fit(tracks, options.out, processes)
            elif seeds is None:
                _train(kind, plan, tracks, options.out, processes)
            for seed in seeds or () if kind in NETWORKS else ():
                of_seed = replace(plan, schedule=replace(plan.schedule, seed=seed))
                folder = options.out / f"{kind}_{seed}"
                _train(kind, of_seed, tracks, folder, processes)
                if processes.leads:
                    _copy(folder / "predictor.pt", options.out / f"{kind}_{seed}.pt")


def parse_seeds(text: str) -> list[int]:
    """Returns the seeds of "0-4" or "0,2,5"; ConfigurationError for anything else."""
    if match := re.fullmatch(r"(\d+)-(\d+)", text):
        seeds = list(range(int(match[1]), int(match[2]) + 1))
    else:
        seeds = [int(one) for one in text.split(",")] if re.fullmatch(r"\d+(,\d+)*", text) else []
    if not seeds:
        raise ConfigurationError(
            f"--seeds: {text!r} is not a list of seeds (expected a form such as 0-4 or 0,2,5)"
        )
    return seeds


def _plan(options: PredictorOptions, tracks: Tracks) -> tuple[str, PredictorPlan]:
    """Returns the kind of predictor and its plan, from configuration, options and tracks."""
    configuration = load_configuration(options.config or DEFAULT_CONFIGURATION)
    kind = str(options.predictor or configuration.kind)
    plan = configuration.plans[kind]
    keypoints = tracks.keypoints.shape[1]
    if options.config is None:
        plan = replace(plan, sizes=replace(plan.sizes, keypoints=keypoints))
    if plan.sizes.keypoints != keypoints:
        raise ConfigurationError(
            f"{options.data}: has {keypoints} keypoints (expected {plan.sizes.keypoints}, as"
            f" in {configuration.name})"
        )
    wanted = ("steps", "learning_rate", "seed", "precision")
    given = {name: getattr(options, name) for name in wanted}
    schedule = override_schedule(plan.schedule, {**given, "batch": options.batch_size})
    clips = tracks.subset("training")
    if max(map(len, clips), default=0) < schedule.window_frames:
        raise ConfigurationError(
            f"{options.data}: all training clips are shorter than {schedule.window_frames}"
            " frames (predictor.schedule.window_frames)"
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
        print(f"{out / 'predictor.pt'}: {_said(best)}")


def _said(best: float) -> str:
    """Describes how good the kept weights are; NaN means there was no data to select by."""
    if math.isnan(best):
        return (
            "the last weights, without an interval, as no validation clip is long enough"
            " (one clip in twenty is held out, by the hash of its name)"
        )
    return f"error of {best:.4f} relative to holding still, on validation clips"


def _fit(tracks: Tracks, out: Path, processes: Processes) -> None:
    if processes.leads:
        fitted = fit_var(tracks.subset("training"), tracks.subset("validation"))
        save_var(fitted, out / "var.pt")
        print(f"{out / 'var.pt'}: fitted for {', '.join(map(str, fitted.patterns))}")


def _copy(trained: Path, to: Path) -> None:
    unfinished = to.with_name(f".{to.name}.unfinished")
    shutil.copyfile(trained, unfinished)
    os.replace(unfinished, to)


main = Program("motioncast train predictor", PredictorOptions, run, __doc__)


if __name__ == "__main__":
    main()
