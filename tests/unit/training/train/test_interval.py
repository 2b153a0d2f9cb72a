"""A forecast's 90 % interval on random walks agrees with the normal distribution."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from motioncast.data.keypoints import Tracks, save_tracks
from motioncast.data.windows import every_window
from motioncast.evaluate.coverage import coverage, coverage_lines, coverage_rows
from motioncast.models.predictors.checkpoint import load_predictor, save_predictor
from motioncast.models.predictors.gap_filling import continue_with_interval
from motioncast.models.predictors.gru import GRU
from motioncast.models.predictors.interval import HORIZONS, NORMAL_QUANTILE, deviate
from motioncast.models.predictors.recurrent import MotionStatistics, PredictorSizes
from motioncast.models.predictors.vrnn import VRNN
from motioncast.train.calibration import calibrate, conformal_quantile, main

SIZES = PredictorSizes(keypoints=4, hidden=2, latent=2, features=2)
STEP = 0.01  # standard deviation of a random walk's displacement from frame to frame
OBSERVED = 10


def walks(clips: int, frames: int, seed: int) -> list[Tensor]:
    """Returns random walks (T, 4, 3) from the middle of the image."""
    generator = torch.Generator().manual_seed(seed)
    steps = STEP * torch.randn(clips, frames, 4, 3, generator=generator)
    return list(steps.cumsum(dim=1) + torch.tensor([0.0, 0.0, 0.5]))


def holding() -> GRU:
    """Returns a network that forecasts no motion, which is optimal for a random walk."""
    ones = torch.ones(4, 3)
    model = GRU(SIZES, MotionStatistics(0 * ones, ones, STEP * ones))
    with torch.no_grad():
        for parameter in model.decoder.parameters():
            parameter.zero_()
    return model.eval()


@pytest.fixture(scope="module")
def calibrated() -> GRU:
    model = holding()
    assert calibrate(model, walks(400, 50, seed=0)) == HORIZONS
    return model


def test_on_a_random_walk_the_interval_is_that_of_the_normal_distribution(calibrated: GRU) -> None:
    observed = torch.stack(walks(400, 10, seed=5))
    half_width90 = continue_with_interval(calibrated, observed, 32).half_width90.mean(dim=(0, 2))
    expected = NORMAL_QUANTILE * STEP * torch.arange(1, 33).sqrt()
    # A little wider, since the step size is estimated from only ten frames.
    assert_close(half_width90, expected[:, None].expand(32, 3), rtol=0.1, atol=0)


def test_who_moves_three_times_as_much_soon_gets_intervals_three_times_as_wide(
    calibrated: GRU,
) -> None:
    middle = torch.tensor([0.0, 0.0, 0.5])
    observed = torch.stack(walks(400, 40, seed=6))
    widths = [
        continue_with_interval(calibrated, middle + gain * (observed - middle), 1).half_width90
        for gain in (1.0, 3.0)
    ]
    # The initial expectation has decayed to 0.85 ** 39 = 0.002.
    assert_close(widths[1].mean(), 3 * widths[0].mean(), rtol=0.03, atol=0)


def test_nine_of_ten_coordinates_of_other_walks_lie_within_it_and_within_drawn_paths(
    calibrated: GRU,
) -> None:
    windows = every_window(walks(400, 40, seed=1), OBSERVED + 12, 4)
    found = coverage(calibrated, windows, OBSERVED)
    assert_close(found.stated, torch.full((12,), 0.9).double(), atol=0.02, rtol=0)
    assert_close(found.sampled, torch.full((12,), 0.9).double(), atol=0.03, rtol=0)
    expected = 2 * 127.5 * NORMAL_QUANTILE * STEP * torch.arange(1, 13).double().sqrt()
    assert_close(found.width_pixels, expected, rtol=0.15, atol=0)


def test_drawn_paths_deviate_normally_at_every_frame_and_never_jitter() -> None:
    noise = torch.randn(20, 20_000, 1, 3, generator=torch.Generator().manual_seed(0))
    states = [deviate(torch.zeros(20_000, 1, 3), noise[0], torch.zeros(20_000, 1))]
    for drawn in noise[1:]:
        states.append(deviate(states[-1], drawn, torch.ones(20_000, 1)))
    path = torch.stack(states)  # (T, B, 1, 3)
    assert_close(path.std(dim=1), torch.ones(20, 1, 3), atol=0.03, rtol=0)
    neighbours = (path[1:] * path[:-1]).mean(dim=1)
    assert_close(neighbours, torch.full((19, 1, 3), 0.9), atol=0.03, rtol=0)


def test_the_quantile_is_the_order_statistic_that_conformal_prediction_takes() -> None:
    # ceil(0.9 * 100) = 90 of 99 residuals; of nine, ceil(0.9 * 10) = 9; of five, the largest
    for count, rank in ((99, 90), (9, 9), (5, 5)):
        residuals = torch.arange(1.0, count + 1).flip(0)[:, None].expand(count, 3)
        assert_close(conformal_quantile(residuals, 0.9), torch.full((3,), float(rank)))


def test_horizons_that_clips_are_too_short_for_continue_with_the_last_factor() -> None:
    model = holding()
    assert calibrate(model, walks(100, 15, seed=2)) == 5
    assert (model.factors[:4] > 0).all()
    assert_close(model.factors[5:], model.factors[4].expand(HORIZONS - 5, 3), atol=0, rtol=0)
    _, half_width90 = continue_with_interval(model, torch.full((1, 10, 4, 3), 0.3), 60)
    assert_close(half_width90[:, -1], half_width90[:, 4])
    assert calibrate(model, walks(3, 10, seed=3)) == 0
    assert not model.factors.any()


def test_a_network_that_was_never_calibrated_states_nothing_and_draws_its_mean_path() -> None:
    _, half_width90 = continue_with_interval(holding(), torch.full((1, 10, 4, 3), 0.3), 3)
    assert not half_width90.any()


def test_an_interval_begins_anew_at_every_observed_frame(calibrated: GRU) -> None:
    observed = torch.tensor([[1.0, 0, 0, 1, 0, 0, 0]])
    keypoints, noise = torch.full((1, 7, 4, 3), 0.3), torch.zeros(1, 7, 2)
    run = calibrated.unroll(keypoints, observed, noise, torch.zeros(1, calibrated.state_size))
    half_width90 = calibrated.half_width90(run.states)[0, :, 0, 0] / STEP
    factors = calibrated.factors[:, 0]
    # For the forecast of every frame, including observed ones; the first has none. Frame 3 was
    # forecast without error, which reduces the surprise by 0.15.
    assert_close(half_width90, torch.cat([torch.zeros(1), factors[:3], 0.85 * factors[:3]]))


def test_the_interval_survives_the_disk_and_older_files_state_none(
    calibrated: GRU, tmp_path: Path
) -> None:
    path = tmp_path / "predictor.pt"
    save_predictor(calibrated, path)
    assert_close(load_predictor(path).factors, calibrated.factors, atol=0, rtol=0)

    torch.manual_seed(0)
    save_predictor(VRNN(SIZES), path)
    content = torch.load(path, weights_only=True)
    newer = ("factors", "spread_network.")
    content["weights"] = {k: v for k, v in content["weights"].items() if not k.startswith(newer)}
    del content["sizes"]["inputs"]
    torch.save(content, path)
    older = load_predictor(path)
    assert older.sizes == SIZES
    assert not older.factors.any()
    assert coverage_lines({"vrnn": [path], "var": [path]}, torch.zeros(1, 12, 4, 3), 10) == []


def test_the_command_calibrates_a_predictor_on_validation_clips(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clips = walks(40, 30, seed=4)
    tracks = Tracks(
        names=tuple(f"clip{i}" for i in range(40)),
        starts=tuple(range(0, 40 * 30 + 1, 30)),
        keypoints=torch.cat(clips),
        validation=tuple(i >= 20 for i in range(40)),
    )
    save_tracks(tracks, tmp_path / "tracks.npz")
    save_predictor(holding(), tmp_path / "gru.pt")
    command = ["--predictor", str(tmp_path / "gru.pt"), "--data", str(tmp_path / "tracks.npz")]
    main([*command, "--out", str(tmp_path / "stated.pt")])
    expected = holding()
    calibrate(expected, clips[20:])
    assert_close(load_predictor(tmp_path / "stated.pt").factors, expected.factors)
    assert not load_predictor(tmp_path / "gru.pt").factors.any()

    lines = coverage_lines({"gru": [tmp_path / "stated.pt"]}, torch.stack(clips[:8])[:, :22], 10)
    assert [line.horizon for line in lines] == list(range(1, 13))
    assert list(coverage_rows(lines)) == ["gru, stated", "gru, sampled", "gru, width"]

    save_predictor(VRNN(PredictorSizes(3, 2, 2, 2)), tmp_path / "gru.pt")
    with pytest.raises(SystemExit):
        main(command)
    assert "tracks.npz: has 4 keypoints (expected 3, as" in capsys.readouterr().err
