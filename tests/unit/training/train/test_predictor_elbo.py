"""The ELBO as the predictors' training objective, computed independently."""

import numpy as np
import pytest
import torch
from support.small_predictors import SIZES, Array, draw, model, total_loss, windows
from torch.testing import assert_close

from motioncast.models.predictors.recurrent import (
    RecurrentPredictor,
)
from motioncast.train.predictor_loss import (
    LossWeights,
    annealed_beta,
    loss_terms,
)


def numpy_elbo(
    vrnn: RecurrentPredictor, keypoints: Array, noise: Array, beta: float
) -> tuple[float, float]:
    """Returns means of ELBO and KL over steps 1.., from the paper's equations in numpy."""
    weights = {name: value.double().numpy() for name, value in vrnn.state_dict().items()}

    def linear(name: str, x: Array) -> Array:
        mapped: Array = x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]
        return mapped

    def two(name: str, x: Array) -> tuple[Array, Array]:
        first, second = np.split(linear(f"{name}.2", np.maximum(linear(f"{name}.0", x), 0)), 2, 1)
        return first, np.log1p(np.exp(second))

    def sigmoid(x: Array) -> Array:
        return 1 / (1 + np.exp(-x))

    batch, frames = keypoints.shape[:2]
    hidden = np.zeros((batch, SIZES.hidden))
    previous = np.zeros((batch, 6))
    bounds, divergences = [], []
    for t in range(frames):
        x = keypoints[:, t].reshape(batch, 6)
        displacement = (x - previous) / 0.05 if t else np.zeros_like(x)
        read = np.concatenate([(x - 0.4) / 0.3, displacement, np.ones((batch, 1))], axis=1)
        psi_x = np.maximum(linear("psi_x.0", read), 0)
        prior_mean, prior_std = two("prior_network", hidden)
        mean, std = two("posterior_network", np.concatenate([psi_x, hidden], axis=1))
        prior_std, std = prior_std + 1e-4, std + 1e-4
        z = mean + std * noise[:, t]
        psi_z = np.maximum(linear("psi_z.0", z), 0)
        centre, scale = two("decoder_network", np.concatenate([psi_z, hidden], axis=1))
        scale = scale + 1e-2
        log_likelihood = -(np.abs(displacement - centre) / scale + np.log(2 * scale)).sum(axis=1)
        ratio, shift = (std / prior_std) ** 2, ((mean - prior_mean) / prior_std) ** 2
        kl = 0.5 * (ratio + shift - 1 - np.log(ratio)).sum(axis=1)
        if t:
            bounds.append(log_likelihood - beta * kl)
            divergences.append(kl)
        inputs = linear("recurrence.from_input", np.concatenate([psi_x, psi_z], axis=1))
        own = linear("recurrence.from_hidden", hidden)
        (reset_x, update_x, new_x), (reset_h, update_h, new_h) = (
            np.split(part, 3, axis=1) for part in (inputs, own)
        )
        update = sigmoid(update_x + update_h)
        new = np.tanh(new_x + sigmoid(reset_x + reset_h) * new_h)
        hidden, previous = (1 - update) * new + update * hidden, x
    return float(np.mean(bounds)), float(np.mean(divergences))


@pytest.mark.parametrize("beta", [1.0, 0.3])
def test_the_elbo_objective_is_the_papers_bound_computed_independently(beta: float) -> None:
    vrnn, (keypoints, observed), noise = model("vrnn"), windows(), draw(3, 7, 3)
    weights = LossWeights(objective="elbo", beta=beta, spread=0.0)
    terms = loss_terms(vrnn, keypoints, observed, noise, weights)
    bound, kl = numpy_elbo(vrnn, keypoints.double().numpy(), noise.double().numpy(), beta)
    assert terms.total.item() == pytest.approx(-bound, rel=1e-4)
    assert terms.kl.item() == pytest.approx(kl, rel=1e-4)
    assert terms.log_likelihood.item() == pytest.approx(bound + beta * kl, rel=1e-4)


def test_the_elbo_is_teacher_forced_so_the_pattern_does_not_matter() -> None:
    vrnn, (keypoints, observed), noise = model("vrnn"), windows(), draw(3, 7, 3)
    weights = LossWeights(objective="elbo", spread=0.0)
    losses = [
        total_loss(vrnn, keypoints, mask, noise, weights)
        for mask in (observed, torch.ones_like(observed))
    ]
    assert_close(losses[0], losses[1], atol=0, rtol=0)


@pytest.mark.parametrize("kind", ["gru", "rnn"])
def test_predictors_without_a_latent_have_no_elbo(kind: str) -> None:
    keypoints, observed = windows()
    with pytest.raises(ValueError, match="'elbo' needs"):
        total_loss(model(kind), keypoints, observed, draw(3, 7, 3), LossWeights(objective="elbo"))


def test_the_free_running_objective_is_the_forecast_loss_less_the_weighted_elbo() -> None:
    vrnn, (keypoints, observed), noise = model("vrnn"), windows(), draw(3, 7, 3)
    weights = LossWeights(elbo=0.4, beta=0.3, spread=0.0)
    terms = loss_terms(vrnn, keypoints, observed, noise, weights)
    elbo = terms.log_likelihood - 0.3 * terms.kl
    assert_close(terms.total, terms.forecast - 0.4 * elbo / 6)
    assert terms.kl > 0


def test_the_weight_of_the_kl_rises_linearly_to_beta() -> None:
    weights = LossWeights(beta=0.2, kl_annealing=0.5)
    rising = [annealed_beta(weights, progress) for progress in (0.0, 0.125, 0.25, 0.5, 0.9)]
    assert rising == pytest.approx([0.0, 0.05, 0.1, 0.2, 0.2])
    assert annealed_beta(LossWeights(beta=0.2), 0.0) == 0.2
