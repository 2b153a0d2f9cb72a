"""The shipped face finder on the bundled clip, pasted into a larger picture."""

from __future__ import annotations

from collections.abc import AsyncIterator
from importlib import resources
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from motioncast.client import Frame, Service, connect
from motioncast.client.device import KeypointDetector
from motioncast.client.framing import DeviceFraming, FaceFinder
from motioncast.client.video import read_video
from motioncast.framing import Crop
from motioncast.inference import default_repository
from motioncast.local import LocalServices, LocalSettings

SIZE = 128  # of the clip's frames
FRAMES = 12
FACE = (52, 72)  # centre of the clip's face, estimated by eye
TOLERANCE = 4  # pixels


@pytest.fixture(scope="module")
def clip() -> NDArray[np.uint8]:
    file = resources.files("motioncast.cli").joinpath("assets/grid_sbwu5s.mp4")
    with resources.as_file(file) as path, read_video(path, SIZE, limit=FRAMES) as video:
        return np.stack(list(video.frames))


@pytest.fixture(scope="module")
def finder() -> FaceFinder:
    return FaceFinder(default_repository() / "face_finder" / "1" / "model.onnx", threads=1)


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    settings = LocalSettings(drain_grace_seconds=0.5)
    async with LocalServices(settings) as local, connect(local.target) as service:
        yield service


def pasted(frame: NDArray[np.uint8], *corners: tuple[int, int]) -> NDArray[np.uint8]:
    """Returns a picture of 400 x 300 with a frame pasted at each (left, top)."""
    ramp = np.linspace(60, 160, 400).astype(np.uint8)
    picture = np.broadcast_to(ramp[None, :, None], (300, 400, 3)).copy()
    for left, top in corners:
        picture[top : top + SIZE, left : left + SIZE] = frame
    return picture


async def streamed(
    service: Service,
    pictures: list[NDArray[np.uint8]],
    mode: Literal["auto", "fixed"],
    **options: Any,
) -> list[Frame]:
    stream = service.stream(pictures, model="lite128", frame=mode, **options)
    return [frame async for frame in stream]


def crops(frames: list[Frame]) -> list[Crop]:
    found = [frame.crop for frame in frames]
    assert None not in found
    return [crop for crop in found if crop is not None]


@pytest.mark.parametrize(("left", "top"), [(0, 0), (150, 90), (260, 160)])
def test_the_crop_moves_with_the_face(
    clip: NDArray[np.uint8], finder: FaceFinder, left: int, top: int
) -> None:
    """The clip is already framed roughly as the networks expect: its crop is nearly all of it."""
    crop = DeviceFraming(finder, "fixed", SIZE).begin(pasted(clip[0], (left, top))).crop
    assert crop.side == pytest.approx(SIZE, rel=0.08)
    assert crop.centre[0] == pytest.approx(left + FACE[0], abs=TOLERANCE)
    assert crop.top + 0.555 * crop.side == pytest.approx(top + FACE[1], abs=TOLERANCE)


async def test_a_face_that_fills_a_square_picture_is_found_at_a_second_look(
    clip: NDArray[np.uint8], finder: FaceFinder, service: Service
) -> None:
    left, top, side = 19, 41, 66
    tight = clip[0, top : top + side, left : left + side]
    crop = DeviceFraming(finder, "fixed", SIZE).begin(tight).crop
    assert crop.side == pytest.approx(SIZE, rel=0.08)
    assert crop.centre[0] == pytest.approx(FACE[0] - left, abs=TOLERANCE)
    assert crop.top + 0.555 * crop.side == pytest.approx(FACE[1] - top, abs=TOLERANCE)
    assert crops(await streamed(service, [tight], "fixed")) == [crop]


async def test_server_and_device_frame_alike(
    clip: NDArray[np.uint8], finder: FaceFinder, service: Service
) -> None:
    pictures = [pasted(frame, (100 + 5 * t, 60 + 2 * t)) for t, frame in enumerate(clip)]
    served = await streamed(service, pictures, "auto", observed=3, predicted=1)
    model = default_repository() / "lite128_keypoint" / "1" / "model.onnx"
    framing = DeviceFraming(finder, "auto", SIZE)
    source = framing.begin(pictures[0])
    found = KeypointDetector(model, threads=1).observed(pictures, 3, 1, framing)
    stream = service.stream_keypoints(
        found, model="lite128", source=source.image, observed=3, predicted=1
    )
    own = [frame async for frame in stream]
    assert crops(own) == crops(served)
    assert len(set(crops(own))) > 1
    for mine, theirs in zip(own, served, strict=True):
        np.testing.assert_allclose(mine.keypoints, theirs.keypoints, atol=1e-4)


async def test_the_camera_follows_a_walk_without_jumps(
    clip: NDArray[np.uint8], service: Service
) -> None:
    pictures = [pasted(clip[t % FRAMES], (4 * t, 80)) for t in range(60)]
    lefts = [crop.left for crop in crops(await streamed(service, pictures, "auto", predicted=0))]
    assert all(b >= a - 0.01 for a, b in pairwise(lefts))
    assert max(b - a for a, b in pairwise(lefts)) < 12  # the face moves 4 pixels per frame
    assert lefts[-1] > lefts[0] + 130


async def test_without_a_face_the_centre_square_is_shown(service: Service) -> None:
    picture = pasted(np.zeros((SIZE, SIZE, 3), np.uint8))
    assert set(crops(await streamed(service, [picture] * 3, "auto"))) == {Crop(50, 0, 300)}


async def test_of_two_faces_the_foremost_is_shown(
    clip: NDArray[np.uint8], service: Service
) -> None:
    picture = pasted(clip[0], (0, 0), (170, 80))
    frames = await streamed(service, [picture] * 2, "auto", observed=1, predicted=0)
    assert [frame.faces for frame in frames] == [2, 2]
    assert crops(frames)[0].centre[0] == pytest.approx(170 + FACE[0], abs=TOLERANCE)
