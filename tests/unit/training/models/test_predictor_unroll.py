"""Properties of the timeline and state of every recurrent predictor."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from motioncast.models.predictors.checkpoint import build_predictor
from motioncast.models.predictors.gap_filling import damped
from motioncast.models.predictors.gated import GatedRecurrence
from motioncast.models.predictors.recurrent import (
    MotionStatistics,
    PredictorSizes,
    RecurrentPredictor,
)
from motioncast.models.predictors.registry import NETWORKS

SIZES = PredictorSizes(keypoints=3, hidden=8, latent=4, features=6)
STATISTICS = MotionStatistics(
    mean=torch.full((3, 3), 0.25), std=torch.full((3, 3), 0.5), unit=torch.full((3, 3), 0.05)
)

Timeline = tuple[Tensor, Tensor, Tensor, Tensor]


@pytest.fixture(params=sorted(NETWORKS))
def model(request: pytest.FixtureRequest) -> RecurrentPredictor:
    torch.manual_seed(0)
    model = build_predictor(request.param, SIZES, STATISTICS).eval()
    model.factors.fill_(0.5)
    return model


def timeline(model: RecurrentPredictor, observed: list[int], batch: int = 2) -> Timeline:
    """Returns keypoints, mask, noise and the state of a new session."""
    frames = len(observed)
    generator = torch.Generator().manual_seed(7)
    return (
        torch.rand(batch, frames, 3, 3, generator=generator),
        torch.tensor(observed, dtype=torch.float32).expand(batch, frames),
        torch.randn(batch, frames, model.noise_size, generator=generator),
        torch.zeros(batch, model.state_size),
    )


def test_an_unroll_is_its_steps(model: RecurrentPredictor) -> None:
    keypoints, observed, noise, state = timeline(model, [1, 1, 0, 0, 1, 0])
    forecast, next_state = model(keypoints, observed, noise, state)
    for t in range(6):
        stepped, state = model.step(keypoints[:, t], observed[:, t], noise[:, t], state)
        assert_close(forecast[:, t], stepped, atol=0, rtol=0)
    assert_close(next_state, state, atol=0, rtol=0)


@pytest.mark.parametrize("cut", [1, 3, 5])
def test_two_calls_with_the_carried_state_are_one_call(model: RecurrentPredictor, cut: int) -> None:
    keypoints, observed, noise, state = timeline(model, [1, 1, 0, 0, 1, 0, 0])
    whole, end = model(keypoints, observed, noise, state)
    first, carried = model(keypoints[:, :cut], observed[:, :cut], noise[:, :cut], state)
    second, end_of_two = model(keypoints[:, cut:], observed[:, cut:], noise[:, cut:], carried)
    assert_close(torch.cat([first, second], dim=1), whole, atol=0, rtol=0)
    assert_close(end_of_two, end, atol=0, rtol=0)


def test_batch_elements_do_not_touch_each_other(model: RecurrentPredictor) -> None:
    keypoints, observed, noise, state = timeline(model, [1, 1, 0, 1, 0])
    together, _ = model(keypoints, observed, noise, state)
    alone, _ = model(keypoints[1:], observed[1:], noise[1:], state[1:])
    assert_close(alone, together[1:])


@pytest.mark.parametrize("truth", [0.9, -1.0, float("nan")])
def test_true_keypoints_never_enter_a_predicted_step(
    model: RecurrentPredictor, truth: float
) -> None:
    keypoints, observed, noise, state = timeline(model, [1, 1, 1, 0, 0, 0, 1, 0])
    expected = model(keypoints, observed, noise, state)
    other = torch.where(observed[..., None, None] > 0, keypoints, truth)
    assert_close(model(other, observed, noise, state), expected, atol=0, rtol=0)


def test_observed_keypoints_do_enter(model: RecurrentPredictor) -> None:
    keypoints, observed, noise, state = timeline(model, [1, 1, 1, 0])
    before, _ = model(keypoints, observed, noise, state)
    after, _ = model(keypoints * 0.9, observed, noise, state)
    assert not torch.equal(before[:, 3], after[:, 3])


def test_the_forecast_of_a_frame_does_not_depend_on_it(model: RecurrentPredictor) -> None:
    keypoints, observed, noise, state = timeline(model, [1, 1, 1, 1])
    before, _ = model(keypoints, observed, noise, state)
    changed = keypoints.clone()
    changed[:, 3] = 0.0
    after, _ = model(changed, observed, noise, state)
    assert_close(after, before, atol=0, rtol=0)


@pytest.mark.parametrize("scale", [1.0, 1e6])
def test_forecasts_stay_within_the_range_of_keypoints(
    model: RecurrentPredictor, scale: float
) -> None:
    keypoints, observed, noise, state = timeline(model, [1, 1, 0, 0, 0])
    forecast, next_state = model(keypoints, observed, noise * scale, state)
    assert forecast[..., :2].abs().max() <= 1
    assert forecast[..., 2].min() >= 0
    assert forecast[..., 2].max() <= 1
    assert next_state.isfinite().all()


def test_a_session_that_has_seen_nothing_keeps_the_zero_state(model: RecurrentPredictor) -> None:
    keypoints, observed, noise, state = timeline(model, [0, 0, 0])
    forecast, next_state = model(keypoints, observed, noise, state)
    assert forecast.isfinite().all()
    assert_close(next_state, state, atol=0, rtol=0)


@pytest.mark.parametrize("kind", ["gru", "vrnn"])
def test_by_displacements_a_track_elsewhere_is_forecast_elsewhere_and_else_alike(kind: str) -> None:
    torch.manual_seed(0)
    model = build_predictor(kind, replace(SIZES, inputs="displacements"), STATISTICS).eval()
    keypoints, observed, noise, state = timeline(model, [1, 1, 1, 0, 0, 1, 0, 0, 0])
    keypoints = 0.4 + 0.1 * keypoints
    shift = torch.tensor([[-0.7, 0.2, 0.1], [0.1, -0.9, 0.0], [0.3, 0.3, -0.2]])
    here, _ = model(keypoints, observed, noise, state)
    there, _ = model(keypoints + shift, observed, noise, state)
    assert_close(there[:, 1:], here[:, 1:] + shift, atol=1e-5, rtol=0)
    assert (here[:, 5] != here[:, 4]).all()


@pytest.mark.parametrize("kind", ["gru", "vrnn"])
def test_a_network_without_an_opinion_goes_on_at_its_slope(kind: str) -> None:
    model = build_predictor(kind, replace(SIZES, inputs="displacements"), STATISTICS).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.get_parameter("slope").fill_(0.7)
    keypoints, observed, _, state = timeline(model, [1, 1, 0, 0, 0])
    forecast, _ = model(0.1 * keypoints, observed, torch.zeros(2, 5, 4), state)
    expected = damped(0.1 * keypoints, observed[0] > 0, slope=0.7)
    assert_close(forecast[:, 2:], expected[:, 2:])


@pytest.mark.parametrize("kind", ["gru", "vrnn"])
def test_before_anything_is_seen_the_forecast_is_the_mean_position(kind: str) -> None:
    model = build_predictor(kind, SIZES, STATISTICS).eval()
    forecast, _ = model(*timeline(model, [0, 1]))
    assert_close(forecast[:, 0], torch.full((2, 3, 3), 0.25))


def test_the_monkey_net_baseline_is_a_gru_fed_zeros_past_the_observed_frames() -> None:
    torch.manual_seed(0)
    model = build_predictor("rnn", SIZES).eval()
    independent = nn.GRU(9, 8, batch_first=True)
    weights = dict(model.named_parameters())
    with torch.no_grad():
        for theirs, ours in (("ih", "from_input"), ("hh", "from_hidden")):
            getattr(independent, f"weight_{theirs}_l0").copy_(weights[f"recurrence.{ours}.weight"])
            getattr(independent, f"bias_{theirs}_l0").copy_(weights[f"recurrence.{ours}.bias"])
    keypoints, observed, noise, state = timeline(model, [1, 1, 1, 0, 0, 0])
    hidden, _ = independent(keypoints.flatten(2) * observed[..., None])
    output = hidden @ weights["output.weight"].T + weights["output.bias"]
    expected = torch.tanh(output).reshape(2, 6, 3, 3)  # positions
    expected[..., 2] = (1 + torch.tanh(output / 2).reshape(2, 6, 3, 3)[..., 2]) / 2  # a sigmoid
    forecast, _ = model(keypoints, observed, noise, state)
    assert_close(forecast[:, 3:], expected[:, 3:])


def test_the_gated_recurrence_is_a_gru_cell() -> None:
    torch.manual_seed(0)
    independent, ours = nn.GRUCell(5, 7), GatedRecurrence(5, 7)
    with torch.no_grad():
        ours.from_input.weight.copy_(independent.weight_ih)
        ours.from_input.bias.copy_(independent.bias_ih)
        ours.from_hidden.weight.copy_(independent.weight_hh)
        ours.from_hidden.bias.copy_(independent.bias_hh)
    inputs, hidden = torch.randn(3, 5), torch.randn(3, 7)
    assert_close(ours(inputs, hidden), independent(inputs, hidden))
