"""Distance between an observed frame and its forecast."""

from __future__ import annotations

import numpy as np
import pytest

from motioncast.inference.forecast import Forecast, forecast_errors


def test_the_error_is_the_mean_distance_over_keypoints_and_paths() -> None:
    observed = np.array([[[0.0, 0.0, 0.5], [0.5, 0.5, 0.5]]], np.float32)
    one = observed + np.array([[0.3, 0.4, 0.9], [0.0, 0.0, 0.0]], np.float32)  # 0.5 and 0
    other = observed + np.array([[0.0, 0.1, 0.0], [0.2, 0.0, 0.0]], np.float32)  # 0.1 and 0.2
    errors = forecast_errors(np.stack([one, other]), observed)
    np.testing.assert_allclose(errors, [(0.5 + 0 + 0.1 + 0.2) / 4], atol=1e-6)


def test_a_forecast_past_the_border_is_measured_where_it_would_have_been_used() -> None:
    observed = np.array([[[1.0, -1.0, 1.0]]], np.float32)
    forecast = np.array([[[[1.5, -3.0, 1.2]]]], np.float32)
    assert forecast_errors(forecast, observed).tolist() == [0.0]


def test_an_error_is_the_same_bits_whatever_is_measured_with_it() -> None:
    rng = np.random.default_rng(0)
    forecast = rng.uniform(-1, 1, (1, 40, 16, 3)).astype(np.float32)
    observed = rng.uniform(-1, 1, (40, 16, 3)).astype(np.float32)
    together = forecast_errors(forecast, observed)
    for m in range(40):
        alone = forecast_errors(forecast[:, m : m + 1], observed[m : m + 1])
        assert alone[0] == together[m]


def test_of_nothing_there_are_no_errors() -> None:
    nothing = np.empty((0, 2, 3), np.float32)
    assert forecast_errors(nothing[np.newaxis], nothing).shape == (0,)


def test_a_forecast_is_read_as_it_is_used_and_an_interval_where_it_is_stated() -> None:
    outputs = {
        "forecast": np.array([[[[1.5, -3.0, 1.2]], [[0.1, 0.2, 0.3]]]], np.float32),
        "half_width90": np.array([[[[0, 0, 0]], [[0.25, 0, 0]]]], np.float32),
        "next_state": np.zeros((1, 4), np.float32),
    }
    forecast = Forecast.of(outputs)
    assert forecast.paths[0, 0].tolist() == [[1.0, -1.0, 1.0]]
    stated = forecast.half_widths[1]
    assert forecast.half_widths[0] is None
    assert stated is not None
    assert stated.tolist() == [[0.25, 0, 0]]


@pytest.mark.parametrize("output", ["forecast", "next_state"])
def test_what_is_no_number_is_no_forecast(output: str) -> None:
    outputs = {
        "forecast": np.zeros((1, 2, 2, 3), np.float32),
        "next_state": np.zeros((1, 4), np.float32),
    }
    outputs[output].flat[-1] = np.nan
    with pytest.raises(ArithmeticError, match="not finite"):
        Forecast.of(outputs)
