"""The latent path of a VRNN over observed keypoints, and its KL divergence per dimension.

    KL_i = 0.5 (s_q^2 / s_p^2 + (m_q - m_p)^2 / s_p^2 - 1 - log(s_q^2 / s_p^2))        in nats

between posterior N(m_q, s_q^2) and prior N(m_p, s_p^2) of dimension i. A dimension whose mean KL is
near zero carries no information: its posterior has collapsed onto the prior (Bowman et al. 2016).

Shapes: B windows, T frames, K keypoints, Z latent.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from motioncast.models.predictors.vrnn import VRNN, Gaussian

ACTIVE_KL_NATS = 0.01  # a dimension below this is unused


@dataclass(frozen=True, slots=True)
class LatentPath:
    """Posterior and prior of every frame, each given the true keypoints of all frames before."""

    posterior: Gaussian  # (B, T, Z)
    prior: Gaussian  # (B, T, Z)

    @property
    def kl(self) -> Tensor:
        """KL(posterior || prior) in nats, (B, T, Z)."""
        return kl_per_dimension(self.posterior, self.prior)


@dataclass(frozen=True, slots=True)
class LatentUse:
    """The information in each latent dimension, averaged over windows and frames."""

    kl_nats: Tensor  # (Z,)
    active: int  # dimensions above ACTIVE_KL_NATS

    @property
    def total_nats(self) -> float:
        """The KL of all dimensions together, per frame."""
        return float(self.kl_nats.sum())


@torch.inference_mode()
def latent_path(model: VRNN, keypoints: Tensor, noise: Tensor | None = None) -> LatentPath:
    """Runs the model over true keypoints (B, T, K, 3); noise (B, T, Z) draws z, None its mean.

    At frame 0 nothing has been seen before: its prior and displacement are meaningless.
    """
    batch, frames = keypoints.shape[:2]
    noise = keypoints.new_zeros(batch, frames, model.sizes.latent) if noise is None else noise
    observed = keypoints.new_ones(batch, frames)
    start = keypoints.new_zeros(batch, model.state_size)
    memory = model.recall(model.unroll(keypoints, observed, noise, start).states)
    x = model.psi_x(model.describe(memory, keypoints, observed))
    return LatentPath(model.posterior(x, memory.hidden), model.prior(memory.hidden))


def latent_use(path: LatentPath) -> LatentUse:
    """Averages the KL over windows and over all frames but the first."""
    mean = path.kl[:, 1:].double().mean(dim=(0, 1))
    return LatentUse(mean, int((mean > ACTIVE_KL_NATS).sum()))


def kl_per_dimension(posterior: Gaussian, prior: Gaussian) -> Tensor:
    """Returns KL(posterior || prior) in nats of every dimension, (..., Z)."""
    ratio = (posterior.std / prior.std).square()
    shift = ((posterior.mean - prior.mean) / prior.std).square()
    return 0.5 * (ratio + shift - 1 - ratio.log())
