"""The closed-form models agree with their numpy counterparts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from support.toy_models import (
    LATENT,
    STATE,
    image_with_points,
    keypoints_of_points,
    toy_frame,
    toy_path,
    toy_rollout,
)

Run = Callable[..., list[Any]]


@pytest.fixture(scope="module")
def run(toy_repository: Path) -> Run:
    """Runs one part on its inputs by name."""

    def run(part: str, **inputs: Any) -> list[Any]:
        model = toy_repository / f"toy_{part}" / "1" / "model.onnx"
        session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        return list(session.run(None, inputs))

    return run


def test_keypoints_are_the_centroids_of_red_and_green(run: Run) -> None:
    points = [((0, 0), (15, 15)), ((5, 2), (9, 12)), (None, (3, 0))]
    images = np.stack([image_with_points(red, green) for red, green in points])
    (keypoints,) = run("keypoint", image=images)
    expected = np.stack([keypoints_of_points(red, green) for red, green in points])
    np.testing.assert_allclose(keypoints, expected, atol=1e-6)


def test_forecast_is_linear_after_two_frames_holds_after_one_and_runs_free(run: Run) -> None:
    rng = np.random.default_rng(0)
    keypoints = rng.uniform(0.2, 0.4, (2, 9, 2, 3)).astype(np.float32)
    observed = np.array([1, 1, 0, 0, 1, 0, 1, 1, 0], np.float32)
    forecast, half_width, _ = run(
        "predictor",
        keypoints=keypoints,
        observed=np.stack([observed, observed]),
        noise=np.zeros((2, 9, LATENT), np.float32),
        state=np.zeros((2, STATE), np.float32),
    )
    for b in range(2):
        expected = toy_rollout(keypoints[b], observed.astype(bool))
        np.testing.assert_allclose(forecast[b], expected, atol=1e-6)
        taken = toy_path(keypoints[b], observed.astype(bool))
        before = np.zeros_like(taken)
        before[2:] = np.abs(np.diff(taken, axis=0))[:-1]  # |x_{t-1} - x_{t-2}|
        np.testing.assert_allclose(half_width[b, 2:], before[2:], atol=1e-6)


def test_state_continues_the_recurrence_across_calls(run: Run) -> None:
    rng = np.random.default_rng(1)
    inputs = {
        "keypoints": rng.uniform(0.2, 0.4, (1, 8, 2, 3)).astype(np.float32),
        "observed": np.array([[1, 1, 0, 1, 0, 0, 1, 0]], np.float32),
        "noise": rng.standard_normal((1, 8, LATENT)).astype(np.float32),
    }
    state = np.zeros((1, STATE), np.float32)
    whole, _, last = run("predictor", **inputs, state=state)
    parts = []
    for part in (slice(0, 3), slice(3, 4), slice(4, 8)):
        values = {name: value[:, part] for name, value in inputs.items()}
        forecast, _, state = run("predictor", **values, state=state)
        parts.append(forecast)
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)
    np.testing.assert_array_equal(state, last)


def test_every_pixel_of_a_frame_tells_the_driving_keypoint(run: Run) -> None:
    driving = np.random.default_rng(2).uniform(0, 1, (2, 3, 2, 3)).astype(np.float32)
    (images,) = run(
        "synthesis",
        source_image=np.full((2, 16, 16, 3), 77, np.uint8),
        source_keypoints=np.full((2, 2, 3), 0.5, np.float32),
        driving_keypoints=driving,
    )
    for b, t in np.ndindex(2, 3):
        np.testing.assert_array_equal(images[b, t], toy_frame(driving[b, t]))
