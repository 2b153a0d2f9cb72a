"""Framing through the SDK: on the server, on the device, with equal results."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.toy_finder import picture_with_faces, write_toy_finder
from support.toy_models import build_toy_repository

from motioncast.client import FramingMode, InvalidRequestError, MediaError, connect, put_back
from motioncast.client.device import KeypointDetector
from motioncast.client.framing import DeviceFraming, FaceFinder
from motioncast.local import LocalServices, LocalSettings

Cast = Callable[..., Coroutine[Any, Any, Any]]
FINDER = "face_finder/1/model.onnx"
DETECTOR = "toy_keypoint/1/model.onnx"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = build_toy_repository(tmp_path_factory.mktemp("repository"))
    write_toy_finder(root)
    wish = 'parameters { key: "framing" value { string_value: "auto" } }\n'
    (root / "toy_keypoint" / "config.pbtxt").write_text(wish)
    return root


@pytest.fixture
async def target(repository: Path) -> AsyncIterator[str]:
    async with LocalServices(
        LocalSettings(repository=repository, drain_grace_seconds=0.5)
    ) as local:
        yield local.target


def walk(length: int) -> list[NDArray[np.uint8]]:
    """Returns pictures of a face that moves and grows, in front of noise."""
    noise = np.random.default_rng(0).integers(0, 200, (length, 240, 320, 3), np.uint8)
    pictures = []
    for t, picture in enumerate(noise):
        height = 60 + t // 2
        left, top = 80 + 3 * t, 60 + t
        box = (left, top, left + round(0.8 * height), top + height)
        face = picture_with_faces(320, 240, box)
        pictures.append(np.where(face == 90, picture, face).astype(np.uint8))
    return pictures


async def test_a_model_says_how_it_wants_to_be_framed(target: str) -> None:
    async with connect(target) as service:
        (model,) = (await service.server_info()).models
    assert model.framing is FramingMode.AUTO


async def test_frames_of_any_size_come_back_with_their_crop(cast: Cast, target: str) -> None:
    result = await cast(target, walk(12), observed=2, predicted=1, frame="auto")
    assert result.config.frame is FramingMode.AUTO
    for frame in result.frames:
        assert frame.crop is not None
        assert frame.image.shape == (16, 16, 3)
        assert frame.faces == 1


@pytest.mark.parametrize("mode", ["auto", "fixed"])
@pytest.mark.parametrize(("observed", "predicted"), [(1, 0), (2, 3)])
async def test_a_device_frames_as_the_server_does(
    target: str, repository: Path, mode: str, observed: int, predicted: int
) -> None:
    """Crops agree bit for bit; keypoints as closely as runs on one image and on a batch do."""
    pictures = walk(30)
    async with connect(target) as service:
        stream = service.stream(pictures, observed=observed, predicted=predicted, frame=mode)  # type: ignore[arg-type]
        served = [frame async for frame in stream]
        detector = KeypointDetector(repository / DETECTOR)
        framing = DeviceFraming(FaceFinder(repository / FINDER), mode, detector.height)  # type: ignore[arg-type]
        source = framing.begin(pictures[0])
        found = detector.observed(pictures, observed, predicted, framing)
        sent = service.stream_keypoints(
            found, source=source.image, observed=observed, predicted=predicted
        )
        own = [frame async for frame in sent]
    assert len(own) == len(served)
    crops = [frame.crop for frame in served]
    assert [frame.crop for frame in own] == crops
    assert len(set(crops)) == 1 if mode == "fixed" else len(set(crops)) > 5
    for mine, theirs in zip(own, served, strict=True):
        np.testing.assert_allclose(mine.keypoints, theirs.keypoints, atol=1e-5)
        np.testing.assert_allclose(mine.image, theirs.image, atol=1)


async def test_results_can_be_put_back_into_the_full_picture(cast: Cast, target: str) -> None:
    pictures = walk(3)
    for frame in (await cast(target, pictures, observed=1, predicted=0, frame="fixed")).frames:
        assert frame.crop is not None
        full = put_back(pictures[frame.index], frame.image, frame.crop)
        assert full.shape == pictures[0].shape
        x, y = (int(value) for value in frame.crop.centre)
        np.testing.assert_array_equal(full[y, x], frame.image[8, 8])
        np.testing.assert_array_equal(full[:20], pictures[frame.index][:20])


async def test_another_source_may_have_another_size(cast: Cast, target: str) -> None:
    portrait = picture_with_faces(100, 200, (30, 90, 54, 120))
    result = await cast(target, walk(2), source=portrait, frame="auto", predicted=0)
    assert len(result.frames) == 2


async def test_an_unknown_way_of_framing_is_refused(cast: Cast, target: str) -> None:
    with pytest.raises(InvalidRequestError, match="'wide' is unknown"):
        await cast(target, walk(1), frame="wide")


async def test_frames_of_several_sizes_are_refused(cast: Cast, target: str) -> None:
    pictures = [*walk(1), np.zeros((64, 64, 3), np.uint8)]
    with pytest.raises(InvalidRequestError, match="64 x 64 pixels"):
        await cast(target, pictures, observed=1, predicted=0, frame="auto")


@pytest.mark.parametrize(
    ("picture", "problem"),
    [
        (np.zeros((10, 40, 3), np.uint8), "40 x 10 pixels, but each side must be 16 to 4096"),
        (np.zeros((40, 40), np.uint8), "a picture is"),
        (np.zeros((40, 40, 3)), "float64"),
    ],
)
def test_a_device_refuses_what_is_no_picture(
    repository: Path, picture: NDArray[np.uint8], problem: str
) -> None:
    framing = DeviceFraming(FaceFinder(repository / FINDER), "auto", 16)
    for call in (framing.begin, framing.portrait, lambda one: framing.frame(0, one)):
        with pytest.raises(InvalidRequestError, match=problem):
            call(picture)


def test_a_device_refuses_another_size_and_to_do_nothing(repository: Path) -> None:
    finder = FaceFinder(repository / FINDER)
    framing = DeviceFraming(finder, "auto", 16)
    framing.frame(0, np.zeros((40, 60, 3), np.uint8))
    with pytest.raises(InvalidRequestError, match="30 x 30 pixels, but earlier pictures have"):
        framing.frame(1, np.zeros((30, 30, 3), np.uint8))
    with pytest.raises(InvalidRequestError, match="does not frame"):
        DeviceFraming(finder, "off", 16)


def test_what_is_no_face_finder_is_refused(repository: Path) -> None:
    with pytest.raises(MediaError, match="not a face finder"):
        FaceFinder(repository / DETECTOR)
