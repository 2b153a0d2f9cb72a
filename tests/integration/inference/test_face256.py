"""Keypoints and images of the shipped face256 on the framed bundled interview."""

from __future__ import annotations

from importlib import resources

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from motioncast.client.device import KeypointDetector
from motioncast.client.framing import DeviceFraming, FaceFinder
from motioncast.client.video import read_video
from motioncast.framing.faces import FACE_HEIGHT, FACE_WIDTH, letterboxed
from motioncast.inference import default_repository
from motioncast.models.face.keypoints import (
    LEFT_BROW,
    LEFT_EYE,
    MESH,
    OVAL,
    PUPILS,
    RIGHT_BROW,
    RIGHT_EYE,
    mirror_order,
)

SIZE = 256
EVERY = 30  # frames


@pytest.fixture(scope="module")
def finder() -> FaceFinder:
    return FaceFinder(default_repository() / "face_finder" / "1" / "model.onnx", threads=1)


@pytest.fixture(scope="module")
def detector() -> KeypointDetector:
    return KeypointDetector(default_repository() / "face256_keypoint" / "1" / "model.onnx")


@pytest.fixture(scope="module")
def frames(finder: FaceFinder) -> NDArray[np.uint8]:
    """Frames (T, 256, 256, 3), cropped as in the product."""
    file = resources.files("motioncast.cli").joinpath("assets/interview.mp4")
    with resources.as_file(file) as path, read_video(path, None) as video:
        chosen = list(video.frames)[::EVERY]
    framing = DeviceFraming(finder, "fixed", SIZE)
    first = framing.begin(chosen[0])
    rest = (framing.frame(index, one) for index, one in enumerate(chosen[1:], 1))
    return np.stack([first.image, *(framed.image for framed in rest)])


