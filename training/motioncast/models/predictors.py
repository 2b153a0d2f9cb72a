"""All predictors behind one call: M observed frames in, a horizon of N free-running frames out.

    hold      x_{t+h} = x_t
    linear    x_{t+h} = x_t + h (x_t - x_{t-1})
    damped    x_{t+h} = x_t + (s + s^2 + ... + s^h) (x_t - x_{t-1})

Shapes: B batch, M observed frames, N horizon, K keypoints (x, y, intensity).
"""

from typing import Protocol

import torch
from torch import Tensor

from motioncast.models.predictor import RecurrentPredictor, clamp_keypoints

DAMPED_SLOPE = 0.7


class Predictor(Protocol):
    """Whatever forecasts keypoints from keypoints."""

    def __call__(self, observed: Tensor, horizon: int) -> Tensor:
        """Maps observed (B, M, K, 3), M >= 2, to the forecast (B, N, K, 3) of the next N frames."""
        ...


def hold(observed: Tensor, horizon: int) -> Tensor:
    """Repeats the last observed frame."""
    return extrapolate(observed, torch.zeros(horizon))


def linear(observed: Tensor, horizon: int) -> Tensor:
    """Goes on at the last observed velocity."""
    return extrapolate(observed, torch.arange(1.0, horizon + 1))


def damped(observed: Tensor, horizon: int, slope: float = DAMPED_SLOPE) -> Tensor:
    """Goes on at the last observed velocity, each frame by `slope` slower than the one before."""
    return extrapolate(observed, torch.full((horizon,), slope).cumprod(0).cumsum(0))


def extrapolate(observed: Tensor, steps: Tensor) -> Tensor:
    """Adds the last displacement `steps` (N,) times to the last frame: (B, N, K, 3)."""
    last = observed[:, -1:]  # (B, 1, K, 3)
    displacement = last - observed[:, -2:-1]
    return clamp_keypoints(last + steps[:, None, None] * displacement)


def free_running(model: RecurrentPredictor) -> Predictor:
    """Wraps a recurrent predictor: observes every given frame, then runs on its own mean path."""

    def forecast(observed: Tensor, horizon: int) -> Tensor:
        batch, frames, keypoints, _ = observed.shape
        unknown = observed.new_zeros(batch, horizon, keypoints, 3)
        timeline = torch.cat([observed, unknown], dim=1)
        mask = torch.cat([observed.new_ones(batch, frames), observed.new_zeros(batch, horizon)], 1)
        noise = observed.new_zeros(batch, frames + horizon, model.sizes.latent)
        state = observed.new_zeros(batch, model.state_size)
        with torch.inference_mode():
            return model.unroll(timeline, mask, noise, state).forecast[:, frames:]

    return forecast
