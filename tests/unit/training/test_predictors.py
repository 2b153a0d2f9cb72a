"""The closed-form predictors, and the one call that all predictors share."""

import torch
from torch.testing import assert_close

from motioncast.models.checkpoint_predictor import build_predictor
from motioncast.models.predictor import PredictorSizes
from motioncast.models.predictors import damped, free_running, hold, linear


def line(*positions: float) -> torch.Tensor:
    """Returns one keypoint on a line, (1, M, 1, 3), with intensity 0.5."""
    frames = torch.tensor(positions)[None, :, None, None]
    return torch.cat([frames, frames, torch.full_like(frames, 0.5)], dim=-1)


def test_hold_repeats_the_last_frame() -> None:
    assert_close(hold(line(0.1, 0.2), 3), line(0.2, 0.2, 0.2))


def test_linear_goes_on_at_the_last_velocity() -> None:
    assert_close(linear(line(0.0, 0.1, 0.3), 3), line(0.5, 0.7, 0.9))


def test_damped_adds_a_geometric_series_of_the_last_displacement() -> None:
    # 0.7, 0.7 + 0.49, 0.7 + 0.49 + 0.343 times 0.1
    assert_close(damped(line(0.0, 0.1), 3), line(0.17, 0.219, 0.2533))


def test_damped_converges_to_the_limit_of_the_series() -> None:
    # 0.7 / (1 - 0.7) of the last displacement
    assert_close(damped(line(0.0, 0.1), 100)[:, -1:], line(0.1 + 0.1 * 7 / 3))


def test_forecasts_stop_at_the_border_of_the_image() -> None:
    assert_close(linear(line(0.0, 0.6), 2), line(1.0, 1.0))


def test_free_running_starts_after_the_observed_frames() -> None:
    torch.manual_seed(0)
    model = build_predictor("vrnn", PredictorSizes(keypoints=1, hidden=8, latent=2, features=4))
    observed = line(0.1, 0.2, 0.25)
    forecast = free_running(model.eval())(observed, 4)
    assert forecast.shape == (1, 4, 1, 3)
    first, _ = model(
        torch.cat([observed, observed[:, :1]], dim=1),
        torch.tensor([[1.0, 1.0, 1.0, 0.0]]),
        torch.zeros(1, 4, 2),
        torch.zeros(1, model.state_size),
    )
    assert_close(forecast[:, 0], first[:, 3].detach())
