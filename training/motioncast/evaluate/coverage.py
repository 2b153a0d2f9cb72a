"""How often the truth lies in the 90 % interval stated by a predictor, horizon by horizon.

    stated(h)  = share of true x and y within forecast +- half width, h frames after the last
                 observed one
    sampled(h) = the same for the central 90 % of paths drawn at random (metrics.likelihood)
    width(h)   = mean width of the stated interval, pixels at 256

A calibrated predictor has 0.9 in both rows; the narrower its interval, the better it forecasts.

Shapes: B windows, M observed frames, N horizon, K keypoints (x, y, intensity).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from motioncast.metrics.keypoints import REFERENCE_SIZE, pixels_per_unit
from motioncast.metrics.likelihood import interval_coverage
from motioncast.models.predictors.checkpoint import load_predictor
from motioncast.models.predictors.gap_filling import continue_with_interval, sampled
from motioncast.models.predictors.interval import LEVEL
from motioncast.models.predictors.recurrent import RecurrentPredictor
from motioncast.models.predictors.registry import NETWORKS

SAMPLES = 19  # the fewest whose order statistics bound 90 %
SAMPLED_STRIDE = 8  # one in this many windows is sampled


@dataclass(frozen=True, slots=True)
class StatedCoverage:
    """Shares of true coordinates inside the interval, one per horizon."""

    stated: Tensor  # (N,)
    sampled: Tensor  # (N,)
    width_pixels: Tensor  # (N,)


@dataclass(frozen=True, slots=True)
class CoverageLine:
    """The interval of one kind of predictor at one horizon, mean over its initialisations."""

    predictor: str
    horizon: int
    level: float
    stated: float
    sampled: float
    width_pixels: float


def coverage(
    model: RecurrentPredictor, windows: Tensor, observed: int, seed: int = 0
) -> StatedCoverage:
    """Measures the interval of a predictor on windows (B, M + N, K, 3), M of them observed.

    Paths are drawn for one window in eight.
    """
    scale, length = pixels_per_unit(REFERENCE_SIZE), windows.shape[1]
    inside, widths = [], []
    for batch in torch.split(windows, 512):
        known, future = batch[:, :observed], batch[:, observed:]
        forecast, half_width90 = continue_with_interval(model, known, length - observed)
        hit = (future - forecast).abs() <= half_width90
        inside.append(hit[..., :2].double().mean(dim=(2, 3)))
        widths.append(2 * scale * half_width90[..., :2].double().mean(dim=(2, 3)))
    few = windows[::SAMPLED_STRIDE]
    mask = torch.arange(length) < observed
    paths = sampled(model, torch.Generator().manual_seed(seed), SAMPLES)(few, mask)
    return StatedCoverage(
        stated=torch.cat(inside).mean(dim=0),
        sampled=interval_coverage(paths, few, LEVEL).covered[observed:],
        width_pixels=torch.cat(widths).mean(dim=0),
    )


def coverage_lines(
    files: Mapping[str, Sequence[Path]], windows: Tensor, observed: int
) -> list[CoverageLine]:
    """Measures the checkpoints of every kind that states an interval, on windows as `coverage`."""
    lines = []
    for kind, paths in files.items():
        models = [load_predictor(path) for path in paths] if kind in NETWORKS else []
        found = [coverage(model, windows, observed) for model in models if model.states_interval]
        if not found:
            continue
        stated, drawn, width = (
            torch.stack([getattr(each, name) for each in found]).mean(dim=0).tolist()
            for name in ("stated", "sampled", "width_pixels")
        )
        lines += [
            CoverageLine(kind, h + 1, LEVEL, stated[h], drawn[h], width[h])
            for h in range(len(stated))
        ]
    return lines


def coverage_rows(lines: Sequence[CoverageLine]) -> dict[str, list[float]]:
    """Returns stated and sampled coverage and width by name, with one value per horizon."""
    rows: dict[str, list[float]] = {}
    for line in lines:
        rows.setdefault(f"{line.predictor}, stated", []).append(line.stated)
        rows.setdefault(f"{line.predictor}, sampled", []).append(line.sampled)
        rows.setdefault(f"{line.predictor}, width", []).append(line.width_pixels)
    return rows
