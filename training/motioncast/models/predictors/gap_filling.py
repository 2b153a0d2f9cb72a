"""A common call for all predictors: takes a timeline with gaps and fills them, free running.

A gap begins after frame t, the last observed one; p is the observed frame before t, and
v = (x_t - x_p) / (t - p) is the velocity, as if the frames between them had been interpolated
linearly in hindsight (0 when t is the only frame observed so far):

    hold      x_{t+h} = x_t
    linear    x_{t+h} = x_t + h v
    damped    x_{t+h} = x_t + (s + s^2 + ... + s^h) v

Shapes: B batch, T time, M observed frames, N horizon, S samples, K keypoints (x, y, intensity).
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from motioncast.models.predictors.coordinates import clamp_keypoints
from motioncast.models.predictors.recurrent import RecurrentPredictor
from motioncast.timeline.pattern import Pattern

DAMPED_SLOPE = 0.7


class Predictor(Protocol):
    """Anything that forecasts the missing keypoints of a timeline from those before them."""

    def __call__(self, keypoints: Tensor, observed: Tensor) -> Tensor:
        """Fills the gaps of a timeline.

        Args:
            keypoints: (B, T, K, 3); those of unobserved frames are never read and may be NaN.
            observed: (T,) bool, the first frame True.

        Returns:
            (B, T, K, 3), the given keypoints where observed; elsewhere the forecast from the
            earlier observed frames and the predictor's own output.
        """
        ...


Sampler = Callable[[Tensor, Tensor], Tensor]  # (B, T, K, 3), (T,) -> (S, B, T, K, 3)


def pattern(observed: int, predicted: int, frames: int) -> Tensor:
    """Returns a mask (T,) of M frames True, then N False, repeated and cut at `frames`."""
    if frames < 1:
        raise ValueError(f"pattern: {frames} frames (expected 1 or more)")
    return torch.tensor(Pattern(observed, predicted).mask(frames))


def continue_free(predictor: Predictor, observed: Tensor, horizon: int) -> Tensor:
    """Forecasts the N frames (B, N, K, 3) after the observed ones (B, M, K, 3)."""
    batch, frames, keypoints, _ = observed.shape
    unknown = observed.new_full((batch, horizon, keypoints, 3), torch.nan)
    timeline = torch.cat([observed, unknown], dim=1)
    return predictor(timeline, torch.arange(frames + horizon) < frames)[:, frames:]


def hold(keypoints: Tensor, observed: Tensor) -> Tensor:
    """Repeats the last observed frame."""
    return extrapolate(keypoints, observed, torch.zeros_like)


def linear(keypoints: Tensor, observed: Tensor) -> Tensor:
    """Continues at the last observed velocity."""
    return extrapolate(keypoints, observed, lambda horizon: horizon)


def damped(keypoints: Tensor, observed: Tensor, slope: float = DAMPED_SLOPE) -> Tensor:
    """Continues from the last observed velocity, multiplied by `slope` at every frame."""
    return extrapolate(
        keypoints, observed, lambda horizon: slope * (1 - slope**horizon) / (1 - slope)
    )


def extrapolate(
    keypoints: Tensor, observed: Tensor, travelled: Callable[[Tensor], Tensor]
) -> Tensor:
    """Fills gaps with the last observed frame plus `travelled(horizon)` times its velocity."""
    check_timeline(keypoints, observed)
    observed = observed.to(keypoints.device)
    last, before = history(observed, 2).unbind(dim=1)  # (T,) each
    elapsed = (last - before).clamp(min=1)
    velocity = (keypoints[:, last] - keypoints[:, before]) / elapsed[:, None, None]
    horizon = torch.arange(len(observed), device=last.device) - last
    forecast = keypoints[:, last] + travelled(horizon.float())[:, None, None] * velocity
    return fill(keypoints, observed, clamp_keypoints(forecast))


def history(observed: Tensor, count: int) -> Tensor:
    """Returns the indices (T, count) of the last observed frames up to each frame, newest first.

    If fewer have been observed, the oldest of them stands in for the rest.
    """
    indices = observed.nonzero().flatten()
    seen = observed.long().cumsum(dim=0)  # (T,), at least 1
    lags = torch.arange(count, device=observed.device)
    return indices[(seen[:, None] - 1 - lags).clamp(min=0)]


def fill(keypoints: Tensor, observed: Tensor, forecast: Tensor) -> Tensor:
    """Takes the given keypoints (B, T, K, 3) where observed (T,), the forecast elsewhere."""
    return torch.where(observed[:, None, None].to(keypoints.device), keypoints, forecast)


def free_running(model: RecurrentPredictor) -> Predictor:
    """Wraps a recurrent predictor: its mean path, fed its own output in every gap."""

    def predict(keypoints: Tensor, observed: Tensor) -> Tensor:
        check_timeline(keypoints, observed)
        noise = keypoints.new_zeros(*keypoints.shape[:2], model.sizes.latent)
        return run_free(model, keypoints, observed, noise)

    return predict


class StatedForecast(NamedTuple):
    """The N frames after the observed ones, and the predictor's uncertainty about them."""

    forecast: Tensor  # (B, N, K, 3)
    half_width90: Tensor  # (B, N, K, 3), half the width of the 90 % interval around it


