"""KL per dimension agrees with torch.distributions and numeric integration; the latent path."""

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.integrate import quad
from torch.distributions import Normal, kl_divergence
from torch.testing import assert_close

from motioncast.models.predictors.recurrent import PredictorSizes
from motioncast.models.predictors.vrnn import VRNN, Gaussian
from motioncast.paper.metrics.latent import (
    LatentPath,
    kl_per_dimension,
    latent_path,
    latent_use,
)

SIZES = PredictorSizes(keypoints=3, hidden=8, latent=4, features=6)


def gaussian(seed: int, *shape: int) -> Gaussian:
    generator = torch.Generator().manual_seed(seed)
    mean = torch.randn(*shape, generator=generator, dtype=torch.float64)
    return Gaussian(mean, torch.rand(*shape, generator=generator, dtype=torch.float64) + 0.2)


def vrnn() -> VRNN:
    torch.manual_seed(0)
    return VRNN(SIZES).eval()


def tracks(batch: int = 2, frames: int = 6) -> torch.Tensor:
    return torch.rand(batch, frames, 3, 3, generator=torch.Generator().manual_seed(1)) * 0.5


def test_kl_per_dimension_agrees_with_torch_distributions() -> None:
    posterior, prior = gaussian(1, 5, 4), gaussian(2, 5, 4)
    theirs = kl_divergence(Normal(posterior.mean, posterior.std), Normal(prior.mean, prior.std))
    assert_close(kl_per_dimension(posterior, prior), theirs)


def test_kl_per_dimension_agrees_with_numeric_integration() -> None:
    posterior, prior = gaussian(3, 1), gaussian(4, 1)
    q = stats.norm(posterior.mean.item(), posterior.std.item())
    p = stats.norm(prior.mean.item(), prior.std.item())
    integral, _ = quad(lambda z: q.pdf(z) * (q.logpdf(z) - p.logpdf(z)), -12, 12, limit=200)
    assert kl_per_dimension(posterior, prior).item() == pytest.approx(integral, abs=1e-7)


def test_kl_of_the_dimensions_adds_up_to_that_of_the_bound() -> None:
    model, keypoints = vrnn(), tracks()
    noise = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(2))
    start = torch.zeros(2, model.state_size)
    states = model.unroll(keypoints, torch.ones(2, 6), noise, start).states
    expected = model.elbo(keypoints, states, noise).kl
    assert_close(latent_path(model, keypoints, noise).kl.sum(dim=-1), expected)


def test_a_latent_path_has_one_posterior_and_one_prior_per_frame() -> None:
    path = latent_path(vrnn(), tracks(batch=3, frames=7))
    assert path.posterior.mean.shape == path.prior.std.shape == path.kl.shape == (3, 7, 4)


def test_a_latent_path_at_a_frame_does_not_know_later_frames() -> None:
    model, keypoints = vrnn(), tracks(frames=6)
    other = keypoints.clone()
    other[:, 4:] = 0.9
    same = latent_path(model, keypoints), latent_path(model, other)
    assert_close(same[0].posterior.mean[:, :4], same[1].posterior.mean[:, :4])
    assert not torch.equal(same[0].posterior.mean[:, 4], same[1].posterior.mean[:, 4])


def test_a_collapsed_dimension_is_not_active() -> None:
    ones = torch.ones(1, 3, 2)
    shifted = torch.tensor([0.0, 1.0]).expand(1, 3, 2)
    path = LatentPath(posterior=Gaussian(shifted, ones), prior=Gaussian(torch.zeros(1, 3, 2), ones))
    use = latent_use(path)
    assert use.kl_nats.tolist() == pytest.approx([0.0, 0.5])
    assert use.active == 1
    assert use.total_nats == pytest.approx(0.5)


def test_the_first_frame_does_not_count() -> None:
    mean = torch.zeros(1, 3, 1)
    mean[0, 0] = 100.0
    ones = torch.ones(1, 3, 1)
    use = latent_use(LatentPath(Gaussian(mean, ones), Gaussian(torch.zeros(1, 3, 1), ones)))
    assert use.kl_nats.tolist() == [0.0]
    assert np.isclose(use.total_nats, 0)
