"""The likelihood bound agrees with an exact likelihood; coverage of known samples."""

import math

import pytest
import torch
from scipy import stats
from scipy.integrate import quad
from torch import Tensor

from motioncast.metrics.likelihood import interval_coverage, likelihood_bound
from motioncast.models.predictors.recurrent import PredictorSizes
from motioncast.models.predictors.vrnn import MINIMUM_SCALE, MINIMUM_STD, VRNN

SIZES = PredictorSizes(keypoints=1, hidden=4, latent=1, features=3)
SHIFT = 0.7  # of the posterior's mean


def linear_vrnn(gain: float) -> VRNN:
    """Returns a VRNN: constant prior N(0, 1), posterior N(SHIFT, 1), decoder Laplace(gain z, 1)."""
    model = VRNN(SIZES).eval()
    weights = dict(model.named_parameters())
    with torch.no_grad():
        for parameter in weights.values():
            parameter.zero_()
        one = math.log(math.expm1(1 - MINIMUM_STD))  # its softplus plus the minimum is 1
        weights["prior_network.2.bias"].copy_(torch.tensor([0.0, one]))
        weights["posterior_network.2.bias"].copy_(torch.tensor([SHIFT, one]))
        scale = math.log(math.expm1(1 - MINIMUM_SCALE))
        weights["decoder_network.2.bias"].copy_(torch.tensor([0.0] * 3 + [scale] * 3))
        # z = relu(z) - relu(-z) through both hidden layers, affecting only x.
        weights["psi_z.0.weight"].copy_(torch.tensor([[1.0], [-1.0], [0.0]]))
        weights["decoder_network.0.weight"][:, :3].copy_(torch.eye(3))
        weights["decoder_network.2.weight"][0].copy_(torch.tensor([gain, -gain, 0.0]))
    return model


def walk(frames: int) -> Tensor:
    """Returns a walk with steps of -1, 0 or 1 in x."""
    generator = torch.Generator().manual_seed(0)
    steps = torch.zeros(1, frames, 1, 3)
    steps[..., 0] = torch.randint(-1, 2, (1, frames, 1), generator=generator).float()
    return steps.cumsum(dim=1)


def draws(count: int, frames: int) -> Tensor:
    return torch.randn(count, 1, frames, 1, generator=torch.Generator().manual_seed(1))


def test_the_prepared_network_has_the_distributions_that_it_claims() -> None:
    model = linear_vrnn(gain=0.5)
    hidden = torch.zeros(1, 4)
    assert model.prior(hidden).std.item() == pytest.approx(1)
    assert model.posterior(torch.zeros(1, 3), hidden).mean.item() == pytest.approx(SHIFT)
    for z in (-2.0, 1.0):
        decoded = model.decoder(torch.tensor([[z]]), hidden)
        assert decoded.mean.flatten().tolist() == pytest.approx([0.5 * z, 0, 0])
        assert decoded.scale.flatten().tolist() == pytest.approx([1.0] * 3)


def test_the_bound_is_kl_minus_the_expected_log_likelihood_in_closed_form() -> None:
    keypoints = walk(20)
    bound = likelihood_bound(linear_vrnn(gain=0.0), keypoints, draws(2, 20))
    # Laplace(0, 1) in three coordinates, of which only x moves; the KL of N(0.7, 1) is 0.7^2 / 2.
    distance = keypoints.diff(dim=1)[..., 0].abs().mean().item()
    assert bound.reconstruction.item() == pytest.approx(math.log(2) + distance / 3, rel=1e-5)
    assert bound.kl.item() == pytest.approx(SHIFT**2 / 2 / 3, rel=1e-5)
    assert bound.nll.item() == pytest.approx((bound.reconstruction + bound.kl).item())


def test_the_bound_with_a_latent_agrees_with_numeric_integration_and_stays_above_the_truth() -> (
    None
):
    frames, gain = 12, 0.5
    keypoints = walk(frames)
    copies = keypoints.expand(4000, frames, 1, 3)  # faster than drawing 4000 times
    noise = draws(4000, frames).transpose(0, 1)  # (1, 4000, T, 1)
    bound = likelihood_bound(linear_vrnn(gain), copies, noise).nll.mean().item()

    steps = keypoints.diff(dim=1)[..., 0].flatten().tolist()
    posterior, prior = stats.norm(SHIFT, 1), stats.norm(0, 1)

    def log_p(d: float, z: float) -> float:
        return float(stats.laplace.logpdf(d, gain * z)) - 2 * math.log(2)

    terms = {
        d: (
            quad(lambda z, d=d: posterior.pdf(z) * log_p(d, z), -8, 8)[0],
            math.log(quad(lambda z, d=d: prior.pdf(z) * math.exp(log_p(d, z)), -8, 8)[0]),
        )
        for d in set(steps)
    }
    elbo = sum(terms[d][0] - SHIFT**2 / 2 for d in steps) / len(steps)
    log_likelihood = sum(terms[d][1] for d in steps) / len(steps)
    assert bound == pytest.approx(-elbo / 3, abs=0.003)
    assert bound > -log_likelihood / 3


def test_samples_drawn_like_the_truth_cover_it_as_often_as_stated() -> None:
    generator = torch.Generator().manual_seed(3)
    samples = torch.randn(39, 4000, 2, 1, 3, generator=generator)
    truth = torch.randn(4000, 2, 1, 3, generator=generator)
    for level in (0.9, 0.5):
        covered = interval_coverage(samples, truth, level).covered
        error = math.sqrt(level * (1 - level) / 8000)
        assert (covered - level).abs().max().item() < 4 * error


def test_samples_of_half_the_spread_cover_as_often_as_a_normal_says() -> None:
    generator = torch.Generator().manual_seed(4)
    samples = 0.5 * torch.randn(999, 1500, 1, 1, 3, generator=generator)
    truth = torch.randn(1500, 1, 1, 3, generator=generator)
    coverage = interval_coverage(samples, truth, 0.9)
    expected = 2 * stats.norm.cdf(0.5 * stats.norm.ppf(0.95)) - 1
    assert coverage.covered.item() == pytest.approx(expected, abs=0.03)
    assert coverage.width_pixels.item() == pytest.approx(stats.norm.ppf(0.95) * 127.5, rel=0.02)


def test_intensity_does_not_count_as_covered_or_not() -> None:
    samples = torch.linspace(-1, 1, 19)[:, None, None, None, None].expand(19, 2, 3, 1, 3)
    truth = torch.zeros(2, 3, 1, 3)
    truth[..., 2] = 50.0
    assert interval_coverage(samples, truth).covered.tolist() == [1.0, 1.0, 1.0]


def test_an_interval_that_so_few_samples_cannot_state_is_refused() -> None:
    with pytest.raises(ValueError, match="18 are too few for an interval of 90%"):
        interval_coverage(torch.zeros(18, 1, 1, 1, 3), torch.zeros(1, 1, 1, 3))
