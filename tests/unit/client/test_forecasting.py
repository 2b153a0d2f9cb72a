"""A predictor on the device forecasts frame by frame as the model does in one call."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from motioncast.client import MediaError
from motioncast.client.forecasting import KeypointPredictor
from motioncast.client.onnx import open_model


@pytest.fixture
def model(toy_repository: Path) -> Path:
    return toy_repository / "toy_predictor" / "1" / "model.onnx"


def test_frame_by_frame_is_as_in_one_call(model: Path) -> None:
    predictor = KeypointPredictor(model)
    frames = np.random.default_rng(0).uniform(0, 0.9, (12, predictor.keypoints, 3))
    keypoints = frames.astype(np.float32)
    observed = np.array([1, 1, 0, 1, 0, 0, 0, 1, 1, 0, 1, 0], np.float32)

    session = open_model(model, 1, "a predictor")
    sizes = {one.name: one.shape for one in session.get_inputs()}
    given = {
        "keypoints": (keypoints * observed[:, None, None])[None],
        "observed": observed[None],
        "noise": np.zeros((1, 12, sizes["noise"][2]), np.float32),
        "state": np.zeros((1, sizes["state"][1]), np.float32),
    }
    (expected,) = session.run(["forecast"], given)

    state, found = predictor.begin(), []
    for seen, frame in zip(observed, keypoints, strict=True):
        found.append(predictor.forecast(state))
        state = predictor.after(state, frame if seen else None)
    assert found[0] is None  # nothing is known yet
    known = [one for one in found if one is not None]
    np.testing.assert_allclose(known, np.clip(expected[0, 1:], [-1, -1, 0], 1), atol=1e-6)


def test_a_model_that_is_no_predictor_is_refused(toy_repository: Path) -> None:
    with pytest.raises(MediaError, match="not a predictor model"):
        KeypointPredictor(toy_repository / "toy_keypoint" / "1" / "model.onnx")
