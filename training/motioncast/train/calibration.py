"""Fits a predictor's 90 % interval to validation clips: split conformal prediction by horizon.

    r_h      = |x_{t+h} - forecast_{t+h}| / (unit * spread)       h frames after the last observed
    factor_h = the ceil(0.9 (n + 1))-th smallest of the n values of r_h    (Lei et al. 2018)

for x, y and intensity separately and all keypoints together, over windows of validation clips, free
running on the mean path. Data drawn like those clips is then covered with the stated
probability, however wrong `spread` is; the better `spread` is, the narrower the interval.

    python -m motioncast.train.calibration --predictor FILE --data TRACKS.npz [--out FILE]

calibrates a trained predictor; `motioncast.train.predictor` does so itself at the end.

Shapes: B windows, M observed frames, N horizon, K keypoints (x, y, intensity), S state.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
import typer
from torch import Tensor

from motioncast.data.command_line import Program, Refusal, refusing
from motioncast.data.keypoints import TracksError, load_tracks
from motioncast.data.windows import every_window
from motioncast.models.predictors.checkpoint import (
    PredictorCheckpointError,
    load_predictor,
    save_predictor,
)
from motioncast.models.predictors.gap_filling import continue_with_interval
from motioncast.models.predictors.interval import HORIZONS, LEVEL, uncalibrated
from motioncast.models.predictors.recurrent import RecurrentPredictor

OBSERVED_FRAMES = 10  # before every forecast, as in the comparison of forecast errors
STRIDE_FRAMES = 2  # between the starts of windows


def calibrate(model: RecurrentPredictor, clips: Sequence[Tensor]) -> int:
    """Sets the model's factors; returns the number of horizons covered by the clips (T, K, 3).

    Horizons for which more than half of the clips are too short reuse the last factor before them.
    If no horizon is covered, no interval is stated: the factors are zeros and the result is 0.
    """
    lengths = sorted(map(len, clips), reverse=True)
    enough = lengths[(len(clips) - 1) // 2] if clips else 0
    horizons = max(0, min(HORIZONS, enough - OBSERVED_FRAMES))
    factors = uncalibrated()
    if horizons:
        windows = every_window(clips, OBSERVED_FRAMES + horizons, STRIDE_FRAMES)
        model.factors.fill_(1.0)
        residuals = normalised_residuals(model, windows)  # (B, N, K, 3)
        for horizon in range(horizons):
            factors[horizon] = conformal_quantile(residuals[:, horizon].flatten(0, 1), LEVEL)
        factors[horizons:] = factors[horizons - 1]
    model.factors.copy_(factors)
    return horizons


def normalised_residuals(model: RecurrentPredictor, windows: Tensor) -> Tensor:
    """Returns |error| over the stated half-width at every horizon, (B, N, K, 3).

    windows: (B, M + N, K, 3), the first 10 frames of which are observed.
    """
    residuals = []
    for batch in torch.split(windows, 512):
        known, future = batch[:, :OBSERVED_FRAMES], batch[:, OBSERVED_FRAMES:]
        stated = continue_with_interval(model, known, future.shape[1])
        residuals.append((future - stated.forecast).abs() / stated.half_width90)
    return torch.cat(residuals)


def conformal_quantile(residuals: Tensor, level: float) -> Tensor:
    """Returns the ceil(level (n + 1))-th smallest of n residuals (n, D), or the largest if none."""
    count = len(residuals)
    rank = min(count, math.ceil(level * (count + 1)))
    return residuals.kthvalue(rank, dim=0).values


@dataclass(frozen=True, kw_only=True)
class CalibrationOptions:
    """Which predictor to calibrate, on which tracks."""

    predictor: Annotated[
        Path, typer.Option(metavar="FILE", help="predictor to calibrate, a vrnn, gru or rnn")
    ]
    data: Annotated[
        Path, typer.Option(metavar="TRACKS", help="keypoint tracks, from `motioncast train tracks`")
    ]
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="file to write (default: overwrite the predictor)"),
    ] = None


def run(options: CalibrationOptions, command: str) -> None:
    """Calibrates a trained predictor on the validation clips of a track file."""
    with refusing(PredictorCheckpointError, OSError):
        model = load_predictor(options.predictor)
    save_calibrated(model, options.predictor, options.data, options.out or options.predictor)


def save_calibrated(model: RecurrentPredictor, source: Path, data: Path, out: Path) -> None:
    """Writes a predictor from a file `source`, calibrated on the validation clips of tracks.

    Raises Refusal, and writes nothing, if the tracks are not usable.
    """
    with refusing(OSError, TracksError):
        clips = load_tracks(data).subset("validation")
    if clips and clips[0].shape[1] != model.sizes.keypoints:
        raise Refusal(
            f"{data}: has {clips[0].shape[1]} keypoints (expected"
            f" {model.sizes.keypoints}, as in {source})"
        )
    horizons = calibrate(model, clips)
    if not horizons:
        raise Refusal(f"{data}: has no validation clips of more than {OBSERVED_FRAMES} frames")
    with refusing(OSError):
        save_predictor(model, out)
    print(f"{out}: calibrated for horizons 1 to {horizons} on {len(clips)} validation clips")


main = Program("python -m motioncast.train.calibration", CalibrationOptions, run, __doc__)


if __name__ == "__main__":
    main()
