"""Frames sent by gating, counted by hand for motion with known forecasts."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from motioncast.evaluate.gating import (
    LONGEST_GAP,
    gate,
    gating_lines,
    gating_table,
    sent_by_network,
    sent_by_rule,
)
from motioncast.models.predictors.checkpoint import save_predictor
from motioncast.models.predictors.gap_filling import hold, linear
from motioncast.models.predictors.gru import GRU
from motioncast.models.predictors.recurrent import MotionStatistics, PredictorSizes

PIXEL = 2 / 255  # of 256, in keypoint units


def moving(pixels: float, frames: int, keypoint: int = 0) -> Tensor:
    """Returns a clip (T, 2, 3) with one keypoint moving to the right at constant speed."""
    clip = torch.zeros(frames, 2, 3)
    clip[:, keypoint, 0] = PIXEL * pixels * torch.arange(frames)
    return clip


def holding() -> GRU:
    """Returns a network that forecasts no motion."""
    ones = torch.ones(2, 3)
    sizes = PredictorSizes(keypoints=2, hidden=2, latent=2, features=2)
    model = GRU(sizes, MotionStatistics(0 * ones, ones, PIXEL * ones))
    with torch.no_grad():
        for parameter in model.decoder.parameters():
            parameter.zero_()
    return model.eval()


def test_held_still_a_frame_is_sent_whenever_the_motion_passes_the_bound() -> None:
    # 3 pixels per frame, bound 4: frames 0, 2, 4 ... of 20
    clip, rule = moving(3.0, 20), gate(4.0)
    assert_close(sent_by_rule(hold, [clip], rule), torch.tensor([0.5]))
    assert_close(sent_by_network(holding(), [clip], rule), torch.tensor([0.5]))


def test_who_forecasts_the_motion_sends_its_beginning_alone() -> None:
    # The velocity is unknown at first, so frames 0 and 2 are sent; it is then half their distance,
    # 3 pixels per frame, and every later frame is forecast.
    assert_close(sent_by_rule(linear, [moving(3.0, 20)], gate(4.0)), torch.tensor([0.1]))


def test_where_nothing_moves_a_frame_is_sent_after_the_longest_gap() -> None:
    clip, rule = moving(0.0, 2 * LONGEST_GAP + 1), gate(1.0)
    expected = torch.tensor([3 / (2 * LONGEST_GAP + 1)])
    assert_close(sent_by_rule(hold, [clip], rule), expected)
    assert_close(sent_by_network(holding(), [clip], rule), expected)


def test_clips_of_several_lengths_count_for_themselves() -> None:
    clips = [moving(3.0, 20), moving(5.0, 7)]
    expected = torch.tensor([0.5, 1.0])
    assert_close(sent_by_network(holding(), clips, gate(4.0)), expected)
    assert_close(sent_by_rule(hold, clips, gate(4.0)), expected)


@pytest.mark.parametrize(("keypoint", "share"), [(0, 1.0), (1, 4 / 12)])
def test_a_keypoint_of_more_weight_has_a_finer_bound(keypoint: int, share: float) -> None:
    # Weights 3:1 are 1.5 and 0.5 of the mean: 3 pixels count as 4.5 or 1.5; the bound is 4.4.
    rule = gate(4.4, [3.0, 1.0])
    assert_close(sent_by_rule(hold, [moving(3.0, 12, keypoint)], rule), torch.tensor([share]))


def test_the_table_has_a_row_for_every_predictor_and_a_column_for_every_bound(
    tmp_path: Path,
) -> None:
    path = tmp_path / "gru.pt"
    save_predictor(holding(), path)
    lines = gating_lines({"gru": [path], "var": [path]}, [moving(3.0, 20)], bounds=(2.0, 4.0))
    assert {line.predictor for line in lines} == {"hold", "damped", "gru"}
    assert gating_table(lines).splitlines()[:3] == [
        "| bound | 2 | 4 |",
        "| --- | ---: | ---: |",
        "| hold | 1.000 | 0.500 |",
    ]
