"""The learning code on damped oscillators, whose optimal forecast is known."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from motioncast.data.keypoints import load_tracks
from motioncast.metrics.forecast import Setting
from motioncast.models.predictors.checkpoint import build_predictor, save_predictor
from motioncast.models.predictors.gap_filling import (
    continue_free,
    damped,
    free_running,
    hold,
    linear,
    pattern,
)
from motioncast.models.predictors.recurrent import PredictorSizes
from motioncast.models.predictors.var import Window
from motioncast.paper.linear_system import LinearSystem, main, over_optimum
from motioncast.train.predictor_loss import LossWeights
from motioncast.train.predictor_training import PredictorTraining
from motioncast.train.settings import Schedule
from motioncast.train.var import fit_var

SETTING = Setting(observed_frames=8, horizon_frames=8, stride_frames=4)


def test_a_free_running_vrnn_comes_within_a_tenth_of_the_optimal_forecast() -> None:
    system = LinearSystem(keypoints=2, amplitude_pixels=12)
    schedule = Schedule(steps=270, batch=64, window_frames=20, learning_rate=1e-2, warmup_steps=20)
    sizes = PredictorSizes(keypoints=2, hidden=64, latent=4, features=64)
    clips = list(system.simulate(200, 64, seed=1))
    training = PredictorTraining("vrnn", sizes, clips, schedule, LossWeights())
    for _ in range(schedule.steps):
        training.advance()
    fresh = list(system.simulate(60, 64, seed=2))
    learnt = over_optimum(free_running(training.average), system, fresh, SETTING)
    assert (learnt > 0.99).all()  # nothing does better than the optimum
    assert (learnt < 1.1).all()
    for simple in (hold, damped, linear):
        assert (learnt < 0.9 * over_optimum(simple, system, fresh, SETTING)).all()


def test_without_observation_noise_the_optimum_is_the_recurrence_from_the_last_two_frames() -> None:
    system = LinearSystem(keypoints=2)
    (clip,) = system.simulate(1, 10, seed=0)
    a, b = system.recurrence()
    centred = clip.double() - system.rests()
    expected = [centred[3], centred[4]]
    for _ in range(5):
        expected.append(a * expected[-1] + b * expected[-2])
    forecast = continue_free(system.optimal(), clip[None, :5], 5)[0].double()
    assert_close(forecast, torch.stack(expected[2:]) + system.rests(), atol=1e-5, rtol=0)


def test_released_and_left_to_fade_the_optimum_is_the_future_itself() -> None:
    system = LinearSystem(keypoints=2, fading=True, damping=0.95)
    clips = system.simulate(3, 20, seed=0)
    assert_close(continue_free(system.optimal(), clips[:, :4], 16), clips[:, 4:], atol=1e-5, rtol=0)


def joint_gaussian_mean(system: LinearSystem, seen: Tensor, observed: Tensor) -> Tensor:
    """Returns E[x_t | observed frames up to t] of one coordinate, from its joint covariance.

    Independent of the filter: autocovariances by the Yule-Walker recurrence, then conditioning.
    """
    a, b = (each[0, 0] for each in system.recurrence())
    variance = (system.amplitude_pixels / 127.5) ** 2
    lags = [torch.tensor(1.0, dtype=torch.float64), a / (1 - b)]
    while len(lags) < len(observed):
        lags.append(a * lags[-1] + b * lags[-2])
    correlation = torch.stack(lags)
    index = torch.arange(len(observed))
    signal = variance * correlation[(index[:, None] - index).abs()]
    noisy = signal + (system.observation_noise_pixels / 127.5) ** 2 * torch.eye(len(observed))
    means = []
    for t in range(len(observed)):
        known = index[: t + 1][observed[: t + 1]]
        weights = torch.linalg.solve(noisy[known][:, known], signal[known, t])
        means.append(weights @ seen[known])
    return torch.stack(means)


@pytest.mark.parametrize("mask", [pattern(6, 6, 12), pattern(1, 1, 12), pattern(3, 2, 12)])
def test_the_optimum_is_the_conditional_mean_of_the_joint_gaussian(mask: Tensor) -> None:
    system = LinearSystem(keypoints=1, observation_noise_pixels=2.0)
    clips = system.simulate(1, 12, seed=0)
    rest = system.rests()[0, 0]
    expected = joint_gaussian_mean(system, clips[0, :, 0, 0].double() - rest, mask) + rest
    filtered = system.optimal()(clips, mask)[0, :, 0, 0].double()
    assert_close(filtered[~mask], expected[~mask], atol=1e-6, rtol=0)


def test_the_oscillations_have_the_amplitude_and_noise_they_were_asked_for() -> None:
    system = LinearSystem(keypoints=2, amplitude_pixels=6, observation_noise_pixels=8, damping=0.9)
    clips = system.simulate(400, 60, seed=0).double() - system.rests()
    assert clips.std().item() * 127.5 == pytest.approx((6**2 + 8**2) ** 0.5, rel=0.02)


def test_a_direct_vector_autoregression_comes_near_the_optimum_of_a_linear_system() -> None:
    system = LinearSystem(keypoints=2)
    clips = list(system.simulate(200, 40, seed=1))
    fitted = fit_var(clips[20:], clips[:20], [Window(8, 8, 16)])
    fresh = list(system.simulate(60, 40, seed=2))
    assert (over_optimum(fitted, system, fresh, SETTING) < 1.02).all()


def test_the_command_writes_tracks_to_train_on_and_judges_predictors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = (
        "--keypoints",
        "2",
        "--clips",
        "20",
        "--frames",
        "30",
        "--observation-noise-pixels",
        "1",
    )
    main(["--out", str(tmp_path), *options])
    tracks = load_tracks(tmp_path / "train.npz")
    system = LinearSystem(keypoints=2, observation_noise_pixels=1.0)
    assert_close(tracks.keypoints, system.simulate(20, 30, seed=1).flatten(0, 1), atol=0, rtol=0)
    assert sum(tracks.validation) == 2
    sizes = PredictorSizes(keypoints=2, hidden=8, latent=2, features=4)
    save_predictor(build_predictor("gru", sizes), tmp_path / "gru_0.pt")
    main(["--judge", str(tmp_path / "gru_0.pt"), *options])
    table = capsys.readouterr().out
    assert "gru_0.pt | " in table
    assert "| damped | " in table
