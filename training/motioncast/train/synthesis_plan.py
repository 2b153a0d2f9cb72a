"""The options of `motioncast train synthesis`, and the plan made from them once checked."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, cast

import torch
import typer

from motioncast.data.arguments import DataOptions
from motioncast.data.sources import DataSource, clip_source
from motioncast.models.checkpoint import load_motion_transfer
from motioncast.models.configurations import Configuration
from motioncast.models.motion_transfer import MotionTransfer
from motioncast.train.arguments import DEFAULT_CONFIGURATION, TrainingOptions
from motioncast.train.configuration import (
    LENGTHS,
    TrainingConfiguration,
    load_configuration,
    override,
)
from motioncast.train.fields import ConfigurationError
from motioncast.train.settings import SynthesisSettings


@dataclass(frozen=True, kw_only=True)
class SynthesisOptions(TrainingOptions, DataOptions):
    """What is trained on which data, and for how long."""

    steps: int | None = None
    minutes: float | None = None
    epochs: Annotated[
        float | None, typer.Option(help="training length in epochs of one sample per clip")
    ] = None
    batch_size: Annotated[int | None, typer.Option(help="batch size over all processes")] = None
    learning_rate: float | None = None
    freeze_detector: Annotated[
        float | None,
        typer.Option(help="share of the training after which the detector is frozen, 0 to 1"),
    ] = None
    freeze_statistics: Annotated[
        float | None,
        typer.Option(
            help="share of the training after which the statistics of batch normalisation are"
            " frozen, 0 to 1"
        ),
    ] = None
    seed: int | None = None
    start: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="CHECKPOINT",
            help="checkpoint to start from instead of random weights",
        ),
    ] = None
    also: Annotated[  # pairs of words
        list[str],
        typer.Option(
            metavar="FOLDER SHARE",
            help="folder of further videos or photographs, and its share of the samples;"
            " may be repeated",
        ),
    ] = field(default_factory=list)
    rooms: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="folder of videos or photographs to use as backgrounds of some people",
        ),
    ] = None
    threads: int = field(default_factory=torch.get_num_threads)


@dataclass(frozen=True, slots=True)
class Plan:
    """The checked options of the command line."""

    chosen: TrainingConfiguration
    settings: SynthesisSettings
    start: MotionTransfer | None
    further: Sequence[tuple[Path, float]]  # folders, and their shares of the samples

    @property
    def own_share(self) -> float:
        """The share of the samples drawn from --data."""
        return 1 - sum(share for _, share in self.further)


def planned(options: SynthesisOptions) -> Plan:
    """Returns the plan; raises the errors that `main` reports in a sentence."""
    frozen = ("freeze_detector", "freeze_statistics")
    wanted = (*LENGTHS, "batch_size", "learning_rate", *frozen, "seed", "precision")
    if sum(getattr(options, length) is not None for length in LENGTHS) > 1:
        raise ConfigurationError("--steps, --minutes and --epochs: expected one of them")
    chosen = load_configuration(options.config or DEFAULT_CONFIGURATION)
    settings = override(chosen.synthesis, {name: getattr(options, name) for name in wanted})
    if all(getattr(settings, length) is None for length in LENGTHS):
        raise ConfigurationError("--steps or --minutes: one of them is needed")
    start = None if options.start is None else load_start(options.start, chosen.network)
    for share, what in (
        (settings.freeze_detector, "detector"),
        (settings.freeze_statistics, "statistics of batch normalisation"),
    ):
        if share == 0 and start is None:
            raise ConfigurationError(
                f"{chosen.name}: freezes the {what} from the start (use --from CHECKPOINT)"
            )
    further = [
        (Path(folder), share_of(text))
        for folder, text in cast("list[tuple[str, str]]", options.also)
    ]
    plan = Plan(chosen, settings, start, further)
    if plan.own_share <= 0:
        raise ConfigurationError("--also: the sum of the shares leaves nothing for --data")
    folders = [folder for folder, _ in further]
    for folder in folders if options.rooms is None else [*folders, options.rooms]:
        clip_source(DataSource(folder)).paths()
    return plan


def load_start(path: Path, network: Configuration) -> MotionTransfer:
    """Returns the networks of a checkpoint to start from.

    Raises the errors of `load_motion_transfer`, and ConfigurationError for networks of another
    configuration.
    """
    start = load_motion_transfer(path)
    if start.configuration != network:
        raise ConfigurationError(
            f"{path}: contains {start.configuration.name} (expected {network.name})"
        )
    return start


def share_of(text: str) -> float:
    """Parses the share of --also; ConfigurationError unless it lies between 0 and 1."""
    try:
        share = float(text)
    except ValueError:
        share = math.nan
    if not 0 < share < 1:
        raise ConfigurationError(f"--also: the share is {text} (expected more than 0, less than 1)")
    return share
