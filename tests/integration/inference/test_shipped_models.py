"""The shipped models fulfil the services' assumptions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from motioncast.framing import FramingMode
from motioncast.inference import Catalogue, ModelSet, OnnxRuntimeEngine, default_repository

_SEED = 0


@pytest.fixture
async def engine(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[OnnxRuntimeEngine]:
    monkeypatch.delenv("MOTIONCAST_MODEL_REPOSITORY", raising=False)
    async with OnnxRuntimeEngine(default_repository()) as engine:
        yield engine


@pytest.fixture(params=["face256", "lite128"])
def models(engine: OnnxRuntimeEngine, request: pytest.FixtureRequest) -> ModelSet:
    return Catalogue(engine).resolve(request.param)


def test_the_repository_of_the_checkout_is_the_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("MOTIONCAST_MODEL_REPOSITORY", raising=False)
    monkeypatch.setenv("MOTIONCAST_USER_MODELS", str(tmp_path / "none"))
    assert default_repository() == Path(__file__).parents[3] / "model_repository"


async def test_face256_is_the_default_and_has_the_sizes_that_its_name_tells(
    engine: OnnxRuntimeEngine,
) -> None:
    models = Catalogue(engine).default
    assert (models.name, models.height, models.width) == ("face256", 256, 256)
    assert models.keypoints == len(models.source_weights) == 70 + 10
    assert models.anchored_keypoints == 70
    assert models.framing is FramingMode.AUTO


async def test_lite128_has_the_sizes_that_its_name_tells(engine: OnnxRuntimeEngine) -> None:
    models = Catalogue(engine).resolve("lite128")
    assert (models.height, models.width) == (128, 128)
    assert (models.keypoints, models.noise_size) == (16, 16 + 3 * 16)
    assert models.anchored_keypoints == 0


async def test_a_detection_does_not_depend_on_the_other_images_of_the_call(
    engine: OnnxRuntimeEngine, models: ModelSet
) -> None:
    shape = (3, models.height, models.width, 3)
    images = np.random.default_rng(_SEED).integers(0, 256, shape, np.uint8)
    together = (await engine.infer(models.keypoint_model, {"image": images}))["keypoints"]
    for n in range(3):
        alone = await engine.infer(models.keypoint_model, {"image": images[n : n + 1]})
        np.testing.assert_allclose(alone["keypoints"][0], together[n], atol=1e-4)
    assert np.abs(together[..., :2]).max() <= 1
    assert together[..., 2].min() >= 0
    assert together[..., 2].max() <= 1 + 1e-6


async def test_a_frame_does_not_depend_on_the_other_frames_of_the_call(
    engine: OnnxRuntimeEngine, models: ModelSet
) -> None:
    rng = np.random.default_rng(_SEED)
    source = rng.integers(0, 256, (1, models.height, models.width, 3), np.uint8)
    keypoints = rng.uniform(0, 0.5, (1, 6, models.keypoints, 3)).astype(np.float32)
    images = []
    for part in (keypoints[:, 1:], keypoints[:, 1:3], keypoints[:, 3:]):
        inputs = {
            "source_image": source,
            "source_keypoints": keypoints[:, 0],
            "driving_keypoints": part,
        }
        run = await engine.infer(models.synthesis_model, inputs)
        images.append(run["image"][0].astype(int))
    whole, *parts = images
    assert whole.shape == (5, models.height, models.width, 3)
    assert np.abs(np.concatenate(parts) - whole).max() <= 1  # rounded either way


async def test_a_forecast_does_not_depend_on_how_the_timeline_is_cut(
    engine: OnnxRuntimeEngine, models: ModelSet
) -> None:
    rng = np.random.default_rng(_SEED)
    inputs = {
        "keypoints": rng.uniform(0, 0.5, (2, 9, models.keypoints, 3)).astype(np.float32),
        "observed": np.array([[1, 1, 1, 0, 0, 1, 0, 0, 0]] * 2, np.float32),
        "noise": rng.standard_normal((2, 9, models.noise_size)).astype(np.float32),
    }
    state = np.zeros((2, models.state), np.float32)
    whole = await engine.infer(models.predictor_model, {**inputs, "state": state})
    forecasts = []
    for start, end in ((0, 2), (2, 5), (5, 9)):
        part = {name: array[:, start:end] for name, array in inputs.items()}
        run = await engine.infer(models.predictor_model, {**part, "state": state})
        forecasts.append(run["forecast"])
        state = run["next_state"]
    np.testing.assert_allclose(np.concatenate(forecasts, axis=1), whole["forecast"], atol=1e-4)
    np.testing.assert_allclose(state, whole["next_state"], atol=1e-3)


async def test_what_stands_where_nothing_was_observed_is_ignored(
    engine: OnnxRuntimeEngine, models: ModelSet
) -> None:
    rng = np.random.default_rng(_SEED)
    observed = np.array([[1, 1, 0, 0, 1, 0]], np.float32)
    forecasts = []
    keypoints = rng.uniform(0, 0.5, (1, 6, models.keypoints, 3)).astype(np.float32)
    for other in (0.0, 0.9):
        keypoints[observed == 0] = other
        inputs = {
            "keypoints": keypoints,
            "observed": observed,
            "noise": np.zeros((1, 6, models.noise_size), np.float32),
            "state": np.zeros((1, models.state), np.float32),
        }
        forecasts.append((await engine.infer(models.predictor_model, inputs))["forecast"])
    np.testing.assert_array_equal(forecasts[0], forecasts[1])
