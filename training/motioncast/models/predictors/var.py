"""Vector autoregression, direct per horizon: the strongest of the simple predictors.

    x_{t+h} = x_t + unit * (A_h f_t + b_h)

f_t describes the last L observed frames up to t, the last of them: the normalised position of frame
t, and the displacements of the earlier ones from it, in units. Which frames those are depends on
the pattern of observed frames, so there is one map for every set of their offsets (1:1 gives 0, -2,
-4, ...) and every horizon h. Fitted by `motioncast.train.var`.

Shapes: B batch, T time, L lags, N horizon, K keypoints (x, y, intensity), F = 3KL features.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from motioncast.models.predictors.coordinates import as_keypoints, clamp_keypoints
from motioncast.models.predictors.gap_filling import check_timeline, fill
from motioncast.models.predictors.recurrent import MotionStatistics

Offsets = tuple[int, ...]  # of the last observed frames relative to the newest: 0, -1, ...


class Window(NamedTuple):
    """A number of frames of a pattern: M observed, then N predicted, repeated."""

    observed: int
    predicted: int
    frames: int

    def __str__(self) -> str:
        return f"{self.observed}:{self.predicted} over {self.frames} frames"


class Gap(NamedTuple):
    """Consecutive unobserved frames after frame `last`, and the frames observed by then."""

    last: int
    length: int
    offsets: Offsets


class DirectMap(NamedTuple):
    """The regressions of one set of offsets, for horizons 1 to N."""

    weights: Tensor  # (N, 3K, F + 1), the last column is b_h
    ridges: tuple[float, ...]  # N, those that were selected


@dataclass(frozen=True, slots=True)
class VectorAutoregression:
    """A fitted vector autoregression; it is a Predictor."""

    statistics: MotionStatistics
    lags: int
    patterns: tuple[Window, ...]  # those it was fitted for
    maps: Mapping[Offsets, DirectMap]

    def __call__(self, keypoints: Tensor, observed: Tensor) -> Tensor:
        """Fills the gaps of a timeline (see Predictor).

        Raises ValueError for a gap that occurs in none of the fitted patterns.
        """
        check_timeline(keypoints, observed)
        forecast = keypoints.clone()
        for gap in gaps(observed, self.lags):
            known = self.maps.get(gap.offsets)
            if known is None or len(known.weights) < gap.length:
                raise ValueError(
                    f"observed: no vector autoregression for a gap of {gap.length} frames"
                    f" with observations at offsets {', '.join(map(str, gap.offsets))}"
                    f" (fitted for {', '.join(map(str, self.patterns))})"
                )
            recent = keypoints[:, [gap.last + offset for offset in gap.offsets]]  # (B, L, K, 3)
            features = describe(recent, self.statistics)  # (B, F + 1)
            moved = torch.einsum("bf,ndf->bnd", features, known.weights[: gap.length])
            placed = recent[:, :1] + self.statistics.unit * as_keypoints(moved)
            forecast[:, gap.last + 1 : gap.last + 1 + gap.length] = clamp_keypoints(placed)
        return fill(keypoints, observed, forecast)


def gaps(observed: Tensor, lags: int) -> Iterator[Gap]:
    """Finds the gaps of a timeline (T,) whose first frame is observed, in order."""
    indices = observed.nonzero().flatten().tolist()
    for position, (last, following) in enumerate(
        zip(indices, [*indices[1:], len(observed)], strict=True)
    ):
        if following > last + 1:
            recent = indices[max(0, position + 1 - lags) : position + 1]
            yield Gap(last, following - last - 1, tuple(i - last for i in reversed(recent)))


def describe(recent: Tensor, statistics: MotionStatistics) -> Tensor:
    """Returns the regressors for frames (B, L, K, 3), newest first: (B, F + 1).

    The normalised position of the newest, the others' displacements from it in units, and 1.
    """
    position = (recent[:, :1] - statistics.mean) / statistics.std
    displacement = (recent[:, 1:] - recent[:, :1]) / statistics.unit
    features = torch.cat([position, displacement], dim=1).flatten(1)
    return torch.cat([features, torch.ones_like(features[:, :1])], dim=1)
