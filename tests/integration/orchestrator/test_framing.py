"""The server finds the face, follows it and returns the crop, in both pipelines."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from itertools import pairwise
from pathlib import Path

import grpc
import numpy as np
import pytest
from grpc import StatusCode
from numpy.typing import NDArray
from support.raw_sessions import Session, broken_field, cast, config, frame, packet, source
from support.toy_ensembles import build_joined_repository
from support.toy_finder import picture_with_faces, write_toy_finder
from support.toy_models import HEIGHT as SIZE

from motioncast.framing import Crop, centre_square, cut
from motioncast.local import LocalServices, LocalSettings
from motioncast.v1 import common_pb2
from motioncast.v1.common_pb2 import Image
from motioncast.v1.motion_transfer_pb2 import (
    TRANSFER_MODE_TRANSFER,
    DrivingFrame,
    KeypointPacket,
    StreamRequest,
)
from motioncast.wire.images import JPEG, PNG, encode_image

AUTO, FIXED = common_pb2.FRAMING_MODE_AUTO, common_pb2.FRAMING_MODE_FIXED
WIDTH, HEIGHT = 320, 240
BOX = (100, 60, 148, 120)  # its crop is 100 pixels wide, with its corner at (74, 34.5)
TOLERANCE = 2.5  # pixels: a pixel of the finder's square is 320 / 192 of the picture's


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = build_joined_repository(tmp_path_factory.mktemp("repository"))
    write_toy_finder(root)
    return root


@pytest.fixture(params=["services", "ensemble"])
async def target(repository: Path, request: pytest.FixtureRequest) -> AsyncIterator[str]:
    settings = LocalSettings(repository=repository, pipeline=request.param, drain_grace_seconds=0.5)
    async with LocalServices(settings) as local:
        yield local.target


def moved(right: int, down: int = 0) -> NDArray[np.uint8]:
    left, top, far, bottom = BOX
    return picture_with_faces(WIDTH, HEIGHT, (left + right, top + down, far + right, bottom + down))


def session(
    pictures: Sequence[NDArray[np.uint8]], mode: int = AUTO, **fields: object
) -> list[StreamRequest]:
    sent = [frame(index, picture) for index, picture in enumerate(pictures)]
    return [config(frame=mode, **fields), source(pictures[0]), *sent]


def crops(result: Session) -> list[Crop]:
    assert all(one.HasField("crop") for one in result.frames)
    return [Crop(one.crop.left, one.crop.top, one.crop.side) for one in result.frames]


def near(crop: Crop, left: float, top: float, side: float) -> bool:
    pairs = ((crop.left, left), (crop.top, top), (crop.side, side))
    return all(abs(got - wanted) <= TOLERANCE for got, wanted in pairs)


@pytest.mark.parametrize("mode", [AUTO, FIXED])
async def test_a_face_is_framed_as_the_networks_expect_it(target: str, mode: int) -> None:
    result = await cast(target, session([moved(0)] * 3, mode))
    assert result.config.frame == mode
    assert len(set(crops(result))) == 1
    assert near(crops(result)[0], 74, 34.5, 100)
    assert [one.faces for one in result.frames] == [1, 1, 1]


async def test_the_models_see_what_the_crop_shows(target: str) -> None:
    picture = moved(0)
    picture[70:74, 110:116] = (255, 0, 0)
    result = await cast(target, session([picture], FIXED))
    image = cut(picture, crops(result)[0], SIZE)[..., 0].astype(float)
    x = (image.sum(axis=0) @ np.linspace(-1, 1, SIZE)) / image.sum()
    y = (image.sum(axis=1) @ np.linspace(-1, 1, SIZE)) / image.sum()
    assert result.frames[0].keypoints.x[0] == pytest.approx(x, abs=1e-5)
    assert result.frames[0].keypoints.y[0] == pytest.approx(y, abs=1e-5)


async def test_fixed_stays_and_auto_follows(target: str) -> None:
    pictures = [moved(0)] * 6 + [moved(40, 20)] * 94
    fixed = crops(await cast(target, session(pictures, FIXED)))
    assert len(set(fixed)) == 1
    auto = crops(await cast(target, session(pictures, AUTO)))
    assert set(auto[:11]) == {fixed[0]}  # faces are next searched for in frame 10
    lefts = [crop.left for crop in auto[10:]]
    assert all(a < b for a, b in pairwise(lefts[:26]))
    assert near(auto[-1], 114, 54.5, 100)
    assert max(lefts) <= 114 + TOLERANCE


async def test_a_face_that_moves_by_a_pixel_moves_nothing(target: str) -> None:
    pictures = [moved(index % 2, index // 2 % 2) for index in range(30)]
    assert len(set(crops(await cast(target, session(pictures))))) == 1


@pytest.mark.parametrize("mode", [AUTO, FIXED])
async def test_without_a_face_the_centre_square_is_shown(target: str, mode: int) -> None:
    picture = picture_with_faces(WIDTH, HEIGHT)
    result = await cast(target, session([picture] * 7, mode))
    assert set(crops(result)) == {centre_square(WIDTH, HEIGHT)}
    assert {one.faces for one in result.frames} == {0}


async def test_of_two_faces_the_foremost_is_framed_and_stayed_with(target: str) -> None:
    small, large = (40, 40, 72, 80), (160, 100, 208, 160)
    pictures = [picture_with_faces(WIDTH, HEIGHT, small, large)] * 6
    # The small face comes nearer and is now the larger.
    pictures += [picture_with_faces(WIDTH, HEIGHT, (20, 20, 116, 140), large)] * 20
    result = await cast(target, session(pictures))
    assert len(set(crops(result))) == 1
    assert near(crops(result)[0], 134, 74.5, 100)
    assert {one.faces for one in result.frames} == {2}


async def test_a_forecast_frame_shows_what_the_last_sent_one_did(target: str) -> None:
    pictures = [moved(4 * index) for index in range(20)]
    sent = [frame(index, pictures[index]) for index in range(20) if index % 4 < 2]
    opening = config(frame=AUTO, observed_frames=2, predicted_frames=2)
    shown = crops(await cast(target, [opening, source(pictures[0]), *sent]))
    assert shown[-4] != shown[0]
    for index in range(20):
        assert shown[index] == shown[index - index % 4 + min(index % 4, 1)]


async def test_another_source_is_framed_by_its_own_face(target: str) -> None:
    portrait = picture_with_faces(100, 200, (30, 90, 54, 120))
    requests = [
        config(frame=FIXED, mode=TRANSFER_MODE_TRANSFER),
        source(portrait),
        frame(0, moved(0)),
    ]
    assert near(crops(await cast(target, requests))[0], 74, 34.5, 100)


@pytest.mark.parametrize("encoding", [JPEG, PNG])
async def test_pictures_may_be_files(target: str, encoding: int) -> None:
    file = encode_image(moved(0), encoding)  # type: ignore[arg-type]
    requests = [config(frame=AUTO), source(file), frame(0, file)]
    assert near(crops(await cast(target, requests))[0], 74, 34.5, 100)


async def test_savings_are_against_pictures_as_the_sender_has_them(target: str) -> None:
    report = (await cast(target, session([moved(0)] * 10))).report
    raw = 10 * WIDTH * HEIGHT * 3
    sent = report.bytes.frames + report.bytes.source
    assert report.saved_against_raw_frames == pytest.approx(max(0, 1 - sent / raw))
    framing = next(one for one in report.latency if one.stage == "framing")
    assert framing.count == 11


async def test_the_crop_of_a_device_travels(target: str) -> None:
    def framed(index: int, left: float) -> StreamRequest:
        crop = common_pb2.Crop(left=left, top=-3.25, side=100)
        points = packet(index, np.zeros((2, 3), np.float32)).keypoints.keypoints
        return StreamRequest(keypoints=KeypointPacket(index=index, keypoints=points, crop=crop))

    image = np.zeros((SIZE, SIZE, 3), np.uint8)
    sent = [framed(0, 1.5), framed(2, 2.5)]
    result = await cast(target, [config(predicted_frames=1), source(image), *sent])
    assert [crop.left for crop in crops(result)] == [1.5, 1.5, 2.5, 2.5]
    assert result.frames[0].crop.top == -3.25


async def test_where_nobody_frames_there_is_no_crop(target: str) -> None:
    image = np.zeros((SIZE, SIZE, 3), np.uint8)
    result = await cast(target, [config(), source(image), frame(0, image)])
    assert not result.frames[0].HasField("crop")
    assert result.config.frame == common_pb2.FRAMING_MODE_OFF


def with_crop(image: NDArray[np.uint8], **values: float) -> StreamRequest:
    crop = common_pb2.Crop(**{"left": 0, "top": 0, "side": 10, **values})
    return StreamRequest(frame=DrivingFrame(index=0, image=encode_image(image), crop=crop))


SMALL = np.zeros((SIZE, SIZE, 3), np.uint8)
BOMB = Image(encoding=PNG, data=encode_image(np.zeros((4100, 20, 3), np.uint8), PNG).data)
REFUSALS = {
    "no such mode": ([config(frame=9)], "config.frame", "9 is not a framing mode"),
    "a source too small": (
        [config(frame=AUTO), source(np.zeros((15, 40, 3), np.uint8))],
        "source.image",
        "40 x 15 pixels, but each side must be 16 to 4096",
    ),
    "a source too large": (
        [config(frame=AUTO), source(BOMB)],
        "source.image",
        "20 x 4100 pixels, but each side must be 16 to 4096",
    ),
    "a source that tells a size it has not": (
        [config(frame=AUTO), source(Image(height=100, width=100, data=b"123"))],
        "source.image.data",
        "3 bytes, but 100 x 100 RGB pixels take 30000",
    ),
    "another size": (
        [config(frame=AUTO), source(moved(0)), frame(0, np.zeros((64, 64, 3), np.uint8))],
        "frame.image",
        "64 x 64 pixels, but earlier pictures have 320 x 240",
    ),
    "a crop where the server frames": (
        [config(frame=AUTO), source(moved(0)), with_crop(moved(0))],
        "frame.crop",
        "the server frames",
    ),
    "an endless crop": (
        [config(), source(SMALL), with_crop(SMALL, left=float("inf"))],
        "frame.crop.left",
        "not finite",
    ),
    "a crop of nothing": (
        [config(), source(SMALL), with_crop(SMALL, side=0)],
        "frame.crop.side",
        "0 is not above 0",
    ),
    "a crop far away": (
        [config(), source(SMALL), with_crop(SMALL, top=-2e5)],
        "frame.crop.top",
        "out of range",
    ),
    "a picture where nobody frames": (
        [config(), source(moved(0))],
        "source.image",
        "320 x 240 pixels, but the model takes 16 x 16",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
async def test_what_cannot_be_framed_is_refused(target: str, name: str) -> None:
    requests, field, sentence = REFUSALS[name]
    with pytest.raises(grpc.RpcError) as caught:
        await cast(target, requests)
    error = caught.value
    assert error.code() is StatusCode.INVALID_ARGUMENT
    assert broken_field(error) == field
    assert sentence in (error.details() or "")


async def test_an_index_that_goes_back_is_refused_as_ever(target: str) -> None:
    sent = [frame(2**62, moved(0)), frame(0, moved(0))]
    requests = [config(frame=AUTO), source(moved(0)), frame(3, moved(0)), sent[1]]
    with pytest.raises(grpc.RpcError) as caught:
        await cast(target, requests)
    assert caught.value.code() is StatusCode.FAILED_PRECONDITION
    with pytest.raises(grpc.RpcError) as caught:
        await cast(target, [config(frame=AUTO), source(moved(0)), *sent])
    assert caught.value.code() is StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("pipeline", ["services", "ensemble"])
async def test_without_a_face_finder_there_is_no_framing(tmp_path: Path, pipeline: str) -> None:
    root = build_joined_repository(tmp_path)
    settings = LocalSettings(repository=root, pipeline=pipeline, drain_grace_seconds=0.5)  # type: ignore[arg-type]
    async with LocalServices(settings) as local:
        with pytest.raises(grpc.RpcError) as caught:
            await cast(local.target, session([moved(0)]))
    assert caught.value.code() is StatusCode.NOT_FOUND
    assert "face_finder" in (caught.value.details() or "")
