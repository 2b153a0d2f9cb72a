"""The forecast comparison: its pixels, its horizons, and that it never looks ahead."""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from motioncast.data.keypoints import Tracks, save_tracks
from motioncast.evaluate.forecast import Setting, as_table, compare, forecast_error, main
from motioncast.models.checkpoint_predictor import build_predictor, save_predictor
from motioncast.models.predictor import PredictorSizes
from motioncast.models.predictors import damped, free_running, hold, linear

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

    def recording(observed: Tensor, horizon: int) -> Tensor:
        forecasts.append(predict(observed, horizon))
        return forecasts[-1]

    windows = moving((0.006, 0.008, 0.1))
    other_future = windows.clone()
    other_future[:, 3:] = 0.9
    errors = [forecast_error(recording, window, SETTING) for window in (windows, other_future)]
    assert_close(forecasts[0], forecasts[1], atol=0, rtol=0)
    assert not torch.equal(errors[0], errors[1])


def test_the_comparison_covers_every_window_of_every_clip() -> None:
    clips = [moving((0.0, 0.0, 0.0), frames=6)[0], moving((0.01, 0.0, 0.0), frames=5)[0]]
    # Two windows that stand still and one that moves 1.275 pixels a frame.
    errors = compare({"hold": hold}, clips, SETTING)
    assert errors["hold"] == pytest.approx([1.275 / 3, 2.55 / 3], rel=1e-4)


def test_the_table_names_horizons_and_predictors() -> None:
    table = as_table({"hold": [1.0, 2.0, 3.0, 4.0, 5.0]})
    assert table.splitlines() == [
        "| horizon | 1 | 2 | 3 | 4 | 5 |",
        "| --- | --- | --- | --- | --- | --- |",
        "| hold | 1.000 | 2.000 | 3.000 | 4.000 | 5.000 |",
    ]


def test_the_command_writes_all_horizons_of_all_predictors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = moving((0.006, 0.008, 0.0), frames=30)[0]
    save_tracks(Tracks(("a.mp4",), (0, 30), clip, (False,)), tmp_path / "tracks.npz")
    for kind in ("gru", "vrnn"):
        sizes = PredictorSizes(keypoints=1, hidden=8, latent=2, features=4)
        save_predictor(build_predictor(kind, sizes), tmp_path / f"{kind}.pt")
    main(
        [
            *("--tracks", str(tmp_path / "tracks.npz"), "--json", str(tmp_path / "report.json")),
            *("--checkpoint-gru", str(tmp_path / "gru.pt")),
            *("--checkpoint-vrnn", str(tmp_path / "vrnn.pt")),
        ]
    )
    report = json.loads((tmp_path / "report.json").read_text())
    assert list(report["error_pixels"]) == ["hold", "damped 0.7", "linear", "GRU", "VRNN"]
    assert all(len(errors) == 12 for errors in report["error_pixels"].values())
    assert report["error_pixels"]["hold"][11] == pytest.approx(12 * 1.275, rel=1e-4)
    assert "| damped 0.7 |" in capsys.readouterr().out
