"""Keypoints of faces, registered on the device by the shipped model, and sent to the services."""

from __future__ import annotations

from importlib import resources

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from motioncast.client import Pixels, connect
from motioncast.client.device import KeypointDetector
from motioncast.client.framing import DeviceFraming, FaceFinder
from motioncast.client.video import read_video
from motioncast.inference import default_repository
from motioncast.local import LocalServices, LocalSettings

SIZE = 256
ANCHORED = 70
MODELS = default_repository()
REGISTRATION = MODELS / "face256_registration" / "1" / "model.onnx"


@pytest.fixture(scope="module")
def detector() -> KeypointDetector:
    model = MODELS / "face256_keypoint" / "1" / "model.onnx"
    return KeypointDetector(model, REGISTRATION, threads=1)


@pytest.fixture(scope="module")
def pictures() -> list[Pixels]:
    file = resources.files("motioncast.cli").joinpath("assets/interview.mp4")
    with resources.as_file(file) as path, read_video(path, None) as video:
        return list(video.frames)[::20][:6]


def framing() -> DeviceFraming:
    finder = FaceFinder(MODELS / "face_finder" / "1" / "model.onnx", threads=1)
    return DeviceFraming(finder, "fixed", SIZE)


@pytest.fixture(scope="module")
def images(pictures: list[Pixels]) -> NDArray[np.uint8]:
    """The pictures, framed; the first is the source."""
    camera = framing()
    first = camera.begin(pictures[0]).image
    return np.stack([first, *(camera.frame(t, pictures[t]).image for t in range(1, 6))])


@pytest.fixture(scope="module")
def by_hand(images: NDArray[np.uint8], detector: KeypointDetector) -> NDArray[np.float32]:
    """The pictures' keypoints, registered with the first by running the model itself."""
    found = detector.detect(images)
    session = onnxruntime.InferenceSession(REGISTRATION, providers=["CPUExecutionProvider"])
    given = {
        "source_image": images[:1],
        "source_keypoints": found[:1],
        "image": images,
        "keypoints": found,
    }
    (registered,) = session.run(["registered"], given)
    return np.asarray(registered, np.float32)


def test_registered_keypoints_are_the_model_s(
    images: NDArray[np.uint8], detector: KeypointDetector, by_hand: NDArray[np.float32]
) -> None:
    found = detector.detect(images)
    registered = detector.register(images, found, images[0], found[0])
    np.testing.assert_allclose(registered, by_hand, atol=1e-5)


def test_anchored_keypoints_stay_and_others_move_by_pixels(
    images: NDArray[np.uint8], detector: KeypointDetector
) -> None:
    found = detector.detect(images)
    registered = detector.register(images, found, images[0], found[0])
    np.testing.assert_array_equal(registered[:, :ANCHORED], found[:, :ANCHORED])
    np.testing.assert_array_equal(registered[..., 2], found[..., 2])
    moved = np.abs(registered - found)[1:, ANCHORED:, :2] * SIZE / 2
    assert 0.2 < moved.mean() < 5


def test_a_picture_registered_with_itself_hardly_moves(
    images: NDArray[np.uint8], detector: KeypointDetector
) -> None:
    """Not exactly: the network's motion is not quite the identity, which registration corrects."""
    found = detector.detect(images[:1])
    still = detector.register(images[:1], found, images[0], found[0])
    moved = np.abs(still - found) * SIZE / 2
    assert moved[:, ANCHORED:, :2].mean() < 0.25
    assert moved.max() < 1.5


async def test_a_session_gets_the_keypoints_registered_with_its_source(
    pictures: list[Pixels],
    images: NDArray[np.uint8],
    detector: KeypointDetector,
    by_hand: NDArray[np.float32],
) -> None:
    camera = framing()
    source = camera.begin(pictures[0]).image
    async with (
        LocalServices(LocalSettings(repository=MODELS, drain_grace_seconds=0.5)) as local,
        connect(local.target, timeout=60) as service,
    ):
        stream = service.stream_keypoints(
            detector.observed(pictures, 1, 0, camera, source=source),
            model="face256",
            source=source,
            source_keypoints=detector.detect(source[None])[0],
        )
        frames = [frame async for frame in stream]
        info = await service.server_info(timeout=30)
    assert [one.registers for one in info.models if one.name == "face256"] == [True]
    np.testing.assert_array_equal(source, images[0])
    sent = np.stack([frame.keypoints for frame in frames])
    np.testing.assert_allclose(sent, by_hand, atol=1e-4)  # one image at a time
