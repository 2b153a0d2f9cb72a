"""The vector autoregression: its inputs, its least-squares fit, and where it is optimal."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from motioncast.models.predictors.checkpoint import (
    PredictorCheckpointError,
    build_predictor,
    load_forecaster,
    load_predictor,
    load_var,
    save_predictor,
    save_var,
)
from motioncast.models.predictors.gap_filling import continue_free, pattern
from motioncast.models.predictors.recurrent import PredictorSizes
from motioncast.models.predictors.var import Gap, Window, gaps
from motioncast.train.var import PATTERNS, fit_var, horizons_by_offsets, ridge_regression

REST = torch.tensor([0.1, -0.2, 0.5])


def var2(clips: int, frames: int, seed: int) -> tuple[list[Tensor], Tensor]:
    """Returns clips (T, 2, 3) of a stationary VAR(2) process around REST, and its matrix (12, 12).

    The matrix maps [x_{t-1}, x_{t-2}] to [x_t, x_{t-1}]; all coordinates are coupled.
    """
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.linalg.qr(torch.randn(6, 6, generator=torch.Generator().manual_seed(99)))[0]
    damping, angle = torch.linspace(0.7, 0.95, 6), torch.linspace(0.2, 0.9, 6)
    first = mixing @ torch.diag(2 * damping * angle.cos()) @ mixing.T
    second = mixing @ torch.diag(-(damping**2)) @ mixing.T
    companion = torch.zeros(12, 12)
    companion[:6] = torch.cat([first, second], dim=1)
    companion[6:, :6] = torch.eye(6)
    state, steps = torch.zeros(clips, 12), []
    for _ in range(frames + 100):
        state = state @ companion.T
        state[:, :6] += 0.01 * torch.randn(clips, 6, generator=generator)
        steps.append(state[:, :6])
    moved = torch.stack(steps[100:], dim=1).reshape(clips, frames, 2, 3)
    return list(moved + REST), companion


def test_the_gaps_of_a_timeline_know_which_frames_were_observed_before_them() -> None:
    assert list(gaps(pattern(1, 1, 6), lags=2)) == [
        Gap(0, 1, (0,)),
        Gap(2, 1, (0, -2)),
        Gap(4, 1, (0, -2)),
    ]
    assert list(gaps(pattern(5, 5, 18), lags=6)) == [
        Gap(4, 5, (0, -1, -2, -3, -4)),
        Gap(14, 3, (0, -1, -2, -3, -4, -10)),
    ]
    assert list(gaps(pattern(3, 0, 3), lags=6)) == []


def test_a_map_reaches_as_far_as_the_longest_gap_after_its_frames() -> None:
    wanted = horizons_by_offsets([Window(5, 27, 32), Window(5, 25, 30), Window(5, 5, 20)], 6)
    assert wanted == {(0, -1, -2, -3, -4): 27, (0, -1, -2, -3, -4, -10): 5}


def test_without_a_ridge_the_regression_is_the_one_of_lstsq() -> None:
    generator = np.random.default_rng(0)
    features, target = generator.normal(size=(50, 4)) + 3, generator.normal(size=(50, 2))
    design = np.concatenate([features, np.ones((50, 1))], axis=1)
    expected, *_ = np.linalg.lstsq(design, target, rcond=None)
    (ours,) = ridge_regression(torch.from_numpy(features), torch.from_numpy(target), [0.0])
    assert_close(ours, torch.from_numpy(expected.T))


def test_a_ridge_is_least_squares_with_rows_added_that_ask_for_zero_slopes() -> None:
    generator = np.random.default_rng(0)
    features, target = generator.normal(size=(50, 4)), generator.normal(size=(50, 2))
    design = np.concatenate([features, np.ones((50, 1))], axis=1)
    penalty = np.sqrt(50 * 0.3) * np.eye(4, 5)
    expected, *_ = np.linalg.lstsq(
        np.concatenate([design, penalty]), np.concatenate([target, np.zeros((4, 2))]), rcond=None
    )
    (ours,) = ridge_regression(torch.from_numpy(features), torch.from_numpy(target), [0.3])
    assert_close(ours, torch.from_numpy(expected.T))


def test_features_that_never_vary_leave_the_regression_finite() -> None:
    features = torch.stack([torch.arange(9.0), torch.full((9,), 2.0)], dim=1).double()
    target = 3 * features[:, :1] + 1
    (ours,) = ridge_regression(features, target, [0.0])
    assert_close(features @ ours[:, :2].T + ours[:, 2], target)


def test_the_forecast_is_the_regression_on_raw_coordinates_of_the_lagged_frames() -> None:
    clips, _ = var2(clips=20, frames=24, seed=0)
    fitted = fit_var(clips, [], [Window(3, 4, 7)], ridges=[0.0])
    windows = torch.stack([clip[t : t + 3].flip(0) for clip in clips for t in range(24 - 6)])
    design = np.concatenate(
        [windows.flatten(1).double().numpy(), np.ones((len(windows), 1))], axis=1
    )
    target = torch.stack([clip[t + 6] for clip in clips for t in range(24 - 6)]).flatten(1)
    weights, *_ = np.linalg.lstsq(design, target.double().numpy(), rcond=None)  # horizon 4
    newest_first = clips[0][:3].flip(0).flatten().double().numpy()
    expected = torch.from_numpy(np.append(newest_first, 1.0) @ weights).float()
    forecast = continue_free(fitted, clips[0][None, :3], 4)
    assert_close(forecast[0, 3].flatten(), expected, atol=1e-5, rtol=0)


def test_a_var2_process_is_forecast_as_its_own_matrix_would() -> None:
    clips, companion = var2(clips=200, frames=60, seed=0)
    fitted = fit_var(clips[:150], clips[150:], [Window(4, 8, 12)])
    fresh, _ = var2(clips=100, frames=12, seed=1)
    windows = torch.stack(fresh)
    centred = (windows - REST).flatten(2)
    state, optimal = torch.cat([centred[:, 3], centred[:, 2]], dim=1), []
    for _ in range(8):
        state = state @ companion.T
        optimal.append(state[:, :6])
    expected = torch.stack(optimal, dim=1).reshape(-1, 8, 2, 3) + REST
    forecast = continue_free(fitted, windows[:, :4], 8)

    def error(guess: Tensor) -> Tensor:
        return (guess - windows[:, 4:]).square().mean(dim=(0, 2, 3)).sqrt()

    assert (error(forecast) < 1.02 * error(expected)).all()
    assert (forecast - expected).square().mean().sqrt() < 0.15 * error(expected).mean()


def test_at_one_to_one_lines_are_continued_from_every_other_frame() -> None:
    velocities = torch.tensor([[0.02, -0.01, 0.0], [-0.03, 0.01, 0.01], [0.0, 0.02, -0.01]])
    starts = torch.tensor([[0.1, 0.2, 0.5], [0.3, -0.1, 0.6], [-0.2, 0.0, 0.4]])
    clips = [
        (start + torch.arange(12.0)[:, None] * velocity)[:, None]
        for start in starts
        for velocity in velocities
    ]
    fitted = fit_var(clips, [], [Window(1, 1, 6)], lags=2, ridges=[0.0])
    assert set(fitted.maps) == {(0,), (0, -2)}
    timeline = torch.full((1, 6, 1, 3), torch.nan)
    timeline[0, ::2] = clips[4][:6:2]
    # In the first gap the velocity is still unknown.
    assert_close(fitted(timeline, pattern(1, 1, 6))[0, 2:], clips[4][2:6], atol=1e-5, rtol=0)


def test_the_validation_clips_choose_the_ridge() -> None:
    clips, _ = var2(clips=3, frames=30, seed=0)
    validation, _ = var2(clips=50, frames=30, seed=1)
    overfitted, ruled = 0.0, 0.03
    chosen = fit_var(clips, validation, [Window(5, 3, 8)], ridges=[overfitted, ruled])
    tested, _ = var2(clips=50, frames=8, seed=2)
    windows = torch.stack(tested)

    def error(ridge: float) -> float:
        fitted = fit_var(clips, [], [Window(5, 3, 8)], ridges=[ridge])
        miss = continue_free(fitted, windows[:, :5], 3) - windows[:, 5:]
        return float(torch.linalg.vector_norm(miss[..., :2], dim=-1).mean())

    assert error(ruled) < error(overfitted)
    assert set(chosen.maps[(0, -1, -2, -3, -4)].ridges) == {ruled}


def test_forecasts_stay_within_the_range_of_keypoints_and_ignore_what_is_not_observed() -> None:
    clips, _ = var2(clips=10, frames=40, seed=0)
    fitted = fit_var(clips, [], [Window(5, 5, 20)])
    keypoints, observed = 3 * torch.stack(clips)[:, :20], pattern(5, 5, 20)
    expected = fitted(keypoints, observed)
    assert_close(expected[:, observed], keypoints[:, observed], atol=0, rtol=0)
    assert expected[:, ~observed, :, :2].abs().max() <= 1
    assert expected[:, ~observed, :, 2].min() >= 0
    keypoints[:, ~observed] = torch.nan
    assert_close(fitted(keypoints, observed), expected, atol=0, rtol=0)


@pytest.mark.parametrize("mask", [pattern(2, 3, 5), pattern(5, 6, 11)])
def test_a_pattern_it_was_not_fitted_for_is_refused_with_those_it_was(mask: Tensor) -> None:
    clips, _ = var2(clips=4, frames=20, seed=0)
    fitted = fit_var(clips, [], [Window(5, 5, 10), Window(1, 1, 4)])
    with pytest.raises(ValueError, match=r"5:5 over 10 frames, 1:1 over 4 frames"):
        fitted(torch.rand(1, len(mask), 2, 3), mask)


def test_patterns_longer_than_every_clip_are_left_out_until_none_remains() -> None:
    clips, _ = var2(clips=4, frames=30, seed=0)
    assert fit_var(clips, [], PATTERNS).patterns == (Window(5, 25, 30), Window(10, 12, 22))
    with pytest.raises(ValueError, match="longest has 21 frames"):
        fit_var([clip[:21] for clip in clips], [], PATTERNS)


def test_a_vector_autoregression_survives_the_disk_unchanged(tmp_path: Path) -> None:
    clips, _ = var2(clips=4, frames=20, seed=0)
    fitted = fit_var(clips, clips, [Window(5, 5, 20)])
    save_var(fitted, tmp_path / "var.pt")
    read = load_var(tmp_path / "var.pt")
    keypoints, observed = torch.stack(clips), pattern(5, 5, 20)
    for again in (read, load_forecaster(tmp_path / "var.pt")):
        assert_close(again(keypoints, observed), fitted(keypoints, observed), atol=0, rtol=0)
    assert (read.patterns, read.lags) == (fitted.patterns, fitted.lags)
    assert [each.ridges for each in read.maps.values()] == [
        each.ridges for each in fitted.maps.values()
    ]


def test_each_loader_refuses_the_other_kind_of_predictor_by_name(tmp_path: Path) -> None:
    clips, _ = var2(clips=4, frames=20, seed=0)
    save_var(fit_var(clips, [], [Window(1, 1, 4)]), tmp_path / "var.pt")
    sizes = PredictorSizes(keypoints=2, hidden=8, latent=2, features=4)
    save_predictor(build_predictor("gru", sizes), tmp_path / "gru.pt")
    with pytest.raises(PredictorCheckpointError, match=r"gru\.pt: .*'gru'"):
        load_var(tmp_path / "gru.pt")
    with pytest.raises(PredictorCheckpointError, match=r"var\.pt: .*'var'"):
        load_predictor(tmp_path / "var.pt")
