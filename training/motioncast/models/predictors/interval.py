"""The 90 % interval around every forecast coordinate, and sample paths that spread accordingly.

    half width = unit * spread * surprise * factor_h      h frames after the last observed one
    surprise_t = surprise_{t-1} + 0.15 (|x_t - forecast_t| / (unit * spread_t) - surprise_{t-1})
    path_t     = forecast_t + half width / 1.645 * e_t
    e_t        = rho e_{t-1} + sqrt(1 - rho^2) noise_t,   e_t ~ N(0, 1) at every t

`spread` is the error the network expects (1 if it has no estimate); `surprise`, initially 1, is the
factor by which recent errors exceeded it: a person who is harder to forecast than those in the
training set gets wider intervals after a few observed frames. `factor_h` calibrates the product on
validation clips (train/calibration.py): split conformal prediction with normalised residuals (Lei
et al. 2018), horizon by horizon. As e_t is standard normal at every frame and changes slowly, 90 of
100 paths lie within the interval at every horizon, and none of them jitters.

Shapes: B batch, N horizons, K keypoints (x, y, intensity).
"""

import math

import torch
from torch import Tensor

LEVEL = 0.9
HORIZONS = 32  # each with its own factor; beyond them the last one applies
NORMAL_QUANTILE = 1.6448536269514722  # 90 % of a standard normal lie within +- this
PATH_MEMORY = 0.9  # rho: errors of neighbouring frames of a path are correlated
SURPRISE_RATE = 0.15  # a memory of about seven observed frames
LEAST_SURPRISE, LARGEST_ERROR = 0.1, 10.0  # people may sit still, and a detector may jump


def uncalibrated() -> Tensor:
    """Returns the factors (N, 3) of a network that states no interval: zeros."""
    return torch.zeros(HORIZONS, 3)


def factor_at(factors: Tensor, elapsed: Tensor) -> Tensor:
    """Returns factors (..., 1, 3) for frames preceded by `elapsed` (..., 1) predicted ones."""
    index = elapsed[..., 0].clamp(0, len(factors) - 1).long()
    return factors[index][..., None, :]


def deviate(deviation: Tensor, noise: Tensor, seen: Tensor) -> Tensor:
    """Advances e_t (..., K, 3) by one frame; it starts as the noise if no frame was seen yet."""
    carried = PATH_MEMORY * deviation + math.sqrt(1 - PATH_MEMORY**2) * noise
    return torch.where(seen[..., None] > 0, carried, noise)


def be_surprised(surprise: Tensor, error: Tensor, counts: Tensor) -> Tensor:
    """Advances the surprise (B, K, 3) by a normalised error where it counts (B, 1), else keeps it.

    No gradient passes: the network must not learn to be surprised.
    """
    rate = SURPRISE_RATE * counts[..., None]
    moved = surprise + rate * (error.clamp(max=LARGEST_ERROR) - surprise)
    return moved.clamp(min=LEAST_SURPRISE).detach()
