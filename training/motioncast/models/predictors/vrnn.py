"""The keypoint predictor: a variational recurrent network (paper, section 3; Chung et al. 2015).

    prior      p(z_t | h_{t-1})          posterior  q(z_t | x_t, h_{t-1})
    decoder    p(x_t | z_t, h_{t-1})     recurrence h_t = f(psi_x(x_t), psi_z(z_t), h_{t-1})

The prior and posterior are Gaussian, the decoder is Laplace over the displacement, and the model is
trained on

    ELBO = sum_t E_q[log p(x_t | z_<=t, x_<t)] - beta KL(q_t || p_t).

At an observed step z comes from the posterior; at a predicted step z comes from the prior, and x is
the network's own forecast. Sizes follow Minderer et al. (2019).

Shapes: B batch, T time, K keypoints, Z latent, H hidden, S state, F features.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from motioncast.models.predictors.coordinates import as_keypoints, take
from motioncast.models.predictors.gated import GatedRecurrence
from motioncast.models.predictors.recurrent import (
    Advance,
    Memory,
    MotionStatistics,
    PredictorSizes,
    RecurrentPredictor,
)

MINIMUM_STD = 1e-4  # of a latent coordinate (Minderer et al.)
MINIMUM_SCALE = 1e-2  # of the decoder, in units of the displacement's standard deviation


@dataclass(frozen=True, slots=True)
class Gaussian:
    """A diagonal Gaussian over the latent."""

    mean: Tensor  # (..., Z)
    std: Tensor  # (..., Z), positive

    def sample(self, noise: Tensor) -> Tensor:
        """Maps standard normal noise (..., Z) to a sample; zero noise gives the mean."""
        return self.mean + self.std * noise

    def kl(self, prior: "Gaussian") -> Tensor:
        """KL(self || prior) in nats, summed over the latent: (...)."""
        ratio = (self.std / prior.std).square()
        shift = ((self.mean - prior.mean) / prior.std).square()
        return 0.5 * (ratio + shift - 1 - ratio.log()).sum(dim=-1)


@dataclass(frozen=True, slots=True)
class Laplace:
    """Independent Laplace distributions; the mean minimises the expected L1 error."""

    mean: Tensor  # (..., D)
    scale: Tensor  # (..., D), positive

    def log_likelihood(self, value: Tensor) -> Tensor:
        """log p(value) in nats, summed over the D coordinates: (...)."""
        distance = (value - self.mean).abs() / self.scale
        return -(distance + (2 * self.scale).log()).sum(dim=-1)


@dataclass(frozen=True, slots=True)
class Elbo:
    """The two terms of the evidence lower bound, in nats per step."""

    log_likelihood: Tensor  # (B, T)
    kl: Tensor  # (B, T), non-negative

    def value(self, beta: float = 1.0) -> Tensor:
        """Returns log-likelihood minus beta times KL, (B, T)."""
        return self.log_likelihood - beta * self.kl


class VRNN(RecurrentPredictor):
    """Forecasts keypoints through a latent variable (paper, section 3)."""

    def __init__(self, sizes: PredictorSizes, statistics: MotionStatistics | None = None) -> None:
        super().__init__(sizes, statistics)
        hidden, latent, features = sizes.hidden, sizes.latent, sizes.features
        coordinates = 3 * sizes.keypoints
        self.psi_x = nn.Sequential(nn.Linear(self.description_size, features), nn.ReLU())
        self.psi_z = nn.Sequential(nn.Linear(latent, features), nn.ReLU())
        self.prior_network = two_layers(hidden, features, 2 * latent)
        self.posterior_network = two_layers(features + hidden, features, 2 * latent)
        self.decoder_network = two_layers(features + hidden, features, self.code_size + coordinates)
        self.recurrence = GatedRecurrence(2 * features, hidden)
        self.spread_network = two_layers(hidden + coordinates, features, coordinates)

    def own(self, memory: Memory) -> Tensor:
        """Returns the recurrence's part of the hidden state, (..., H); here all of it."""
        return memory.hidden

    def prior(self, hidden: Tensor) -> Gaussian:
        """p(z_t | h_{t-1})."""
        return _gaussian(self.prior_network(hidden))

    def posterior(self, x: Tensor, hidden: Tensor) -> Gaussian:
        """q(z_t | x_t, h_{t-1}) from psi_x(x_t) of (..., F)."""
        return _gaussian(self.posterior_network(torch.cat([x, hidden], dim=-1)))

    def decoder(self, z: Tensor, hidden: Tensor) -> Laplace:
        """p(x_t | z_t, h_{t-1}) over the displacement in units, without its drift, (..., 3K)."""
        output = self.decoder_network(torch.cat([self.psi_z(z), hidden], dim=-1))
        mean, scale = output.split([self.code_size, 3 * self.sizes.keypoints], dim=-1)
        return Laplace(self.expand(mean), F.softplus(scale) + MINIMUM_SCALE)

    def spread(self, memory: Memory) -> Tensor:
        """Returns the expected size of the forecast's error, in units (..., K, 3).

        Computed from the hidden state, which encodes how the face moves and for how long it has not
        been observed, and from the surprise. The forecast itself does not read the surprise: that
        made it worse on people who are hard to forecast.
        """
        known = torch.cat([self.own(memory), memory.surprise.log().flatten(-2)], dim=-1)
        return as_keypoints(F.softplus(self.spread_network(known)) + MINIMUM_SCALE)

    def advance(
        self, memory: Memory, keypoints: Tensor, observed: Tensor, noise: Tensor
    ) -> Advance:
        """Forecasts and processes one frame (see RecurrentPredictor); the noise draws z_t."""
        before = self.own(memory)
        predicted_z = self.prior(before).sample(noise)  # (B, Z)
        forecast = self.place(memory, self.decoder(predicted_z, before).mean)
        current = take(observed, keypoints, forecast)  # (B, K, 3)
        x = self.psi_x(self.describe(memory, current, observed))  # (B, F)
        observed_z = self.posterior(x, before).sample(noise)
        z = take(observed, observed_z, predicted_z)
        hidden = self.recurrence(torch.cat([x, self.psi_z(z)], dim=-1), before)
        return Advance(forecast, current, hidden)

    def silence(self) -> None:
        """Makes the network forecast no displacement: it repeats the frame before."""
        last = self.decoder_network[-1]
        assert isinstance(last, nn.Linear)
        with torch.no_grad():
            for parameter in (last.weight, last.bias):
                parameter[: self.code_size] = 0.0
            if not self.reads_positions:
                self.slope.zero_()

    def elbo(self, keypoints: Tensor, states: Tensor, noise: Tensor) -> Elbo:
        """Bounds the log-likelihood of the true keypoints, given the states before every step.

        Args:
            keypoints: (B, T, K, 3), the true keypoints, including those of predicted steps.
            states: (B, T, S) from `unroll`: teacher-forced where "observed" was set, on the
                network's own output elsewhere.
            noise: (B, T, Z), standard normal; at observed steps the noise of that unroll.

        Returns:
            The terms of every step. Those of steps before any frame was seen are meaningless.
        """
        memory = self.recall(states)
        observed = torch.ones_like(states[..., 0])  # the posterior always sees the truth
        x = self.psi_x(self.describe(memory, keypoints, observed))
        before = self.own(memory)
        posterior = self.posterior(x, before)
        decoded = self.decoder(posterior.sample(noise), before)
        displacement = self.displacement(memory, keypoints) - self.drift(memory)
        return Elbo(
            log_likelihood=decoded.log_likelihood(displacement.flatten(-2)),  # (B, T)
            kl=posterior.kl(self.prior(before)),
        )


def two_layers(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    """Builds linear -> ReLU -> linear."""
    return nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, outputs))


def _gaussian(parameters: Tensor) -> Gaussian:
    mean, std = parameters.chunk(2, dim=-1)
    return Gaussian(mean, F.softplus(std) + MINIMUM_STD)
