"""A detector on the device registers what it finds with a source."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.toy_models import build_toy_repository, image_with_points
from support.toy_registration import toy_registered, write_registration

from motioncast.client import InvalidRequestError, MediaError
from motioncast.client.device import KeypointDetector

SOURCE = image_with_points((0, 0), (15, 15))
FRAMES = [image_with_points((0, t), (15, 15 - t)) for t in range(5)]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    repository = build_toy_repository(tmp_path_factory.mktemp("registered"))
    write_registration(repository)
    return repository


def model(repository: Path, part: str) -> Path:
    return repository / f"toy_{part}" / "1" / "model.onnx"


@pytest.fixture
def plain(repository: Path) -> KeypointDetector:
    return KeypointDetector(model(repository, "keypoint"), threads=1)


@pytest.fixture
def detector(repository: Path) -> KeypointDetector:
    return KeypointDetector(
        model(repository, "keypoint"), model(repository, "registration"), threads=1
    )


def test_a_detector_knows_whether_it_registers(
    plain: KeypointDetector, detector: KeypointDetector
) -> None:
    assert (plain.registers, detector.registers) == (False, True)


def test_what_is_detected_is_of_each_picture_alone(
    plain: KeypointDetector, detector: KeypointDetector
) -> None:
    images = np.stack(FRAMES)
    np.testing.assert_array_equal(detector.detect(images), plain.detect(images))


def test_frames_are_registered_with_the_source_and_its_keypoints(
    detector: KeypointDetector,
) -> None:
    images = np.stack(FRAMES)
    found = detector.detect(images)
    at_source = detector.detect(SOURCE[None])[0]
    source, blues = SOURCE.copy(), [0, 50, 100, 150, 200]
    source[0, 0, 2], images[:, 0, 0, 2] = 255, blues
    registered = detector.register(images, found, source, at_source)
    expected = [
        toy_registered(points, blue, at_source, 255)
        for points, blue in zip(found, blues, strict=True)
    ]
    np.testing.assert_allclose(registered, expected, atol=1e-6)


def test_the_frames_of_the_pattern_are_registered_as_they_are_found(
    plain: KeypointDetector, detector: KeypointDetector
) -> None:
    found = list(detector.observed([*FRAMES, None], 1, 1, source=SOURCE))
    assert [keypoints is None for keypoints in found] == [False, True, False, True, False, True]
    y = [keypoints[0, 1] for keypoints in found if keypoints is not None]
    np.testing.assert_allclose(y, [-1, -1 + 2 / 15, -1 + 4 / 15], atol=1e-6)
    for one, other in ((plain, detector), (detector, plain)):  # without a source: as found
        np.testing.assert_array_equal(
            list(one.observed(FRAMES, 1, 0)), list(other.observed(FRAMES, 1, 0))
        )


def test_a_source_without_a_registration_model_is_refused_at_once(plain: KeypointDetector) -> None:
    points = plain.detect(SOURCE[None])
    message = "opened without a registration model"
    with pytest.raises(InvalidRequestError, match=message):
        plain.observed(FRAMES, 1, 0, source=SOURCE)
    with pytest.raises(InvalidRequestError, match=message):
        plain.register(SOURCE[None], points, SOURCE, points[0])


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("images", np.zeros((0, 16, 16, 3), np.uint8), "none given"),
        ("images", np.zeros((2, 8, 8, 3), np.uint8), r"takes \(2, 16, 16, 3\) of uint8"),
        ("images", np.zeros((2, 16, 16, 3)), r"float64, but the model takes"),
        ("keypoints", np.zeros((1, 2, 3), np.float32), r"takes \(2, 2, 3\) of float32"),
        ("keypoints", np.full((2, 2, 3), np.nan, np.float32), "not finite"),
        ("source_image", np.zeros((1, 16, 16, 3), np.uint8), r"takes \(16, 16, 3\) of uint8"),
        ("source_keypoints", np.zeros((3, 3), np.float32), r"takes \(2, 3\) of float32"),
    ],
)
def test_what_does_not_fit_the_model_is_named(
    detector: KeypointDetector, field: str, value: np.ndarray, problem: str
) -> None:
    images = np.stack(FRAMES[:2])
    given = {
        "images": images,
        "keypoints": detector.detect(images),
        "source_image": SOURCE,
        "source_keypoints": detector.detect(SOURCE[None])[0],
    }
    with pytest.raises(InvalidRequestError, match=f"^{field}: .*{problem}"):
        detector.register(**{**given, field: value})


def test_a_source_of_another_size_is_named(detector: KeypointDetector) -> None:
    with pytest.raises(InvalidRequestError, match=r"^source: .*takes \(16, 16, 3\) of uint8"):
        detector.observed(FRAMES, 1, 0, source=np.zeros((8, 8, 3), np.uint8))


def test_the_registration_model_must_be_there_and_fit(repository: Path, tmp_path: Path) -> None:
    keypoint = model(repository, "keypoint")
    with pytest.raises(MediaError, match=r"model\.onnx: no such file$"):
        KeypointDetector(keypoint, tmp_path / "model.onnx")
    with pytest.raises(MediaError, match=r"model\.onnx: not a registration model$"):
        KeypointDetector(keypoint, keypoint)
    write_registration(tmp_path, keypoints=3)
    with pytest.raises(
        MediaError, match=r"its images or keypoints are not those of .*toy_keypoint"
    ):
        KeypointDetector(keypoint, model(tmp_path, "registration"))
