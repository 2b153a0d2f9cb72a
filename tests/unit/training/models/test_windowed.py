"""A VRNN with a siMLPe beside it forecasts the sum of both; `mean_of` makes it their mean."""

from dataclasses import replace
from typing import cast

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from motioncast.export.exportables import predictor_exportable
from motioncast.export.exporter import build
from motioncast.models.predictors.checkpoint import build_predictor
from motioncast.models.predictors.gap_filling import continue_free, free_running, hold
from motioncast.models.predictors.recurrent import (
    MotionStatistics,
    PredictorSizes,
    RecurrentPredictor,
)
from motioncast.models.predictors.simlpe import SiMLPe
from motioncast.models.predictors.vrnn import VRNN
from motioncast.models.predictors.windowed import WindowedVRNN, mean_of

SIZES = PredictorSizes(
    keypoints=3, hidden=7, latent=2, features=6, inputs="displacements", components=4, layers=2
)
STATISTICS = replace(MotionStatistics.neutral(3, 4), unit=torch.full((3, 3), 0.01))


def network(kind: str, sizes: PredictorSizes = SIZES, seed: int = 0) -> RecurrentPredictor:
    """Returns a network with random weights whose displacements stay small."""
    torch.manual_seed(seed)
    model = build_predictor(kind, sizes, STATISTICS)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.3)
    return model.eval()


def pair() -> tuple[VRNN, SiMLPe]:
    reader = network("simlpe", replace(SIZES, features=5, block=4), seed=1)
    return cast(VRNN, network("vrnn")), cast(SiMLPe, reader)


def walk(frames: int = 16) -> Tensor:
    """Returns random walks (2, T, 3, 3) from the middle of the image."""
    steps = 0.01 * torch.randn(2, frames, 3, 3, generator=torch.Generator().manual_seed(3))
    return steps.cumsum(dim=1) + torch.tensor([0.0, 0.0, 0.5])


def forecast(model: RecurrentPredictor, keypoints: Tensor, observed: Tensor) -> Tensor:
    """Returns the forecast (B, T, K, 3) of every frame from those before it, on the mean path."""
    noise = torch.zeros(*keypoints.shape[:2], model.sizes.latent)
    state = torch.zeros(len(keypoints), model.state_size)
    with torch.inference_mode():
        return model.unroll(keypoints, observed, noise, state).forecast


def test_a_mean_of_two_forecasts_the_mean_of_their_forecasts() -> None:
    vrnn, simlpe = pair()
    keypoints, observed = walk(), torch.ones(2, 16)
    parts = [forecast(one, keypoints, observed) for one in (vrnn, simlpe)]
    assert (parts[0] - parts[1]).abs().max() > 0.01
    found = forecast(mean_of(vrnn, simlpe), keypoints, observed)
    assert_close(found, (parts[0] + parts[1]) / 2, atol=1e-6, rtol=0)


def test_in_a_gap_both_go_on_from_their_mean() -> None:
    """The mean of the two forecasts, given to both as if it were their own."""
    vrnn, simlpe = pair()
    keypoints, observed = walk(), torch.ones(2, 16)
    observed[:, 9:] = 0  # longer than a block of four
    found = forecast(mean_of(vrnn, simlpe), keypoints, observed)
    states = [torch.zeros(2, one.state_size) for one in (vrnn, simlpe)]
    with torch.inference_mode():
        for frame in range(16):
            seen, given = observed[:, frame], keypoints[:, frame]
            memories = [
                one.recall(state) for one, state in zip((vrnn, simlpe), states, strict=True)
            ]
            own = [
                one.advance(memory, given, torch.zeros(2), torch.zeros(2, 2)).forecast
                for one, memory in zip((vrnn, simlpe), memories, strict=True)
            ]
            mean = (own[0] + own[1]) / 2
            assert_close(found[:, frame], mean, atol=1e-6, rtol=0)
            current = given if seen[0] else mean
            hidden = (
                _vrnn_after(vrnn, states[0], current, seen),
                simlpe.absorb(memories[1], current, seen),
            )
            states = [
                _next(one, memory, state_hidden, current, seen)
                for one, memory, state_hidden in zip((vrnn, simlpe), memories, hidden, strict=True)
            ]


