"""An ensemble returns the same as its models run one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.toy_ensembles import build_joined_repository, toy_frames
from support.toy_models import (
    HEIGHT,
    KEYPOINTS,
    LATENT,
    STATE,
    WIDTH,
    image_with_points,
    keypoints_of_points,
    toy_path,
)

from motioncast.inference import OnnxRuntimeEngine
from motioncast.wire.errors import InvalidInputError, UnavailableError

POINTS = [((2, 3), (9, 9)), ((4, 3), (9, 7)), ((6, 4), (9, 5))]  # red, green: (column, row)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_joined_repository(tmp_path_factory.mktemp("repository"))


def frames() -> NDArray[np.uint8]:
    return np.stack([image_with_points(*one) for one in POINTS])


def keypoints() -> NDArray[np.float32]:
    return np.stack([keypoints_of_points(*one) for one in POINTS])


def source() -> dict[str, Any]:
    return {
        "source_image": np.zeros((1, HEIGHT, WIDTH, 3), np.uint8),
        "source_keypoints": np.zeros((1, KEYPOINTS, 3), np.float32),
    }


def recurrence(observed: NDArray[np.bool_]) -> dict[str, Any]:
    length = len(observed)
    return {
        "observed": observed.astype(np.float32)[np.newaxis],
        "noise": np.zeros((1, length, LATENT), np.float32),
        "state": np.zeros((1, STATE), np.float32),
    }


async def test_frames_are_reconstructed(repository: Path) -> None:
    async with OnnxRuntimeEngine(repository) as engine:
        run = await engine.infer("toy_reconstruct", {"frames": frames(), **source()})
    np.testing.assert_allclose(run["driving_keypoints"], keypoints()[np.newaxis], atol=1e-6)
    np.testing.assert_array_equal(run["image"], toy_frames(keypoints())[np.newaxis])
    assert run.seconds > 0


@pytest.mark.parametrize("pattern", ["OOOPP", "OPOPOP", "OOO"])
async def test_observed_frames_become_the_whole_stretch(repository: Path, pattern: str) -> None:
    observed = np.array([letter == "O" for letter in pattern])
    timeline = np.zeros((len(pattern), KEYPOINTS, 3), np.float32)
    timeline[observed] = keypoints()
    path = toy_path(timeline, observed)
    async with OnnxRuntimeEngine(repository) as engine:
        moved = await engine.infer(
            "toy_motion_transfer", {"frames": frames(), **recurrence(observed), **source()}
        )
        forecast = await engine.infer(
            "toy_forecast",
            {"keypoints": timeline[np.newaxis], **recurrence(observed), **source()},
        )
    for run in (moved, forecast):
        np.testing.assert_allclose(run["driving_keypoints"], path[np.newaxis], atol=1e-6)
        difference = run["image"][0].astype(int) - toy_frames(path)
        assert np.abs(difference).max() <= 1  # half-way values may be rounded either way
        np.testing.assert_allclose(run["next_state"][0, :6], path[-1].reshape(-1), atol=1e-6)


async def test_sessions_of_a_forecast_share_a_call(repository: Path) -> None:
    observed = np.array([True, True, False])
    timelines = np.stack([keypoints(), keypoints()[::-1]])
    one = {"keypoints": timelines, **recurrence(observed), **source()}
    repeated = {
        name: array if name == "keypoints" else np.repeat(array, 2, axis=0)
        for name, array in one.items()
    }
    async with OnnxRuntimeEngine(repository) as engine:
        run = await engine.infer("toy_forecast", repeated)
    for timeline, driving in zip(timelines, run["driving_keypoints"], strict=True):
        np.testing.assert_allclose(driving, toy_path(timeline, observed), atol=1e-6)


async def test_an_ensemble_is_a_model_like_any_other(repository: Path) -> None:
    async with OnnxRuntimeEngine(repository) as engine:
        assert {"toy_reconstruct", "toy_forecast", "toy_motion_transfer"} < set(engine.models())
        taken = {one.name: one for one in engine.metadata("toy_forecast").inputs}
        assert taken["keypoints"].shape[0] == "batch"
        assert taken["keypoints"].shape[2:] == (KEYPOINTS, 3)
        assert taken["state"].shape == ("batch", STATE)
        frames_taken = engine.metadata("toy_reconstruct").inputs[0]
        assert frames_taken.dtype == np.dtype(np.uint8)
        assert frames_taken.shape[1:] == (HEIGHT, WIDTH, 3)
        with pytest.raises(InvalidInputError, match="frames: missing; the model toy_reconstruct"):
            await engine.infer("toy_reconstruct", source())
        with pytest.raises(InvalidInputError, match=r"frames: shape \[0, 16, 16, 3\]"):
            await engine.infer("toy_reconstruct", {"frames": frames()[:0], **source()})


async def test_an_ensemble_goes_with_its_models(tmp_path: Path) -> None:
    repository = build_joined_repository(tmp_path)
    async with OnnxRuntimeEngine(repository) as engine:
        await engine.unload("toy_sequence")
        with pytest.raises(UnavailableError, match="toy_sequence is not served"):
            await engine.infer("toy_reconstruct", {"frames": frames(), **source()})
        await engine.load("toy_sequence")
        await engine.unload("toy_reconstruct")
        with pytest.raises(UnavailableError, match="toy_reconstruct is not served"):
            await engine.infer("toy_reconstruct", {"frames": frames(), **source()})
        await engine.load("toy_reconstruct")
        await engine.infer("toy_reconstruct", {"frames": frames(), **source()})


async def test_a_broken_ensemble_leaves_the_others_as_they_are(tmp_path: Path) -> None:
    repository = build_joined_repository(tmp_path)
    (repository / "toy_path" / "1" / "model.onnx").write_bytes(b"no model")
    config = repository / "toy_reconstruct" / "config.pbtxt"
    config.write_text(config.read_text().replace('value: "detected"', 'value: "found"', 1))
    async with OnnxRuntimeEngine(repository) as engine:
        ready = {state.name: state.ready for state in engine.states()}
        assert {name for name, is_ready in ready.items() if not is_ready} == {
            "toy_path",  # its file is not a model
            "toy_forecast",  # depends on it
            "toy_motion_transfer",
            "toy_reconstruct",  # its second step needs a tensor its first no longer provides
        }
        with pytest.raises(
            InvalidInputError, match="no step before toy_sequence produces detected"
        ):
            await engine.load("toy_reconstruct")
