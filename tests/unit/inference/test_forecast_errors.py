"""How far an observed frame lies from what was forecast of it."""

from __future__ import annotations

import numpy as np

from motioncast.inference.forecast import forecast_errors


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
