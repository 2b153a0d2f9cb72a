"""What predictors are trained on: the free-running forecast error, and the paper's ELBO (VRNN).

    loss = mean over steps of  sum_k w_h |forecast_t - x_t| / unit   -   weight * ELBO_t

The timeline of a training window alternates observed and predicted stretches, so the recurrence
learns both to live on its own output and to take up the truth again. h is the number of frames
since the last observed one; w_h = h^-1/2 keeps far horizons, whose errors are larger, from drowning
near ones.

Shapes: B batch, T time, K keypoints, Z latent, S state.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from motioncast.models.predictor import RecurrentPredictor, Unrolled
from motioncast.models.vrnn import VRNN

# Observed:predicted stretches: the paper's 1:1 and 5:27, the evaluation's 10:12, and others.
PATTERNS = ((1, 1), (1, 3), (2, 3), (5, 5), (5, 27), (10, 12), (10, 22))
INTENSITY_WEIGHT = 0.5  # against x and y


@dataclass(frozen=True, slots=True)
class LossWeights:
    """How the terms are weighed."""

    elbo: float = 0.1
    beta: float = 0.1  # of the KL divergence within the ELBO


def random_patterns(batch: int, frames: int, generator: torch.Generator) -> Tensor:
    """Draws which frames are observed, (B, T) of 0 and 1; the first one always is.

    Half of the timelines begin at the start of a pattern, half anywhere within it.
    """
    draws = torch.rand(batch, 3, generator=generator)
    stretches = torch.tensor(PATTERNS)[(draws[:, 0] * len(PATTERNS)).long()]  # (B, 2)
    period = stretches.sum(dim=1)
    phase = (draws[:, 1] * period).long() * (draws[:, 2] < 0.5)
    position = (torch.arange(frames) + phase[:, None]) % period[:, None]  # (B, T)
    observed = (position < stretches[:, :1]).float()
    observed[:, 0] = 1.0
    return observed


def horizons(observed: Tensor) -> Tensor:
    """Returns how many frames before each step the last observed one was, (B, T); first step 1."""
    index = torch.arange(observed.shape[1]).expand_as(observed)
    last = torch.where(observed > 0, index, -1).cummax(dim=1).values
    before = torch.nn.functional.pad(last[:, :-1], (1, 0), value=-1)
    return index - before


def forecast_loss(
    model: RecurrentPredictor, unrolled: Unrolled, keypoints: Tensor, observed: Tensor
) -> Tensor:
    """Returns the weighted L1 error in units, averaged over all steps but the first."""
    error = (unrolled.forecast - keypoints).abs() / model.unit  # (B, T, K, 3)
    weight = error.new_tensor([1.0, 1.0, INTENSITY_WEIGHT])
    per_step = (error * weight).mean(dim=(-2, -1)) * horizons(observed).float().rsqrt()
    return per_step[:, 1:].mean()


def predictor_loss(
    model: RecurrentPredictor,
    keypoints: Tensor,
    observed: Tensor,
    noise: Tensor,
    weights: LossWeights,
) -> Tensor:
    """Returns the loss of windows (B, T, K, 3) whose first frame is observed.

    The forecast follows the mean path; the noise (B, T, Z) draws from the posterior alone.
    """
    path_noise = noise * observed[..., None]
    state = keypoints.new_zeros(len(keypoints), model.state_size)
    unrolled = model.unroll(keypoints, observed, path_noise, state)
    loss = forecast_loss(model, unrolled, keypoints, observed)
    if isinstance(model, VRNN):
        elbo = model.elbo(keypoints, unrolled.states, noise).value(weights.beta)
        coordinates = 3 * model.sizes.keypoints
        loss = loss - weights.elbo * elbo[:, 1:].mean() / coordinates
    return loss