def continue_with_interval(
    model: RecurrentPredictor, observed: Tensor, horizon: int
) -> StatedForecast:
    """Forecasts the N frames after the observed ones (B, M, K, 3) with their 90 % interval."""
    batch, frames, keypoints, _ = observed.shape
    unknown = observed.new_zeros(batch, horizon, keypoints, 3)
    timeline = torch.cat([observed, unknown], dim=1)
    mask = (torch.arange(frames + horizon) < frames).to(observed).expand(batch, -1)
    noise = observed.new_zeros(batch, frames + horizon, model.sizes.latent)
    with torch.inference_mode():
        run = model.unroll(timeline, mask, noise, observed.new_zeros(batch, model.state_size))
        half_width90 = model.half_width90(run.states[:, frames:])
    return StatedForecast(run.forecast[:, frames:].clone(), half_width90.clone())


def sampled(model: RecurrentPredictor, generator: torch.Generator, samples: int) -> Sampler:
    """Wraps a recurrent predictor: S paths drawn at random, (S, B, T, K, 3).

    The paths spread according to the stated interval (interval.py), or according to the latent if
    the predictor was never calibrated. Every call advances the generator.
    """

    def predict(keypoints: Tensor, observed: Tensor) -> Tensor:
        check_timeline(keypoints, observed)
        drawn = model.noise_size if model.states_interval else model.sizes.latent
        shape = (samples, *keypoints.shape[:2], drawn)
        noises = torch.randn(shape, generator=generator).to(keypoints)
        return torch.stack([run_free(model, keypoints, observed, noise) for noise in noises])

    return predict


def run_free(
    model: RecurrentPredictor, keypoints: Tensor, observed: Tensor, noise: Tensor
) -> Tensor:
    """Fills the gaps along the path drawn by the noise (B, T, Z): (B, T, K, 3)."""
    state = keypoints.new_zeros(len(keypoints), model.state_size)
    mask = observed.to(keypoints).expand(len(keypoints), -1)
    with torch.inference_mode():
        forecast = model.unroll(keypoints, mask, noise, state).forecast
    return fill(keypoints, observed, forecast.clone())  # usable outside inference mode


def check_timeline(keypoints: Tensor, observed: Tensor) -> None:
    """Raises ValueError unless keypoints are (B, T, K, 3) and observed (T,) begins with True."""
    if keypoints.dim() != 4 or keypoints.shape[-1] != 3:
        raise ValueError(f"keypoints: shape {tuple(keypoints.shape)}, expected (B, T, K, 3)")
    if observed.dtype != torch.bool or observed.shape != keypoints.shape[1:2]:
        raise ValueError(
            f"observed: {observed.dtype} of shape {tuple(observed.shape)},"
            f" expected bool of shape ({keypoints.shape[1]},)"
        )
    if not observed[0]:
        raise ValueError("observed: the first frame must be observed")
