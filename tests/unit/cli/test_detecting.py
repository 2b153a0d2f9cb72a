"""The keypoints that a session sends refer to its first source if the detector registers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.toy_models import build_toy_repository, image_with_points, keypoints_of_points
from support.toy_registration import toy_registered, write_registration

from motioncast.cli.detecting import SessionDetector
from motioncast.client.device import KeypointDetector

POINTS = [((2 * t, 3 * t), (15 - t, 4 * t)) for t in range(4)]
IMAGES = [image_with_points(*each) for each in POINTS]
FOUND = np.stack([keypoints_of_points(*each) for each in POINTS])


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    repository = build_toy_repository(tmp_path_factory.mktemp("detecting"))
    write_registration(repository)
    return repository


def opened(repository: Path, *, register: bool) -> SessionDetector:
    registration = repository / "toy_registration" / "1" / "model.onnx" if register else None
    model = repository / "toy_keypoint" / "1" / "model.onnx"
    return SessionDetector(KeypointDetector(model, registration, threads=1))


def registered(index: int, source: int) -> np.ndarray:
    return toy_registered(FOUND[index], 0, FOUND[source], 0)


def test_frames_and_further_sources_are_registered_with_the_first(repository: Path) -> None:
    session = opened(repository, register=True)
    expected = [FOUND[0], registered(1, 0), registered(2, 0)]
    np.testing.assert_allclose(session.sources(IMAGES[:3]), expected, atol=1e-6)
    np.testing.assert_allclose(session.frame(IMAGES[3]), registered(3, 0), atol=1e-6)


def test_without_registration_all_are_found_alone(repository: Path) -> None:
    session = opened(repository, register=False)
    np.testing.assert_allclose(session.sources(IMAGES[:3]), FOUND[:3], atol=1e-6)
    np.testing.assert_allclose(session.frame(IMAGES[3]), FOUND[3], atol=1e-6)
