"""Free-running forecast error of every predictor: pixels at 256x256, by horizon.

    error(h)    = mean over clips, their windows and keypoints of |(x, y)_forecast - (x, y)_true|,
                  h frames after the last observed one
    relative(h) = error(h) / mean over the same of |(x, y)_{t+h} - (x, y)_t|,
                  the face's own motion since the last observed frame t

A predictor is given the observed frames alone; past them it lives on its own output. Those that
state a 90 % interval are also told how often it holds (coverage.py), and with --gating what share
of the frames a sender would send that knows the forecast (gating.py).

    python -m motioncast.evaluate.forecast --tracks TRACKS.npz [--predictors FOLDER]
        [--checkpoint-vrnn FILE] [--checkpoint-gru FILE] [--checkpoint-simlpe FILE]
        [--gating [--config NAME]] [--json FILE]

Shapes: I initialisations, C clips, B windows, M observed frames, N horizon, K keypoints.
"""

import argparse
import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from motioncast.data.keypoints import every_window, load_tracks
from motioncast.evaluate.coverage import coverage_lines, coverage_rows
from motioncast.evaluate.gating import gating_lines, gating_table
from motioncast.evaluate.markdown import table
from motioncast.evaluate.provenance import provenance
from motioncast.metrics.forecast import Setting, per_clip_errors
from motioncast.models.predictors.checkpoint import load_forecaster, predictor_files
from motioncast.models.predictors.gap_filling import Predictor, hold
from motioncast.models.predictors.registry import NETWORKS, RULES
from motioncast.train.configuration import load_configuration


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


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the comparison on all clips of a file of keypoint tracks."""
    parser = argparse.ArgumentParser(
        prog="python -m motioncast.evaluate.forecast", description=__doc__
    )
    parser.add_argument("--tracks", type=Path, required=True, help="from motioncast.data.keypoints")
    parser.add_argument("--predictors", type=Path, help="a folder of KIND_SEED.pt and var.pt")
    for kind in NETWORKS:
        parser.add_argument(f"--checkpoint-{kind}", type=Path, help=f"adds one of kind {kind}")
    parser.add_argument("--gating", action="store_true", help="also what gating with each sends")
    parser.add_argument("--config", help="whose weights of keypoints count in gating")
    parser.add_argument("--part", choices=("training", "validation", "all"), default="all")
    parser.add_argument("--json", type=Path, help="writes the errors to this file")
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    options = parser.parse_args(arguments)

    files = predictor_files(options.predictors) if options.predictors is not None else {}
    for kind in NETWORKS:
        path = getattr(options, f"checkpoint_{kind}")
        if path is not None:
            files[kind] = [*files.get(kind, []), path]
    predictors: dict[str, list[Predictor]] = {
        **{name: [simple] for name, simple in RULES.items()},
        **{kind: [load_forecaster(path) for path in paths] for kind, paths in files.items()},
    }
    clips = load_tracks(options.tracks).subset(options.part)
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
        print("\nTrue x and y within the 90 % interval, and its width in pixels at 256:\n")
        print(as_table(coverage_rows(intervals)))
    gated = []
    if options.gating:
        weights: Sequence[float] = ()
        if options.config is not None:
            configuration = load_configuration(options.config)
            weights = configuration.plans[configuration.kind].loss.keypoints
        gated = gating_lines(files, clips, weights=weights)
        print("\nShare of frames sent, by the weighted bound in pixels at 256:\n")
        print(gating_table(gated))
    if options.json is not None:
        report = {
            "command": shlex.join(["motioncast", "evaluate", "forecast", *arguments]),
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


if __name__ == "__main__":
    main()
