from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from support.toy_models import image_with_points

from motioncast.client import InvalidRequestError, MediaError, MissingExtraError
from motioncast.client.device import KeypointDetector


@pytest.fixture
def model(toy_repository: Path) -> Path:
    return toy_repository / "toy_keypoint" / "1" / "model.onnx"


def test_a_detector_knows_the_geometry_of_its_model(model: Path) -> None:
    detector = KeypointDetector(model)
    assert (detector.height, detector.width, detector.keypoints) == (16, 16, 2)


def test_the_keypoints_of_single_bright_pixels_are_their_centres(model: Path) -> None:
    images = [image_with_points((0, 15), (15, 0)), image_with_points((15, 15), (0, 0))]
    keypoints = KeypointDetector(model, threads=1).detect(np.stack(images))
    expected = [[[-1, 1, 1 / 256], [1, -1, 1 / 256]], [[1, 1, 1 / 256], [-1, -1, 1 / 256]]]
    np.testing.assert_allclose(keypoints, expected, atol=1e-6)


def test_only_the_frames_of_the_pattern_are_looked_at(model: Path) -> None:
    frames = [image_with_points((t, 0), None) for t in range(5)]
    found = list(KeypointDetector(model).observed([*frames, None], observed=1, predicted=1))
    assert [keypoints is None for keypoints in found] == [False, True, False, True, False, True]
    x = [keypoints[0, 0] for keypoints in found if keypoints is not None]
    np.testing.assert_allclose(x, [-1, 4 / 15 - 1, 8 / 15 - 1], atol=1e-6)


@pytest.mark.parametrize(
    "images",
    [np.zeros((16, 16, 3), np.uint8), np.zeros((1, 8, 8, 3), np.uint8), np.zeros((1, 16, 16, 3))],
)
def test_images_that_the_model_does_not_take_are_refused(model: Path, images: np.ndarray) -> None:
    with pytest.raises(InvalidRequestError, match=r"but the model takes \(B, 16, 16, 3\) of uint8"):
        KeypointDetector(model).detect(images)


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"model\.onnx: no such file$"):
        KeypointDetector(tmp_path / "model.onnx")


def test_what_is_no_keypoint_model_is_refused(tmp_path: Path, toy_repository: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"no model")
    for path in (tmp_path / "model.onnx", toy_repository / "toy_predictor" / "1" / "model.onnx"):
        with pytest.raises(MediaError, match=r"model\.onnx: not a keypoint model$"):
            KeypointDetector(path)


def test_without_the_extra_it_is_named(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # as if it were not installed
    with pytest.raises(MissingExtraError, match=r"pip install 'motioncast\[device\]'$"):
        KeypointDetector(model)
