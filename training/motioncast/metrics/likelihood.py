"""How probable the truth is under a VRNN, and how often it lies within its samples' interval.

    NLL bound = (1 / 3K) (KL(q_t || p_t) - E_q[log p(d_t | z_t, h_{t-1})])  >=  -log p(d_t) / 3K

in nats per coordinate and frame, for the displacement d_t in units of its standard deviation over
the training set; a density of the keypoints themselves adds the mean log unit. Every frame is
conditioned on the true frames before it: the bound is for one step, not the free-running forecast.

    coverage = share of true coordinates inside the central interval of the samples

The interval lies between order statistics at level p (P + 1) of P samples, so a truth drawn from
the same distribution is covered with exactly the stated probability, for any P.

Shapes: B windows, T frames, K keypoints (x, y, intensity), Z latent, P samples.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from motioncast.metrics.keypoints import REFERENCE_SIZE, pixels_per_unit
from motioncast.models.predictors.vrnn import VRNN


@dataclass(frozen=True, slots=True)
class LikelihoodBound:
    """The negative ELBO (beta 1) and its terms, in nats per coordinate and frame."""

    nll: Tensor  # (B,), the bound, mean over the frames
    reconstruction: Tensor  # (B,), -E_q[log p(d | z, h)]
    kl: Tensor  # (B,), non-negative


@dataclass(frozen=True, slots=True)
class Coverage:
    """The coverage of stated intervals of x and y, frame by frame."""

    level: float  # the stated probability
    covered: Tensor  # (T,), share of true coordinates inside
    width_pixels: Tensor  # (T,), mean width of the interval at 256


@torch.inference_mode()
def likelihood_bound(model: VRNN, keypoints: Tensor, noise: Tensor) -> LikelihoodBound:
    """Bounds the likelihood of true keypoints (B, T, K, 3), T >= 2, without frame 0.

    noise: (P, B, T, Z), standard normal; the expectation over q is the mean over P.
    """
    observed = torch.ones_like(keypoints[..., 0, 0])
    start = keypoints.new_zeros(len(keypoints), model.state_size)
    terms = []
    for draw in noise:
        states = model.unroll(keypoints, observed, draw, start).states
        elbo = model.elbo(keypoints, states, draw)
        terms.append(torch.stack([-elbo.log_likelihood, elbo.kl])[..., 1:].double())
    coordinates = 3 * keypoints.shape[2]
    reconstruction, kl = torch.stack(terms).mean(dim=(0, -1)) / coordinates  # (B,) both
    return LikelihoodBound(reconstruction + kl, reconstruction, kl)


def interval_coverage(samples: Tensor, truth: Tensor, level: float = 0.9) -> Coverage:
    """Measures the central interval of samples (P, B, T, K, 3) against truth (B, T, K, 3).

    Raises ValueError when P samples are too few for the level: P + 1 >= 2 / (1 - level) must hold.
    """
    tail = (1 - level) / 2
    if tail * (len(samples) + 1) < 1 - 1e-9:
        raise ValueError(f"samples: {len(samples)} are too few for an interval of {level:.0%}")
    low, high = np.quantile(
        samples[..., :2].double().numpy(), [tail, 1 - tail], axis=0, method="weibull"
    )
    position = truth[..., :2].double().numpy()
    inside = (low <= position) & (position <= high)  # (B, T, K, 2)
    width = (high - low) * pixels_per_unit(REFERENCE_SIZE)
    return Coverage(
        level,
        torch.from_numpy(inside.mean(axis=(0, 2, 3))),
        torch.from_numpy(width.mean(axis=(0, 2, 3))),
    )
