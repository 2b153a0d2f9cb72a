"""Fits the vector autoregression: least squares with a ridge, direct per horizon.

    A_h, b_h = argmin  mean_t |(x_{t+h} - x_t) / unit - A f_t - b|^2  +  ridge |A|^2

over every frame t of every training clip that has the required observed frames before it and frame
t + h after it. The ridge of every map and horizon is the one that forecasts validation clips best.

Shapes: R rows (frames t of all clips), F features, D = 3K coordinates, N horizon, G ridges.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from tqdm import tqdm

from motioncast.data.motion_statistics import motion_statistics
from motioncast.models.predictors.coordinates import as_keypoints
from motioncast.models.predictors.gap_filling import pattern
from motioncast.models.predictors.recurrent import MotionStatistics
from motioncast.models.predictors.var import (
    DirectMap,
    Offsets,
    VectorAutoregression,
    Window,
    describe,
    gaps,
)

LAGS = 6
RIDGES = (
    1e-3,
    0.0,
    1e-5,
    1e-4,
    1e-2,
    1e-1,
    1.0,
    1e1,
    1e2,
)  # the first one if there is no data to choose by

# The paper's M1, M2 and BAIR, the comparison of forecast errors, and the stream's default.
PATTERNS = (
    Window(5, 27, 32),
    Window(1, 1, 32),
    Window(5, 25, 30),
    Window(10, 12, 22),
    Window(5, 5, 32),
)


class Rows(NamedTuple):
    """The data that the regressions of one set of offsets are fitted to, in float64."""

    features: Tensor  # (R, F + 1), sorted by the number of frames after them, descending
    frames: Tensor  # (all frames, D), in units
    newest: Tensor  # (R,), the frame t of each row
    after: Tensor  # (R,), number of frames of its clip after it, descending

    def target(self, horizon: int) -> tuple[Tensor, Tensor]:
        """Returns features (R', F + 1) and displacements (R', D) of rows with a frame t + h."""
        count = int((self.after >= horizon).sum())
        t = self.newest[:count]
        return self.features[:count], self.frames[t + horizon] - self.frames[t]


def fit_var(
    clips: Sequence[Tensor],
    validation: Sequence[Tensor],
    patterns: Sequence[Window] = PATTERNS,
    lags: int = LAGS,
    ridges: Sequence[float] = RIDGES,
) -> VectorAutoregression:
    """Fits all maps that the patterns need, showing a progress bar.

    Args:
        clips: (T, K, 3) each, to fit.
        validation: (T, K, 3) each, to choose the ridges by their mean distance |dxy|; if they
            are too short, the first ridge is taken.
        patterns: those longer than the longest clip are left out.
        lags: the maximum number of observed frames that a map reads.
        ridges: the candidates, for features of about unit variance.

    Raises:
        ValueError: every pattern is longer than the longest clip.
    """
    longest = max((len(clip) for clip in clips), default=0)
    fitted = tuple(each for each in patterns if each.frames <= longest)
    if not fitted:
        expected = ", ".join(map(str, patterns))
        raise ValueError(
            f"clips: the longest has {longest} frames (expected at least one of {expected})"
        )
    statistics = motion_statistics(clips)
    horizons = horizons_by_offsets(fitted, lags)
    maps = {}
    for offsets, horizon in tqdm(horizons.items(), desc="fitting", unit="map"):
        candidates = regressions(rows(clips, offsets, statistics), horizon, ridges)
        choice = best(candidates, rows(validation, offsets, statistics), statistics)  # (N,)
        weights = candidates[choice, torch.arange(horizon)].float()
        maps[offsets] = DirectMap(weights, tuple(ridges[i] for i in choice))
    return VectorAutoregression(statistics, lags, fitted, maps)


def horizons_by_offsets(patterns: Sequence[Window], lags: int) -> dict[Offsets, int]:
    """Returns the longest gap of the patterns after every set of observed frames."""
    longest: dict[Offsets, int] = {}
    for observed, predicted, frames in patterns:
        for gap in gaps(pattern(observed, predicted, frames), lags):
            longest[gap.offsets] = max(gap.length, longest.get(gap.offsets, 0))
    return longest


def rows(clips: Sequence[Tensor], offsets: Offsets, statistics: MotionStatistics) -> Rows:
    """Collects every frame t with the required observed frames before it and a frame after it."""
    index, after = [torch.empty(0, dtype=torch.long)], [torch.empty(0, dtype=torch.long)]
    start = 0
    for clip in clips:
        t = torch.arange(len(clip))[-offsets[-1] : -1]
        index.append(start + t)
        after.append(len(clip) - 1 - t)
        start += len(clip)
    remaining, order = torch.cat(after).sort(descending=True, stable=True)
    t = torch.cat(index)[order]
    frames = torch.cat([statistics.mean.new_empty(0, *statistics.mean.shape), *clips]).double()
    return Rows(
        features=describe(frames[t[:, None] + torch.tensor(offsets)], statistics),
        frames=(frames / statistics.unit).flatten(1),
        newest=t,
        after=remaining,
    )


def regressions(data: Rows, horizon: int, ridges: Sequence[float]) -> Tensor:
    """Solves the normal equations for horizons 1 to N and every ridge: (G, N, D, F + 1)."""
    solved = []
    for h in range(1, horizon + 1):
        features, target = data.target(h)
        solved.append(ridge_regression(features[:, :-1], target, ridges))
    return torch.stack(solved, dim=1)


def ridge_regression(features: Tensor, target: Tensor, ridges: Sequence[float]) -> Tensor:
    """Regresses (R, D) on (R, F) with an unpenalised intercept: (G, D, F + 1).

    Directions in which the features do not vary get no weight.
    """
    count = len(features)
    mean, centre = features.mean(dim=0), target.mean(dim=0)
    covariance = features.T @ features / count - mean.outer(mean)
    common = features.T @ target / count - mean.outer(centre)  # (F, D)
    variance, directions = torch.linalg.eigh(covariance)
    varies = variance > variance.amax() * len(variance) * torch.finfo(variance.dtype).eps
    inverse = torch.stack(
        [torch.where(varies, 1 / (variance + ridge), 0.0) for ridge in ridges]
    )  # (G, F)
    slopes = torch.einsum("fv,gv,vd->gdf", directions, inverse, directions.T @ common)
    intercept = centre - slopes @ mean  # (G, D)
    return torch.cat([slopes, intercept[..., None]], dim=-1)


def best(candidates: Tensor, held_out: Rows, statistics: MotionStatistics) -> list[int]:
    """Returns which of (G, N, D, F + 1) has the least mean |dxy| at every horizon."""
    chosen = []
    for h in range(1, candidates.shape[1] + 1):
        features, target = held_out.target(h)
        if len(features) == 0:
            chosen.append(0)
            continue
        miss = as_keypoints(features @ candidates[:, h - 1].mT - target) * statistics.unit
        distance = torch.linalg.vector_norm(miss[..., :2], dim=-1)  # (G, R, K)
        chosen.append(int(distance.mean(dim=(1, 2)).argmin()))
    return chosen
