"""Free-running forecast error of every predictor: pixels at 256x256, by horizon.

    error(h) = mean over windows and keypoints of |(x, y)_forecast - (x, y)_true|,
               h frames after the last observed one

A predictor is given the observed frames alone; past them it lives on its own output.

    python -m motioncast.evaluate.forecast --tracks TRACKS.npz [--checkpoint-vrnn FILE]
        [--checkpoint-gru FILE] [--json FILE]
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from motioncast.data.keypoints import every_window, load_tracks
from motioncast.models.checkpoint_predictor import load_predictor
from motioncast.models.predictors import Predictor, damped, free_running, hold, linear

PIXELS_PER_UNIT = (256 - 1) / 2  # [-1, 1] runs from the first pixel's centre to the last one's


@dataclass(frozen=True, slots=True)
class Setting:
    """Which windows are forecast."""

    observed_frames: int = 10
    horizon_frames: int = 12
    stride_frames: int = 1  # between the starts of windows


def forecast_error(predictor: Predictor, windows: Tensor, setting: Setting) -> Tensor:
    """Returns the mean distance in pixels at 256 (N,) for horizons 1 to N.

    windows: (B, M + N, K, 3); only their first M frames reach the predictor.
    """
    observed = windows[:, : setting.observed_frames]
    truth = windows[:, setting.observed_frames :]
    total = torch.zeros(setting.horizon_frames)
    batches = zip(torch.split(observed, 512), torch.split(truth, 512), strict=True)
    for known, future in batches:
        forecast = predictor(known, setting.horizon_frames)  # (b, N, K, 3)
        distance = torch.linalg.vector_norm((forecast - future)[..., :2], dim=-1)
        total += distance.mean(dim=2).sum(dim=0)
    return total / len(windows) * PIXELS_PER_UNIT


def compare(
    predictors: Mapping[str, Predictor], clips: Sequence[Tensor], setting: Setting
) -> dict[str, list[float]]:
    """Returns the error in pixels at horizons 1 to N of every predictor, by its name."""
    length = setting.observed_frames + setting.horizon_frames
    windows = every_window(clips, length, setting.stride_frames)
    return {
        name: forecast_error(predictor, windows, setting).tolist()
        for name, predictor in predictors.items()
    }


def as_table(errors: Mapping[str, Sequence[float]]) -> str:
    """Formats the comparison as a Markdown table."""
    horizons = range(1, min(map(len, errors.values())) + 1)
    rows = [
        ["horizon", *map(str, horizons)],
        ["---"] * (len(horizons) + 1),
        *([name, *(f"{error[h - 1]:.3f}" for h in horizons)] for name, error in errors.items()),
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the comparison on all clips of a file of keypoint tracks."""
    parser = argparse.ArgumentParser(
        prog="python -m motioncast.evaluate.forecast", description=__doc__
    )
    parser.add_argument("--tracks", type=Path, required=True, help="from motioncast.data.keypoints")
    parser.add_argument("--checkpoint-gru", type=Path, help="adds the GRU")
    parser.add_argument("--checkpoint-vrnn", type=Path, help="adds the VRNN")
    parser.add_argument("--part", choices=("training", "validation", "all"), default="all")
    parser.add_argument("--json", type=Path, help="writes the errors to this file")
    options = parser.parse_args(arguments)

    predictors: dict[str, Predictor] = {"hold": hold, "damped 0.7": damped, "linear": linear}
    for name, path in (("GRU", options.checkpoint_gru), ("VRNN", options.checkpoint_vrnn)):
        if path is not None:
            predictors[name] = free_running(load_predictor(path))
    clips = load_tracks(options.tracks).subset(options.part)
    setting = Setting()
    errors = compare(predictors, clips, setting)
    print(f"Mean |dxy| in pixels at 256, free running after {setting.observed_frames} frames:\n")
    print(as_table(errors))
    if options.json is not None:
        report = {"setting": asdict(setting), "clips": len(clips), "error_pixels": errors}
        options.json.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
