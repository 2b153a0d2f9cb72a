"""The predictors' training loss: masks, free-running error, and options."""

import math

import pytest
import torch
from support.small_predictors import draw, model, total_loss, windows
from torch.distributions import Laplace
from torch.testing import assert_close

from motioncast.models.predictors.recurrent import (
    Unrolled,
)
from motioncast.train.predictor_loss import (
    PATTERNS,
    LossWeights,
    forecast_loss,
    horizons,
    loss_terms,
    random_patterns,
    true_inputs,
)


def test_patterns_start_observed_and_alternate_stretches_of_the_listed_lengths() -> None:
    observed = random_patterns(200, 60, torch.Generator().manual_seed(0))
    assert set(observed.flatten().tolist()) == {0.0, 1.0}
    assert (observed[:, 0] == 1).all()
    stretches = set()
    for row in observed[:, 1:].int().tolist():
        text = "".join(map(str, row))
        inner = text.strip("1").strip("0").replace("01", "0 1").replace("10", "1 0").split()
        stretches |= {len(stretch) for stretch in inner if stretch[0] == "1"}
    assert stretches <= {m for m, _ in PATTERNS}
    assert len(stretches) > 2


def test_the_horizon_counts_frames_since_the_last_observed_one() -> None:
    observed = torch.tensor([[1.0, 1.0, 0.0, 0.0, 1.0, 0.0]])
    assert horizons(observed).tolist() == [[1, 1, 1, 2, 3, 1]]


def test_the_forecast_loss_is_the_weighted_mean_of_errors_in_units() -> None:
    vrnn = model("vrnn")
    truth = torch.zeros(1, 3, 2, 3)
    unrolled = Unrolled(truth + 2 * vrnn.unit, torch.empty(0), torch.empty(0))
    loss = forecast_loss(vrnn, unrolled, truth, torch.tensor([[1.0, 0.0, 0.0]]))
    # Error 2 in x, y and intensity (weight 1/2); horizons 1 and 2; the first step is excluded.
    assert_close(loss, torch.tensor((2 + 2 + 1) / 3 * (1 + 2**-0.5) / 2))


def test_the_free_running_loss_is_that_of_its_own_steps() -> None:
    gru = model("gru").eval()
    keypoints, observed = windows()
    state, expected, since = torch.zeros(3, gru.state_size), torch.zeros(()), 0
    for t in range(7):
        forecast, state = gru.step(keypoints[:, t], observed[:, t], torch.zeros(3, 3), state)
        since += 1
        if t > 0:
            x, y, intensity = ((forecast - keypoints[:, t]).abs() / 0.05).mean(dim=(0, 1))
            expected = expected + (x + y + 0.5 * intensity) / 3 / math.sqrt(since) / 6
        since = 0 if observed[0, t] else since
    assert_close(total_loss(gru, keypoints, observed, draw(3, 7, 3), LossWeights()), expected)


def test_progress_and_draws_change_nothing_as_long_as_no_option_asks_for_them() -> None:
    vrnn, (keypoints, observed), noise = model("vrnn"), windows(), draw(3, 7, 3)
    plain = total_loss(vrnn, keypoints, observed, noise, LossWeights())
    again = total_loss(
        vrnn, keypoints, observed, noise, LossWeights(), progress=0.1, draws=torch.ones(3, 7)
    )
    assert_close(again, plain, atol=0, rtol=0)


def test_without_scheduled_sampling_the_truth_is_fed_where_it_is_observed() -> None:
    _, observed = windows()
    assert_close(true_inputs(observed, LossWeights(), 0.3, None), observed)


@pytest.mark.parametrize(
    ("progress", "if_observed", "if_predicted"),
    # Minderer et al.: 1.0 to 0.1 and 1.0 to 0.5 over the given share of training.
    [(0.0, 1.0, 1.0), (0.4, 0.55, 0.75), (0.8, 0.1, 0.5), (1.0, 0.1, 0.5)],
)
def test_scheduled_sampling_feeds_the_truth_with_the_probabilities_of_its_authors(
    progress: float, if_observed: float, if_predicted: float
) -> None:
    observed = (torch.arange(400) % 2 == 0).float().expand(500, -1)
    draws = torch.rand(500, 400, generator=torch.Generator().manual_seed(0))
    fed = true_inputs(observed, LossWeights(scheduled_sampling=0.8), progress, draws)
    assert set(fed.flatten().tolist()) <= {0.0, 1.0}
    assert (fed[:, 0] == 1).all()
    assert fed[:, 2::2].mean().item() == pytest.approx(if_observed, abs=0.01)
    assert fed[:, 1::2].mean().item() == pytest.approx(if_predicted, abs=0.01)


