"""The forecast comparison: pixels, horizons, and no look-ahead."""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from motioncast.data.keypoints import Tracks, save_tracks
from motioncast.evaluate.forecast import as_table, compare, main, relative_to_motion
from motioncast.metrics.forecast import Setting, forecast_error, per_clip_errors
from motioncast.models.predictors.checkpoint import build_predictor, save_predictor
from motioncast.models.predictors.gap_filling import damped, free_running, hold, linear
from motioncast.models.predictors.recurrent import PredictorSizes

SETTING = Setting(observed_frames=3, horizon_frames=2)


def moving(velocity: tuple[float, float, float], frames: int = 5) -> Tensor:
    """Returns a window (1, T, 1, 3) of one keypoint at a constant velocity per frame."""
    return (torch.arange(frames)[:, None] * torch.tensor(velocity))[None, :, None]


def test_holding_errs_by_the_way_travelled_in_pixels_at_256() -> None:
    # 3-4-5: a hundredth of the image's half width (127.5 pixels) per frame
    windows = moving((0.006, 0.008, 0.1))
    assert_close(forecast_error(hold, windows, SETTING), torch.tensor([1.275, 2.55]))


def test_a_linear_forecast_of_constant_velocity_is_exact() -> None:
    windows = moving((0.006, 0.008, 0.1))
    assert_close(forecast_error(linear, windows, SETTING), torch.zeros(2), atol=1e-4, rtol=0)


def test_a_damped_forecast_of_constant_velocity_errs_by_what_was_damped() -> None:
    windows = moving((0.006, 0.008, 0.1))
    expected = torch.tensor([1 - 0.7, 2 - 0.7 - 0.49]) * 1.275
    assert_close(forecast_error(damped, windows, SETTING), expected, atol=1e-4, rtol=0)


def test_changing_the_future_changes_no_forecast() -> None:
    torch.manual_seed(0)
    model = build_predictor("vrnn", PredictorSizes(keypoints=1, hidden=8, latent=2, features=4))
    predict = free_running(model.eval())
    forecasts: list[Tensor] = []

    def recording(keypoints: Tensor, observed: Tensor) -> Tensor:
        forecasts.append(predict(keypoints, observed))
        return forecasts[-1]

    windows = moving((0.006, 0.008, 0.1))
    other_future = windows.clone()
    other_future[:, 3:] = 0.9
    errors = [forecast_error(recording, window, SETTING) for window in (windows, other_future)]
    assert_close(forecasts[0], forecasts[1], atol=0, rtol=0)
    assert not torch.equal(errors[0], errors[1])


def test_the_error_of_a_clip_is_the_mean_over_its_windows_and_short_clips_are_left_out() -> None:
    accelerated = torch.zeros(6, 1, 3)
    accelerated[:, 0, 0] = torch.tensor([0.0, 0.0, 0.0, 0.0, 0.01, 0.03])
    clips = [moving((0.01, 0.0, 0.0))[0], moving((0.0, 0.0, 0.0), frames=4)[0], accelerated]
    # Two windows: the first stands still, then 0.01 away; the second 0.01, then 0.03 away.
    expected = torch.tensor([[1.275, 2.55], [0.01 / 2 * 127.5, (0.01 + 0.03) / 2 * 127.5]])
    assert_close(per_clip_errors(hold, clips, SETTING), expected, rtol=1e-4, atol=0)


def test_clips_that_are_all_too_short_are_refused() -> None:
    with pytest.raises(ValueError, match="all are shorter than 5 frames"):
        per_clip_errors(hold, [moving((0.0, 0.0, 0.0), frames=4)[0]], SETTING)


def test_the_comparison_keeps_every_initialisation_and_clip_apart() -> None:
    clips = [moving((0.0, 0.0, 0.0), frames=6)[0], moving((0.01, 0.0, 0.0), frames=5)[0]]
    errors = compare({"both": [hold, linear]}, clips, SETTING)
    expected = torch.zeros(2, 2, 2)
    expected[0, 1] = torch.tensor([1.275, 2.55])
    assert_close(errors["both"], expected, atol=1e-4, rtol=0)


def test_holding_errs_by_exactly_the_motion_itself() -> None:
    clips = [moving((0.01, 0.02, 0.0))[0], moving((0.03, 0.0, 0.1), frames=7)[0]]
    errors = per_clip_errors(hold, clips, SETTING).mean(dim=0)
    assert_close(relative_to_motion(errors, clips, SETTING), torch.ones(2))


def test_the_table_names_horizons_and_predictors() -> None:
    table = as_table({"hold": [1.0, 2.0, 3.0, 4.0, 5.0]})
    assert table.splitlines() == [
        "| horizon | 1 | 2 | 3 | 4 | 5 |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        "| hold | 1.000 | 2.000 | 3.000 | 4.000 | 5.000 |",
    ]


def test_the_command_writes_all_horizons_of_all_predictors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = moving((0.006, 0.008, 0.0), frames=30)[0]
    save_tracks(Tracks(("a.mp4",), (0, 30), clip, (False,)), tmp_path / "tracks.npz")
    sizes = PredictorSizes(keypoints=1, hidden=8, latent=2, features=4)
    for name in ("rnn_0", "vrnn_0", "vrnn_1"):
        save_predictor(build_predictor(name[:-2], sizes), tmp_path / f"{name}.pt")
    save_predictor(build_predictor("gru", sizes), tmp_path / "elsewhere.pt")
    main(
        [
            *("--tracks", str(tmp_path / "tracks.npz"), "--json", str(tmp_path / "report.json")),
            *("--predictors", str(tmp_path), "--checkpoint-gru", str(tmp_path / "elsewhere.pt")),
        ]
    )
    report = json.loads((tmp_path / "report.json").read_text())
    names = ["damped", "hold", "linear", "vrnn", "rnn", "gru"]
    assert list(report["error_pixels"]) == names
    assert report["initialisations"] == dict(zip(names, [1, 1, 1, 2, 1, 1], strict=True))
    assert all(len(errors) == 12 for errors in report["error_pixels"].values())
    assert report["error_pixels"]["hold"][11] == pytest.approx(12 * 1.275, rel=1e-4)
    assert report["error_relative_to_motion"]["hold"] == pytest.approx([1.0] * 12)
    assert "| damped |" in capsys.readouterr().out