def _vrnn_after(vrnn: VRNN, state: Tensor, current: Tensor, observed: Tensor) -> Tensor:
    """Returns the hidden state after a frame that need not be the network's own forecast."""
    memory = vrnn.recall(state)
    predicted = vrnn.prior(memory.hidden).mean
    x = vrnn.psi_x(vrnn.describe(memory, current, observed))
    z = vrnn.posterior(x, memory.hidden).mean if observed[0] else predicted
    hidden: Tensor = vrnn.recurrence(torch.cat([x, vrnn.psi_z(z)], dim=-1), memory.hidden)
    return hidden


def _next(
    model: RecurrentPredictor, memory: object, hidden: Tensor, current: Tensor, observed: Tensor
) -> Tensor:
    """Packs a state of hidden, keypoints, velocity, surprise, deviation, elapsed and seen."""
    before = cast("tuple[Tensor, ...]", memory)
    velocity = (current - before[1]) / model.unit * before[6][..., None]
    elapsed = (before[5] + 1) * (1 - observed[:, None])
    nothing = torch.ones_like(current).flatten(1)
    points = [current.flatten(1), velocity.flatten(1), nothing, 0 * nothing]
    return torch.cat([hidden, *points, elapsed, torch.ones(2, 1)], dim=1)


def test_beside_a_silent_reader_it_is_a_vrnn() -> None:
    vrnn, _ = pair()
    both = network("windowed")
    assert isinstance(both, WindowedVRNN)
    both.load_state_dict(vrnn.state_dict(), strict=False)
    both.window.silence()
    keypoints, observed = walk(), torch.tensor([[1.0] * 6 + [0.0] * 10] * 2)
    assert_close(
        forecast(both, keypoints, observed), forecast(vrnn, keypoints, observed), atol=1e-6, rtol=0
    )
    noise = torch.randn(2, 16, 2)
    bounds = []
    for model in (vrnn, both):
        assert isinstance(model, VRNN)
        start = torch.zeros(2, model.state_size)
        states = model.unroll(keypoints, torch.ones(2, 16), noise, start).states
        bounds.append(model.elbo(keypoints, states, noise))
    assert_close(bounds[0].log_likelihood, bounds[1].log_likelihood)
    assert_close(bounds[0].kl, bounds[1].kl)


def test_the_likelihood_is_of_what_the_reader_did_not_forecast() -> None:
    """Frames that follow the whole forecast are likelier than frames that follow the VRNN's."""
    both = mean_of(*pair())
    keypoints, noise = walk(), torch.zeros(2, 16, 2)
    start = torch.zeros(2, both.state_size)
    run = both.unroll(keypoints, torch.ones(2, 16), noise, start)
    followed = both.elbo(run.forecast, run.states, noise).log_likelihood[:, 1:]
    assert (followed > both.elbo(keypoints, run.states, noise).log_likelihood[:, 1:]).all()


def test_silenced_it_holds_still() -> None:
    both = mean_of(*pair())
    both.silence()
    observed = walk(8)
    expected = continue_free(hold, observed, 6)
    assert_close(continue_free(free_running(both), observed, 6), expected)


@pytest.mark.parametrize("block", [4, 12])
def test_what_is_exported_agrees_with_the_network(block: int) -> None:
    both = network("windowed", replace(SIZES, block=block))
    both.factors.fill_(0.5)
    _, agreement = build(predictor_exportable("face", both), {})
    assert agreement["forecast"].largest < 1e-5
    assert agreement["half_width90"].largest < 1e-5
    assert agreement["next_state"].largest < 1e-3  # though the keypoints jump across the image


def test_networks_that_do_not_fit_together_are_refused() -> None:
    vrnn, simlpe = pair()
    with pytest.raises(ValueError, match="differ in inputs, components"):
        mean_of(vrnn, cast(SiMLPe, build_predictor("simlpe", PredictorSizes(keypoints=3))))
    with pytest.raises(ValueError, match="is not a VRNN alone"):
        mean_of(mean_of(vrnn, simlpe), simlpe)
    simlpe.unit.mul_(2)
    with pytest.raises(ValueError, match=r"different tracks \(unit differs\)"):
        mean_of(vrnn, simlpe)
