"""Closed forms of the simple predictors, and properties of every predictor's timeline."""

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from motioncast.models.predictors.checkpoint import build_predictor
from motioncast.models.predictors.gap_filling import (
    Predictor,
    continue_free,
    damped,
    free_running,
    hold,
    linear,
    pattern,
    sampled,
)
from motioncast.models.predictors.recurrent import PredictorSizes
from motioncast.models.predictors.registry import NETWORKS, RULES

SIZES = PredictorSizes(keypoints=1, hidden=8, latent=2, features=4)
GAP = float("nan")


def line(*positions: float) -> Tensor:
    """Returns one keypoint on a line, (1, M, 1, 3), with intensity 0.5."""
    frames = torch.tensor(positions)[None, :, None, None]
    return torch.cat([frames, frames, torch.full_like(frames, 0.5)], dim=-1)


def filled(predictor: Predictor, *positions: float) -> Tensor:
    """Returns the predictor's timeline for positions in which NaN marks gaps."""
    keypoints = line(*positions)
    return predictor(keypoints, ~keypoints[0, :, 0, 0].isnan())


@pytest.fixture(params=[*RULES, *NETWORKS])
def predictor(request: pytest.FixtureRequest) -> Predictor:
    if request.param in RULES:
        return RULES[request.param]
    torch.manual_seed(0)
    return free_running(build_predictor(request.param, SIZES).eval())


def test_a_pattern_repeats_its_stretches_and_is_cut_at_the_last_frame() -> None:
    assert pattern(2, 3, 8).tolist() == [True, True, False, False, False, True, True, False]
    assert pattern(1, 1, 5).tolist() == [True, False, True, False, True]
    assert pattern(3, 0, 4).tolist() == [True] * 4


@pytest.mark.parametrize(("observed", "predicted", "frames"), [(0, 1, 4), (1, -1, 4), (1, 1, 0)])
def test_a_pattern_without_a_first_frame_is_refused(
    observed: int, predicted: int, frames: int
) -> None:
    with pytest.raises(ValueError, match="pattern"):
        pattern(observed, predicted, frames)


def test_hold_repeats_the_last_frame() -> None:
    assert_close(filled(hold, 0.1, 0.2, GAP, GAP), line(0.1, 0.2, 0.2, 0.2))


def test_linear_goes_on_at_the_last_velocity() -> None:
    assert_close(filled(linear, 0.0, 0.1, 0.3, GAP, GAP), line(0.0, 0.1, 0.3, 0.5, 0.7))


def test_damped_adds_a_geometric_series_of_the_last_displacement() -> None:
    # 0.7, 0.7 + 0.49, 0.7 + 0.49 + 0.343 times 0.1
    expected = line(0.17, 0.219, 0.2533)
    assert_close(filled(damped, 0.0, 0.1, GAP, GAP, GAP)[:, 2:], expected)


def test_damped_converges_to_the_limit_of_the_series() -> None:
    # 0.7 / (1 - 0.7) of the last displacement
    assert_close(continue_free(damped, line(0.0, 0.1), 100)[:, -1:], line(0.1 + 0.1 * 7 / 3))


def test_earlier_gaps_count_as_filled_in_hindsight_so_velocities_are_per_frame() -> None:
    # At 1:1 the velocity is half the distance of two observed frames; at first it is unknown.
    expected = line(0.0, 0.0, 0.2, 0.3, 0.6, 0.8)
    assert_close(filled(linear, 0.0, GAP, 0.2, GAP, 0.6, GAP), expected)
    # Three frames for 0.3, after an isolated frame.
    assert_close(filled(linear, 0.0, 0.5, GAP, GAP, 0.8, GAP)[:, -1:], line(0.9))


def test_forecasts_stop_at_the_border_of_the_image() -> None:
    assert_close(filled(linear, 0.0, 0.6, GAP, GAP)[:, 2:], line(1.0, 1.0))


def test_observed_frames_come_back_as_they_were_given(predictor: Predictor) -> None:
    torch.manual_seed(1)
    keypoints, observed = torch.rand(2, 7, 1, 3) * 4, pattern(2, 3, 7)
    out = predictor(keypoints, observed)
    assert out.shape == keypoints.shape
    assert_close(out[:, observed], keypoints[:, observed], atol=0, rtol=0)


@pytest.mark.parametrize("content", [GAP, float("inf"), 0.9])
def test_keypoints_of_unobserved_frames_are_never_read(
    predictor: Predictor, content: float
) -> None:
    torch.manual_seed(1)
    keypoints = torch.rand(2, 12, 1, 3)
    for observed in (pattern(1, 1, 12), pattern(5, 7, 12), pattern(2, 3, 12)):
        other = keypoints.clone()
        other[:, ~observed] = content
        expected = predictor(keypoints, observed)
        assert expected.isfinite().all()
        assert_close(predictor(other, observed), expected, atol=0, rtol=0)


def test_a_forecast_knows_nothing_of_later_observed_frames(predictor: Predictor) -> None:
    torch.manual_seed(1)
    keypoints, observed = torch.rand(1, 8, 1, 3), pattern(3, 2, 8)
    later = keypoints.clone()
    later[:, 5:] = 0.0
    before, after = predictor(keypoints, observed), predictor(later, observed)
    assert_close(after[:, :5], before[:, :5], atol=0, rtol=0)


def test_timelines_that_make_no_sense_are_refused_by_name(predictor: Predictor) -> None:
    keypoints = torch.rand(1, 3, 1, 3)
    with pytest.raises(ValueError, match="first frame"):
        predictor(keypoints, torch.tensor([False, True, True]))
    with pytest.raises(ValueError, match="observed"):
        predictor(keypoints, torch.ones(4, dtype=torch.bool))
    with pytest.raises(ValueError, match="observed"):
        predictor(keypoints, torch.ones(3))
    with pytest.raises(ValueError, match="keypoints"):
        predictor(keypoints[0], torch.ones(3, dtype=torch.bool))


def test_free_running_is_the_served_recurrence_without_noise() -> None:
    torch.manual_seed(0)
    model = build_predictor("vrnn", SIZES).eval()
    keypoints, observed = line(0.1, 0.2, 0.25, 0.3, 0.4, 0.5), pattern(3, 2, 6)
    served, _ = model(
        keypoints, observed.float()[None], torch.zeros(1, 6, 2), torch.zeros(1, model.state_size)
    )
    out = free_running(model)(keypoints, observed)
    assert_close(out[:, 3:5], served[:, 3:5].detach())


def test_samples_differ_in_the_gaps_alone_and_follow_their_generator() -> None:
    torch.manual_seed(0)
    model = build_predictor("vrnn", SIZES).eval()
    keypoints, observed = line(0.1, 0.2, GAP, GAP), torch.tensor([True, True, False, False])

    def draw() -> Tensor:
        return sampled(model, torch.Generator().manual_seed(3), samples=5)(keypoints, observed)

    paths = draw()
    assert paths.shape == (5, 1, 4, 1, 3)
    assert (paths[:, :, :2] == keypoints[:, :2]).all()
    assert (paths[:, :, 2:, :, :2].std(dim=0) > 0).all()
    assert_close(draw(), paths, atol=0, rtol=0)