def test_scheduled_sampling_without_draws_is_refused() -> None:
    keypoints, observed = windows()
    with pytest.raises(ValueError, match="draws"):
        total_loss(
            model("gru"), keypoints, observed, draw(3, 7, 3), LossWeights(scheduled_sampling=0.8)
        )


def test_the_best_of_several_paths_is_the_least_error_of_each_window() -> None:
    vrnn, (keypoints, observed), noise = model("vrnn"), windows(), 3 * draw(4, 3, 7, 3)
    weights = LossWeights(best_of=4)
    each = []
    for path in noise:
        paths = torch.stack([path, path])  # the same path twice, to get its own error
        each.append(
            [
                loss_terms(
                    vrnn, keypoints[b : b + 1], observed[b : b + 1], paths[:, b : b + 1], weights
                ).forecast
                for b in range(3)
            ]
        )
    errors = torch.tensor(each)  # (S, B)
    best = loss_terms(vrnn, keypoints, observed, noise, weights).forecast
    assert_close(best, errors.amin(dim=0).mean())
    assert best < errors.mean()


def test_only_the_best_path_teaches_the_forecast() -> None:
    vrnn, (keypoints, observed) = model("vrnn"), windows(batch=1)
    noise = draw(2, 1, 7, 3).requires_grad_()
    weights = LossWeights(best_of=2, elbo=0.0, spread=0.0)
    torch.autograd.backward(total_loss(vrnn, keypoints, observed, noise, weights))
    assert noise.grad is not None
    assert sorted((noise.grad.abs().sum(dim=(1, 2, 3)) > 0).tolist()) == [False, True]


def test_the_spread_is_taught_by_the_likelihood_of_the_error_and_teaches_nothing_else() -> None:
    vrnn, (keypoints, observed) = model("vrnn"), windows()
    noise = draw(3, 7, 3)
    plain = total_loss(vrnn, keypoints, observed, noise, LossWeights(spread=0.0))
    loss = total_loss(vrnn, keypoints, observed, noise, LossWeights(spread=0.3))

    state = torch.zeros(3, vrnn.state_size)
    run = vrnn.unroll(keypoints, observed, noise * observed[..., None], state)
    spread = vrnn.spread(vrnn.recall(run.states))
    density = Laplace(run.forecast / vrnn.unit, spread, validate_args=False)
    expected = -(density.log_prob(keypoints / vrnn.unit) + math.log(2))[:, 1:].mean()  # type: ignore[no-untyped-call]
    assert_close(loss - plain, 0.3 * expected, check_stride=False)
    torch.autograd.backward(loss - plain)
    for name, value in vrnn.named_parameters():
        taught = value.grad is not None and bool(value.grad.abs().max() > 1e-6)
        assert taught == name.startswith("spread_network"), name


def test_the_papers_rnn_learns_the_absolute_error_of_predicted_frames_alone() -> None:
    rnn, (keypoints, observed) = model("rnn"), windows()
    forecast, _ = rnn(keypoints, observed, torch.zeros(3, 7, 3), torch.zeros(3, rnn.state_size))
    expected = (forecast - keypoints)[:, [2, 3, 5, 6]].abs().mean()
    loss = total_loss(rnn, keypoints, observed, draw(3, 7, 3), LossWeights())
    assert_close(loss, expected.detach(), check_stride=False)


@pytest.mark.parametrize(
    ("kind", "weights"),
    [
        ("vrnn", LossWeights()),
        ("vrnn", LossWeights(objective="elbo", kl_annealing=0.5)),
        ("vrnn", LossWeights(best_of=2, scheduled_sampling=0.8)),
        ("gru", LossWeights()),
        ("rnn", LossWeights()),
    ],
)
def test_every_weight_of_a_predictor_is_taught(kind: str, weights: LossWeights) -> None:
    taught, (keypoints, observed) = model(kind), windows()
    noise = draw(2, 3, 7, 3) if weights.best_of > 1 else draw(3, 7, 3)
    draws = torch.rand(3, 7, generator=torch.Generator().manual_seed(0))
    loss = total_loss(taught, keypoints, observed, noise, weights, 0.3, draws)
    torch.autograd.backward(loss)
    for name, value in taught.named_parameters():
        assert value.grad is not None, name
        assert value.grad.isfinite().all(), name
        assert value.grad.abs().sum() > 0, name
