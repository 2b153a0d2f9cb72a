"""siMLPe forecasts a block of frames from a window of past ones, with the recurrent interface."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import fft
from torch import Tensor
from torch.testing import assert_close

from motioncast.evaluate.coverage import coverage
from motioncast.export.exportables import predictor_exportable
from motioncast.export.exporter import build
from motioncast.models.predictors.coordinates import as_keypoints
from motioncast.models.predictors.gap_filling import continue_with_interval
from motioncast.models.predictors.recurrent import MotionStatistics, PredictorSizes
from motioncast.models.predictors.simlpe import LEAST_SPREAD, SiMLPe, dct
from motioncast.train.calibration import calibrate
from motioncast.train.predictor_loss import own_output, windows_before

SIZES = PredictorSizes(keypoints=3, features=6, latent=2, inputs="displacements", layers=2)
UNIT = 0.01


def network(components: int = 0, window: int = 10, block: int = 12) -> SiMLPe:
    """Returns a network with random weights that trusts its own forecast."""
    torch.manual_seed(0)
    ones = torch.ones(3, 3)
    statistics = MotionStatistics.neutral(3, components)
    if components:
        statistics = replace(statistics, energy=torch.full((components,), 4.0))  # of a random walk
    chosen = replace(SIZES, components=components, window=window, block=block)
    model = SiMLPe(chosen, replace(statistics, unit=UNIT * ones))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.3)
    return model.eval()


def holding() -> SiMLPe:
    """Returns a network that forecasts no motion, which is optimal for a random walk."""
    model = network(components=4)
    model.silence()
    return model


def walks(clips: int, frames: int, seed: int) -> Tensor:
    """Returns random walks (C, T, 3, 3) from the middle of the image."""
    generator = torch.Generator().manual_seed(seed)
    steps = UNIT * torch.randn(clips, frames, 3, 3, generator=generator)
    return steps.cumsum(dim=1) + torch.tensor([0.0, 0.0, 0.5])


def forecast(model: SiMLPe, keypoints: Tensor, observed: list[int]) -> Tensor:
    """Returns the unroll's forecast of every frame (B, T, K, 3)."""
    mask = torch.tensor(observed, dtype=torch.float32).expand(len(keypoints), -1)
    noise = torch.zeros(*keypoints.shape[:2], model.sizes.latent)
    state = torch.zeros(len(keypoints), model.state_size)
    return model.unroll(keypoints, mask, noise, state).forecast.detach()


@pytest.mark.parametrize("length", [1, 4, 10])
def test_the_transform_is_the_orthonormal_dct(length: int) -> None:
    signal = np.random.default_rng(0).normal(size=(length, 3))
    expected = torch.from_numpy(fft.dct(signal, axis=0, norm="ortho"))
    assert_close(dct(length).double() @ torch.from_numpy(signal), expected, atol=1e-6, rtol=0)


def test_the_network_reads_the_spectrum_of_the_path_back_from_the_newest_frame() -> None:
    path = np.random.default_rng(1).normal(size=(11, 2))
    displacement = torch.from_numpy(np.diff(path, axis=0)).float()
    expected = fft.dct(path[:-1] - path[-1], axis=0, norm="ortho")
    found = network().frequencies @ displacement
    assert_close(found, torch.from_numpy(expected).float(), atol=1e-5, rtol=0)


@pytest.mark.parametrize("components", [0, 4])
def test_a_block_at_once_is_its_frames_one_by_one(components: int) -> None:
    model = network(components)
    keypoints = 0.3 * walks(2, 11, seed=2) + 0.2
    unknown = torch.full((2, 12, 3, 3), torch.nan)
    one_by_one = forecast(model, torch.cat([keypoints, unknown], dim=1), [1] * 11 + [0] * 12)
    at_once = model.follow(keypoints, torch.ones(2, 10)).detach()
    assert_close(one_by_one[:, 11:], at_once, atol=1e-6, rtol=0)