@pytest.fixture(scope="module")
def found(detector: KeypointDetector, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
    return detector.detect(frames)  # (T, 80, 3)


def points(found: NDArray[np.float32], mesh: tuple[int, ...]) -> NDArray[np.float64]:
    """Returns selected points of the mesh, (T, P, 2), in pixels."""
    which = [MESH.index(one) for one in mesh]
    return (found[:, which, :2].astype(np.float64) + 1) / 2 * (SIZE - 1)


def middle(found: NDArray[np.float32], mesh: tuple[int, ...]) -> NDArray[np.float64]:
    """Returns the mean of selected points of the mesh, (T, 2), in pixels."""
    return np.asarray(points(found, mesh).mean(axis=1))


def test_brows_eyes_nose_lips_and_chin_are_below_one_another(found: NDArray[np.float32]) -> None:
    parts = ((10,), LEFT_BROW + RIGHT_BROW, LEFT_EYE + RIGHT_EYE, (4,), (13,), (14,), (17,), (152,))
    heights = np.stack([middle(found, part)[:, 1] for part in parts])
    assert (np.diff(heights, axis=0) > -0.5).all()  # closed lips touch
    assert (np.diff(heights[[0, 1, 2, 3, 4, 6, 7]], axis=0) > 3).all()


def test_what_is_left_on_a_face_is_left_in_the_image(found: NDArray[np.float32]) -> None:
    across = ((234,), LEFT_EYE, (168,), RIGHT_EYE, (454,))
    assert (np.diff([middle(found, part)[:, 0] for part in across], axis=0) > 3).all()
    lips = [points(found, (one,))[:, 0, 0] for one in (61, 78, 13, 308, 291)]
    assert (np.diff(lips, axis=0) > 0).all()


def test_the_pupils_are_between_the_lids(found: NDArray[np.float32]) -> None:
    for pupil, eye in zip(PUPILS, (LEFT_EYE, RIGHT_EYE), strict=True):
        corners = points(found, eye)
        place = points(found, (pupil,))[:, 0]
        assert (place > corners.min(axis=1) - 1).all()
        assert (place < corners.max(axis=1) + 1).all()


def test_the_pupils_are_where_the_picture_is_dark(
    found: NDArray[np.float32], frames: NDArray[np.uint8]
) -> None:
    brightness = frames.mean(axis=-1)

    def around(mesh: tuple[int, ...]) -> NDArray[np.float64]:
        """Returns the mean of 3 x 3 pixels around each point."""
        found_there = []
        for t, places in enumerate(points(found, mesh).round().astype(int)):
            squares = [brightness[t, y - 1 : y + 2, x - 1 : x + 2] for x, y in places]
            found_there.append(np.mean(squares))
        return np.array(found_there)

    assert (around(PUPILS) < 0.6 * around((50, 280))).all()  # the cheeks


def test_the_eyes_are_where_another_network_finds_them(
    found: NDArray[np.float32], frames: NDArray[np.uint8], finder: FaceFinder
) -> None:
    """The face finder, an independent network, also locates the eyes, if only roughly."""
    session = onnxruntime.InferenceSession(
        default_repository() / "face_finder" / "1" / "model.onnx",
        providers=["CPUExecutionProvider"],
    )
    squares = [letterboxed(frame)[0] for frame in frames]
    (candidates,) = session.run(None, {"image": np.stack(squares)})
    for t, best in enumerate(candidates[:, 0]):
        for eye, place in ((LEFT_EYE, best[5:7]), (RIGHT_EYE, best[7:9])):
            apart = middle(found, eye)[t] - (place * SIZE - 0.5)
            assert np.hypot(*apart) < 0.05 * SIZE  # a third of an eye


def test_the_face_is_as_large_as_framing_promises(found: NDArray[np.float32]) -> None:
    """The face finder's crop agrees with this network's face size to 4.5 %, one sigma."""
    face = points(found, OVAL)
    width, height = np.moveaxis((face.max(axis=1) - face.min(axis=1)) / SIZE, -1, 0)
    assert np.maximum(height / FACE_HEIGHT, width / FACE_WIDTH) == pytest.approx(1, abs=0.14)


def test_a_mirrored_face_has_mirrored_keypoints(
    found: NDArray[np.float32], frames: NDArray[np.uint8], detector: KeypointDetector
) -> None:
    mirrored = detector.detect(np.ascontiguousarray(frames[:, :, ::-1]))[:, mirror_order()]
    mirrored[..., 0] *= -1
    apart = np.linalg.norm(mirrored[..., :2] - found[:, : len(MESH), :2], axis=-1) * SIZE / 2
    eyes = np.linalg.norm(np.diff(points(found, PUPILS), axis=1)[:, 0], axis=-1)
    assert np.median(apart / eyes[:, None]) < 0.04


def test_keypoints_stay_in_the_picture_when_the_face_leaves_it(
    frames: NDArray[np.uint8], detector: KeypointDetector
) -> None:
    aside = np.roll(frames, 90, axis=2)
    aside[:, :, :90] = 128
    found = detector.detect(aside)
    assert np.abs(found[..., :2]).max() <= 1
    assert found[..., 2].min() >= 0
    assert found[..., 2].max() <= 1


@pytest.fixture(scope="module")
def synthesis() -> onnxruntime.InferenceSession:
    """The shipped synthesis model on its own, without our engine."""
    model = default_repository() / "face256_synthesis" / "1" / "model.onnx"
    return onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])


def test_a_source_s_own_keypoints_give_the_source_back(
    found: NDArray[np.float32],
    frames: NDArray[np.uint8],
    synthesis: onnxruntime.InferenceSession,
) -> None:
    inputs = {
        "source_image": frames[:1],
        "source_keypoints": found[:1],
        "driving_keypoints": found[:1, None],
    }
    (image,) = synthesis.run(["image"], inputs)
    assert psnr_db(image[0, 0], frames[0]) > 35


def test_a_frame_is_nearer_to_the_truth_than_the_source_is(
    found: NDArray[np.float32],
    frames: NDArray[np.uint8],
    synthesis: onnxruntime.InferenceSession,
) -> None:
    inputs = {
        "source_image": frames[:1],
        "source_keypoints": found[:1],
        "driving_keypoints": found[None, 1:],
    }
    (images,) = synthesis.run(["image"], inputs)
    gains = [
        psnr_db(made, frame) - psnr_db(frames[0], frame)
        for made, frame in zip(images[0], frames[1:], strict=True)
    ]
    assert min(gains) > 0
    assert np.mean(gains) > 1


def psnr_db(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    error = np.square(one.astype(float) - other).mean()
    return float(10 * np.log10(255**2 / error))
