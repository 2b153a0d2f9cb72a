"""The VRNN's distributions, its bound and its step."""

import torch
from torch import Tensor
from torch.distributions import Laplace as TorchLaplace
from torch.distributions import Normal, kl_divergence
from torch.nn import functional as F
from torch.testing import assert_close

from motioncast.models.predictors.recurrent import MotionStatistics, PredictorSizes
from motioncast.models.predictors.vrnn import VRNN, Gaussian, Laplace

SIZES = PredictorSizes(keypoints=3, hidden=8, latent=4, features=6)


def gaussian(seed: int) -> Gaussian:
    generator = torch.Generator().manual_seed(seed)
    return Gaussian(
        mean=torch.randn(5, 4, generator=generator),
        std=torch.rand(5, 4, generator=generator) + 0.1,
    )


def log_probability(distribution: TorchLaplace, value: Tensor) -> Tensor:
    probability: Tensor = distribution.log_prob(value)  # type: ignore[no-untyped-call]
    return probability


def model() -> VRNN:
    torch.manual_seed(0)
    statistics = MotionStatistics(
        mean=torch.full((3, 3), 0.1), std=torch.full((3, 3), 0.5), unit=torch.full((3, 3), 0.02)
    )
    return VRNN(SIZES, statistics).eval()


def test_kl_of_standard_normals_one_apart_is_one_half() -> None:
    shifted = Gaussian(mean=torch.ones(1, 1), std=torch.ones(1, 1))
    standard = Gaussian(mean=torch.zeros(1, 1), std=torch.ones(1, 1))
    assert_close(shifted.kl(standard), torch.tensor([0.5]))


def test_kl_agrees_with_torch_distributions() -> None:
    posterior, prior = gaussian(1), gaussian(2)
    expected = kl_divergence(Normal(posterior.mean, posterior.std), Normal(prior.mean, prior.std))
    assert_close(posterior.kl(prior), expected.sum(dim=-1))


def test_zero_noise_samples_the_mean() -> None:
    assert_close(gaussian(3).sample(torch.zeros(5, 4)), gaussian(3).mean)


def test_samples_have_the_mean_and_spread_of_their_gaussian() -> None:
    noise = torch.randn(200_000, 1, 4, generator=torch.Generator().manual_seed(0))
    wide = Gaussian(mean=torch.full((1, 4), 3.0), std=torch.full((1, 4), 2.0))
    samples = wide.sample(noise)
    assert_close(samples.mean(dim=0), wide.mean, atol=0.02, rtol=0)
    assert_close(samples.std(dim=0), wide.std, atol=0.02, rtol=0)


def test_laplace_log_likelihood_agrees_with_torch_distributions() -> None:
    mean, scale, value = torch.randn(2, 6), torch.rand(2, 6) + 0.1, torch.randn(2, 6)
    expected = log_probability(TorchLaplace(mean, scale), value).sum(dim=-1)
    assert_close(Laplace(mean, scale).log_likelihood(value), expected)


def test_elbo_of_one_step_is_the_expected_log_likelihood_minus_beta_kl() -> None:
    vrnn = model()
    hidden, noise = torch.randn(1, 8), torch.randn(1, 4)
    previous, truth = torch.rand(1, 3, 3) * 0.5, torch.rand(1, 3, 3) * 0.5
    unused = torch.zeros(1, 9 + 9 + 9 + 1)  # velocity, surprise, deviation, elapsed
    state = torch.cat([hidden, previous.flatten(1), unused, torch.ones(1, 1)], dim=1)

    # The same step by the paper's formulas, with raw weights and torch.distributions.
    displacement = (truth - previous) / 0.02
    described = torch.cat(
        [(truth - 0.1).flatten(1) / 0.5, displacement.flatten(1), torch.ones(1, 1)], dim=1
    )
    weights = dict(vrnn.named_parameters())

    def linear(name: str, inputs: Tensor) -> Tensor:
        return inputs @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def network(name: str, inputs: Tensor) -> tuple[Tensor, Tensor]:
        first, second = linear(f"{name}.2", linear(f"{name}.0", inputs).relu()).chunk(2, dim=1)
        return first, second

    prior_mean, prior_std = network("prior_network", hidden)
    x = linear("psi_x.0", described).relu()
    posterior_mean, posterior_std = network("posterior_network", torch.cat([x, hidden], dim=1))
    posterior = Normal(posterior_mean, F.softplus(posterior_std) + 1e-4)
    prior = Normal(prior_mean, F.softplus(prior_std) + 1e-4)
    z = posterior.mean + posterior.stddev * noise
    psi_z = linear("psi_z.0", z).relu()
    decoded, scale = network("decoder_network", torch.cat([psi_z, hidden], dim=1))
    likelihood = TorchLaplace(decoded, F.softplus(scale) + 1e-2)
    expected = (
        log_probability(likelihood, displacement.flatten(1)).sum()
        - 0.3 * kl_divergence(posterior, prior).sum()
    )

    elbo = vrnn.elbo(truth[:, None], state[:, None], noise[:, None])
    assert_close(elbo.value(beta=0.3), expected.reshape(1, 1))


def test_kl_of_a_training_unroll_is_never_negative() -> None:
    vrnn = model()
    keypoints, observed = torch.rand(2, 9, 3, 3), (torch.rand(2, 9) < 0.5).float()
    noise = torch.randn(2, 9, 4)
    states = vrnn.unroll(keypoints, observed, noise, torch.zeros(2, vrnn.state_size)).states
    assert (vrnn.elbo(keypoints, states, noise).kl >= 0).all()


def test_noise_moves_the_forecast_of_a_vrnn_around_its_mean_path() -> None:
    vrnn = model()
    keypoints, observed = torch.rand(1, 1, 3, 3) * 0.5, torch.ones(1, 1)
    seen = vrnn(keypoints, observed, torch.zeros(1, 1, 4), torch.zeros(1, vrnn.state_size))[1]
    unknown, predicted = torch.zeros(1, 1, 3, 3), torch.zeros(1, 1)
    mean, _ = vrnn(unknown, predicted, torch.zeros(1, 1, 4), seen)
    drawn, _ = vrnn(unknown, predicted, torch.ones(1, 1, 4), seen)
    assert not torch.equal(mean, drawn)
