"""Coded keypoints from either client: the frames match the decoded keypoints."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.codec_tables import add_tables, turned_tables
from support.toy_models import build_toy_repository, image_with_points

from motioncast.client import (
    Crop,
    FramedKeypoints,
    InvalidRequestError,
    Keypoints,
    Source,
    connect,
    connect_sync,
)
from motioncast.client.coding import TablesOfModels
from motioncast.codec import KeypointDecoder
from motioncast.local import LocalServices, LocalSettings

IMAGE = image_with_points((3, 4), (9, 7))
TABLES = turned_tables(2, 6)
AT_SOURCE = np.array([[0.25, -0.5, 0.5], [-0.125, 0.75, 0.25]], np.float32)


def points(index: int) -> Keypoints:
    x = 0.9 * np.sin(0.3 * index)
    return np.array([[x, 0.1, 0.5], [-x, 0.9, 0.2]], np.float32)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    repository = build_toy_repository(tmp_path_factory.mktemp("repository"))
    add_tables(repository, TABLES)
    return repository


@pytest.fixture
async def target(repository: Path) -> AsyncIterator[str]:
    settings = LocalSettings(repository=repository, drain_grace_seconds=0.5)
    async with LocalServices(settings) as local:
        yield local.target


async def by_asyncio(target: str, keypoints: Any, **options: Any) -> Any:
    async with connect(target) as service:
        stream = service.stream_keypoints(keypoints, source=IMAGE, **options)
        return [frame async for frame in stream], stream


async def by_blocking(target: str, keypoints: Any, **options: Any) -> Any:
    def block() -> Any:
        with connect_sync(target) as service:
            stream = service.stream_keypoints(keypoints, source=IMAGE, **options)
            return list(stream), stream

    return await asyncio.to_thread(block)


@pytest.fixture(params=[by_asyncio, by_blocking], ids=["async", "sync"])
def cast(request: pytest.FixtureRequest) -> Any:
    return request.param


CODED: Any = {"keypoint_encoding": "coded", "source_keypoints": AT_SOURCE}


@pytest.mark.parametrize("packet_frames", [1, 5, 8])
async def test_what_is_sent_coded_comes_back_within_the_steps(
    cast: Any, target: str, packet_frames: int
) -> None:
    sent = [points(index) for index in range(150)]
    frames, stream = await cast(target, sent, packet_frames=packet_frames, coarseness=1, **CODED)
    error = np.abs(np.stack([frame.keypoints for frame in frames]) - sent)
    # A coefficient errs by at most 0.7 of its step, 80 / sqrt 2; 6 of them rotate to 6 values.
    assert error.max() <= 0.7 * 57 * 6**0.5 / 16384
    assert error.max() > 0
    assert stream.config.keypoint_encoding == "coded"
    assert len(stream.config.codec_tables) == 64
    assert stream.report.bytes.keypoint_messages == -(-150 // packet_frames)
    assert stream.report.bytes.keypoint_payload < 150 * 16 < 150 * 24


async def test_coded_and_floats_of_the_decoded_give_the_same_frames(cast: Any, target: str) -> None:
    sent = [points(index) if index % 5 < 3 and index != 6 else None for index in range(40)]
    pattern: Any = {"observed": 3, "predicted": 2, "seed": 4}
    coded, of_coded = await cast(target, sent, **pattern, **CODED)
    decoded = [
        frame.keypoints if given is not None else None
        for frame, given in zip(coded, sent, strict=True)
    ]
    floats, of_floats = await cast(target, decoded, source_keypoints=AT_SOURCE, **pattern)
    for ours, theirs in zip(coded, floats, strict=True):
        assert ours.origin is theirs.origin
        np.testing.assert_array_equal(ours.keypoints, theirs.keypoints)
        np.testing.assert_array_equal(ours.image, theirs.image)
    assert of_coded.report.forecast_error == of_floats.report.forecast_error
    assert of_coded.report.bytes.keypoints < of_floats.report.bytes.keypoints


async def test_double_precision_is_rounded_once_at_both_ends(cast: Any, target: str) -> None:
    exact = np.array([[1 / 3, 0.1, 0.7], [-0.9, 2 / 3, 0.3]])  # not of float32
    frames, _ = await cast(target, [exact], keypoint_encoding="coded", source_keypoints=exact)
    expected = np.rint(exact.astype(np.float32) * 16384) / 16384
    np.testing.assert_array_equal(frames[0].keypoints, expected.astype(np.float32))


async def test_sources_and_crops_come_between_packets(cast: Any, target: str) -> None:
    near, far = Crop(0, 0, 30), Crop(5, 5, 30)
    crops = [near, near, near, far, far, far, far]
    sent: list[Any] = [FramedKeypoints(points(t), crop) for t, crop in enumerate(crops)]
    sent.insert(5, Source(IMAGE, 1, points(5)))
    frames, stream = await cast(target, sent, packet_frames=4, **CODED)
    assert [frame.crop for frame in frames] == crops
    # 0 1 2 | 3 4 | source | 5 6
    assert stream.report.bytes.keypoint_messages == 3


async def test_a_frame_after_a_long_loss_is_anchored(cast: Any, target: str) -> None:
    sent = [points(0), *[None] * 299, points(300)]
    frames, _ = await cast(target, sent, **CODED)
    assert np.abs(frames[300].keypoints - points(300)).max() < 0.02


async def test_a_live_source_may_be_packed(cast: Any, target: str) -> None:
    def live() -> Iterator[Keypoints]:
        for index in range(100):
            yield points(index)

    frames, _ = await cast(
        target, live(), latest_only=True, observed=5, predicted=0, packet_frames=8, **CODED
    )
    assert len(frames) == 100


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"keypoint_encoding": "coded"}, "source_keypoints: missing"),
        ({"keypoint_encoding": "zip"}, "keypoint_encoding: 'zip' is unknown"),
        ({**CODED, "coarseness": 8}, "coarseness: 8 exceeds the limit of 7"),
        ({**CODED, "packet_frames": 9}, "packet_frames: 9 exceeds the limit of 8"),
        ({"packet_frames": 2}, "keypoint_encoding: coarseness and packet_frames require"),
        ({**CODED, "model": "none"}, "model: 'none' is not served"),
        ({**CODED, "source_keypoints": np.zeros((3, 3))}, "source_keypoints: keypoints: shape"),
    ],
)
async def test_what_cannot_be_coded_is_refused_here(
    cast: Any, target: str, options: Any, sentence: str
) -> None:
    with pytest.raises(InvalidRequestError, match=sentence):
        await cast(target, [points(0)], **options)


async def test_frames_are_not_coded_keypoints(target: str) -> None:
    async with connect(target) as service:
        with pytest.raises(InvalidRequestError, match="only for sessions that send keypoints"):
            service.stream([IMAGE], keypoint_encoding="coded")


async def test_tables_are_fetched_once_and_known_by_their_checksum(
    target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TablesOfModels, "_known", {})
    async with connect(target) as service:
        first = await service.codec_tables()
        info = await service.server_info()
        again = await service.codec_tables("toy")
    assert again is first
    assert info.models[0].codec_tables == first.digest
    decoder = KeypointDecoder(first.tables)
    decoder.set_source(0, AT_SOURCE)
    assert decoder.decode(b"\x42\0\0\0")[0].index == 0


async def test_a_model_without_tables_is_said_to_have_none(tmp_path: Path) -> None:
    settings = LocalSettings(repository=build_toy_repository(tmp_path), drain_grace_seconds=0.5)
    async with LocalServices(settings) as local, connect(local.target) as service:
        with pytest.raises(InvalidRequestError, match="toy has no codec tables"):
            await service.codec_tables()
