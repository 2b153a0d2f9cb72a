"""Free-running forecast error of every predictor: pixels at 256x256, by horizon.

    error(h)    = mean over clips, their windows and keypoints of |(x, y)_forecast - (x, y)_true|,
                  h frames after the last observed one
    relative(h) = error(h) / mean over the same of |(x, y)_{t+h} - (x, y)_t|,
                  the face's own motion since the last observed frame t

A predictor receives the observed frames only; after them it runs on its own output. For predictors
that state a 90 % interval, its coverage is also reported (coverage.py), and with --gating the share
of the frames sent by a sender that knows the forecast (gating.py).

    motioncast evaluate forecast --tracks TRACKS.npz [--predictors FOLDER]
        [--checkpoint-vrnn FILE] [--checkpoint-gru FILE] [--checkpoint-var FILE] ...
        [--gating [--config NAME]] [--json FILE]

Shapes: I initialisations, C clips, B windows, M observed frames, N horizon, K keypoints.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, make_dataclass
from pathlib import Path
from typing import Annotated

import torch
import typer
from torch import Tensor

from motioncast.data.command_line import Program, refusing
from motioncast.data.keypoints import Part, TracksError, load_tracks
from motioncast.data.windows import every_window
from motioncast.evaluate.coverage import coverage_lines, coverage_rows
from motioncast.evaluate.gating import gating_lines, gating_table
from motioncast.evaluate.markdown import table
from motioncast.evaluate.provenance import provenance
from motioncast.metrics.forecast import Setting, per_clip_errors
from motioncast.models.predictors.checkpoint import (
    PredictorCheckpointError,
    load_forecaster,
    predictor_files,
)
from motioncast.models.predictors.gap_filling import Predictor, hold
from motioncast.models.predictors.registry import LEARNED, RULES
from motioncast.train.configuration import load_configuration
from motioncast.train.fields import ConfigurationError


def compare(
    predictors: Mapping[str, Sequence[Predictor]], clips: Sequence[Tensor], setting: Setting
) -> dict[str, Tensor]:
    """Returns the errors in pixels of every predictor's initialisations (I, C, N), by name."""
    return {
        name: torch.stack([per_clip_errors(each, clips, setting) for each in initialisations])
        for name, initialisations in predictors.items()
    }


def relative_to_motion(errors: Tensor, clips: Sequence[Tensor], setting: Setting) -> Tensor:
    """Divides mean errors (..., N) in pixels by the clips' own motion since the last frame."""
    return errors / per_clip_errors(hold, clips, setting).mean(dim=0)


def as_table(errors: Mapping[str, Sequence[float]]) -> str:
    """Formats the comparison as a Markdown table."""
    horizons = range(1, min(map(len, errors.values())) + 1)
    rows = [[name, *(f"{error[h - 1]:.3f}" for h in horizons)] for name, error in errors.items()]
    return table(["horizon", *map(str, horizons)], rows)


@dataclass(frozen=True, kw_only=True)
class ForecastOptions:
    """Which predictors forecast which tracks, and what is reported."""

    tracks: Annotated[Path, typer.Option(help="keypoint tracks, from `motioncast train tracks`")]
    predictors: Annotated[
        Path | None, typer.Option(help="folder of predictor checkpoints: KIND_SEED.pt and var.pt")
    ] = None
    gating: Annotated[
        bool,
        typer.Option(
            "--gating", help="also report how many frames gating with each predictor sends"
        ),
    ] = False
    config: Annotated[
        str | None, typer.Option(help="configuration whose keypoint weights gating uses")
    ] = None
    part: Annotated[Part, typer.Option(help="which clips of the tracks to use")] = "all"
    json: Annotated[Path | None, typer.Option(help="JSON file to write the errors to")] = None

    def files(self) -> dict[str, list[Path]]:
        """Returns the selected checkpoints of every kind."""
        files = {} if self.predictors is None else predictor_files(self.predictors)
        for kind in LEARNED:
            path = getattr(self, f"checkpoint_{kind}", None)
            if path is not None:
                files[kind] = [*files.get(kind, []), path]
        return files

    def weights(self) -> Sequence[float]:
        """Returns the weights of keypoints in gating; empty when all are equal."""
        if self.config is None:
            return ()
        configuration = load_configuration(self.config)
        return configuration.plans[configuration.kind].loss.keypoints


def run(options: ForecastOptions, command: str) -> None:
    """Prints the comparison on all clips of a file of keypoint tracks."""
    with refusing(ConfigurationError, PredictorCheckpointError, TracksError, OSError, ValueError):
        files, clips = options.files(), load_tracks(options.tracks).subset(options.part)
        predictors: dict[str, list[Predictor]] = {
            **{name: [simple] for name, simple in RULES.items()},
            **{kind: [load_forecaster(path) for path in paths] for kind, paths in files.items()},
        }
        weights = options.weights()
        setting = Setting()
        errors = compare(predictors, clips, setting)
    means = {name: error.mean(dim=(0, 1)) for name, error in errors.items()}  # (N,)
    relative = {
        name: relative_to_motion(error, clips, setting).tolist() for name, error in means.items()
    }
    print(f"Mean |dxy| in pixels at 256, free running after {setting.observed_frames} frames:\n")
    print(as_table({name: error.tolist() for name, error in means.items()}))
    print("\nRelative to the motion since the last observed frame:\n")
    print(as_table(relative))
    windows = every_window(clips, setting.length, setting.stride_frames)
    intervals = coverage_lines(files, windows, setting.observed_frames)
    if intervals:
        print("\nShare of true x and y within the 90 % interval, and its width in pixels at 256:\n")
        print(as_table(coverage_rows(intervals)))
    gated = gating_lines(files, clips, weights=weights) if options.gating else []
    if gated:
        print("\nShare of frames sent, by the weighted bound in pixels at 256:\n")
        print(gating_table(gated))
    if options.json is not None:
        report = {
            "command": command,
            **provenance(path for paths in files.values() for path in paths),
            "setting": asdict(setting),
            "clips": len(clips),
            "initialisations": {name: len(error) for name, error in errors.items()},
            "error_pixels": {name: error.tolist() for name, error in means.items()},
            "error_relative_to_motion": relative,
            "intervals": [asdict(line) for line in intervals],
            "gating": [asdict(line) for line in gated],
            "error_pixels_by_initialisation_and_clip": {
                name: error.tolist() for name, error in errors.items()
            },
        }
        options.json.write_text(json.dumps(report, indent=2) + "\n")


_OPTIONS = make_dataclass(  # and --checkpoint-KIND for every learned kind
    "_OPTIONS",
    [
        (
            f"checkpoint_{kind}",
            Annotated[Path | None, typer.Option(help=f"also evaluate this {kind} checkpoint")],
            None,
        )
        for kind in LEARNED
    ],
    bases=(ForecastOptions,),
    frozen=True,
    kw_only=True,
)
main = Program("motioncast evaluate forecast", _OPTIONS, run, __doc__)


if __name__ == "__main__":
    main()
