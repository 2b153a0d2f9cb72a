"""The 90 % interval around every forecast coordinate, and sample paths that spread as it says.

    half width = unit * spread * factor_h          h frames after the last observed one
    path_t     = forecast_t + half width / 1.645 * e_t
    e_t        = rho e_{t-1} + sqrt(1 - rho^2) noise_t,   e_t ~ N(0, 1) at every t

`spread` is what the network knows of the situation (1 where it knows nothing), `factor_h` what
validation clips say of it (train/calibration.py): split conformal prediction with normalised
residuals (Lei et al. 2018), horizon by horizon. As e_t is standard normal at every frame and moves
slowly, 90 of 100 paths lie within the interval at every horizon, and none of them jitters.

Shapes: N horizons, K keypoints (x, y, intensity).
"""

import math

import torch
from torch import Tensor

LEVEL = 0.9
HORIZONS = 32  # with a factor of their own; beyond them the last one holds
NORMAL_QUANTILE = 1.6448536269514722  # 90 % of a standard normal lie within +- so much
PATH_MEMORY = 0.9  # rho: neighbouring frames of a path err alike


def uncalibrated() -> Tensor:
    """Returns the factors (N, 3) of a network that states no interval: zeros."""
    return torch.zeros(HORIZONS, 3)


def factor_at(factors: Tensor, elapsed: Tensor) -> Tensor:
    """Returns factors (..., 1, 3) for frames with `elapsed` (..., 1) predicted ones before them."""
    index = elapsed[..., 0].clamp(0, len(factors) - 1).long()
    return factors[index][..., None, :]


def deviate(deviation: Tensor, noise: Tensor, seen: Tensor) -> Tensor:
    """Advances e_t (..., K, 3) by one frame; the noise begins it where nothing was seen."""
    carried = PATH_MEMORY * deviation + math.sqrt(1 - PATH_MEMORY**2) * noise
    return torch.where(seen[..., None] > 0, carried, noise)