def test_where_a_block_ends_the_next_one_follows_from_what_was_forecast() -> None:
    model = network(block=4)
    keypoints = 0.3 * walks(1, 11, seed=3) + 0.2
    unknown = torch.full((1, 8, 3, 3), torch.nan)
    found = forecast(model, torch.cat([keypoints, unknown], dim=1), [1] * 11 + [0] * 8)
    path = torch.cat([keypoints, found[:, 11:15]], dim=1)[:, 4:]
    mask = torch.tensor([[1.0] * 6 + [0.0] * 4])
    assert_close(found[:, 15:], model.follow(path, mask).detach(), atol=1e-6, rtol=0)


def test_a_frame_that_was_missed_is_in_the_next_window_as_it_was_forecast() -> None:
    model = network()
    keypoints = 0.3 * walks(1, 14, seed=4) + 0.2
    observed = [1] * 11 + [0, 1, 0]
    found = forecast(model, keypoints, observed)
    own = own_output(model, keypoints, torch.tensor([observed], dtype=torch.float32)).detach()
    assert_close(own[:, 11], found[:, 11], atol=1e-6, rtol=0)
    windows, masks = windows_before(model, own, torch.tensor([observed], dtype=torch.float32))
    block = model.follow(windows[:, 12], masks[:, 12]).detach()
    assert_close(block[:, 0], found[:, 13], atol=1e-6, rtol=0)


def test_motion_along_the_basis_passes_through_its_code() -> None:
    basis = torch.linalg.qr(torch.randn(9, 2, generator=torch.Generator().manual_seed(5))).Q
    ones = torch.ones(3, 3)
    statistics = MotionStatistics(0 * ones, ones, ones, basis, torch.ones(2))
    model = SiMLPe(replace(SIZES, components=2), statistics)
    code = torch.tensor([[0.7, -1.2]])
    displacement = model.expand(code)
    assert_close(model.encode(as_keypoints(displacement)), code)
    across = torch.randn(1, 9)
    across = across - across @ basis @ basis.T
    assert_close(model.encode(as_keypoints(across)), torch.zeros(1, 2), atol=1e-6, rtol=0)


def test_who_moves_three_times_as_much_soon_gets_intervals_three_times_as_wide() -> None:
    model = holding()
    model.factors.fill_(1.0)
    middle = torch.tensor([0.0, 0.0, 0.5])
    observed = walks(300, 40, seed=6)
    widths = [
        continue_with_interval(model, middle + gain * (observed - middle), 12).half_width90
        for gain in (1.0, 3.0)
    ]
    # For a coordinate in the basis, moving two units in four frames, far above the minimum.
    narrow, wide = (width[:, :, 0, :2].mean(dim=0) for width in widths)
    assert_close(wide, 3 * narrow, rtol=0.05, atol=0)


def test_of_somebody_who_sits_still_the_interval_has_the_least_width() -> None:
    model = network(components=4)
    model.factors.fill_(1.0)
    still = torch.full((1, 60, 3, 3), 0.25)
    run = model.unroll(
        still, torch.ones(1, 60), torch.zeros(1, 60, 2), torch.zeros(1, model.state_size)
    )
    spread = model.spread(model.recall(run.next_state))
    # 0.85 ** 60 of the initial spread is left; coordinates outside the basis never had any.
    assert_close(spread, torch.full((1, 3, 3), LEAST_SPREAD), atol=1e-3, rtol=0)


def test_nine_of_ten_coordinates_of_other_walks_lie_within_a_calibrated_interval() -> None:
    model = holding()
    assert calibrate(model, list(walks(1000, 22, seed=7))) == 12
    stated = coverage(model, walks(1000, 22, seed=8), 10).stated
    assert_close(stated, torch.full((12,), 0.9).double(), atol=0.025, rtol=0)


def test_a_window_must_hold_the_frames_over_which_motion_is_measured() -> None:
    with pytest.raises(ValueError, match="window: 3 frames"):
        network(window=3)


@pytest.mark.parametrize("components", [0, 4])
def test_what_is_exported_agrees_with_the_network(components: int) -> None:
    model = network(components, block=2)  # blocks end within the compared stretches
    model.factors.fill_(0.5)
    _, agreement = build(predictor_exportable("face", model), {})
    assert agreement["forecast"].largest < 1e-5
    assert agreement["half_width90"].largest < 1e-5
    assert agreement["next_state"].largest < 1e-3  # though the keypoints jump across the image
