"""Both clients against the four services, with models whose results follow from arithmetic.

A red pixel at column t of frame t is keypoint 0 at x = 2 t / 15 - 1; the toy predictor extrapolates
linearly, and the toy synthesis paints frame t in the colour (255 t / 15, 255 row / 15, 255 / 256).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.toy_models import image_with_points

from motioncast.client import (
    InvalidRequestError,
    Mode,
    Model,
    Origin,
    Pixels,
    UnknownModelError,
    connect,
    connect_sync,
)
from motioncast.client.device import KeypointDetector
from motioncast.local import LocalServices, LocalSettings

Cast = Callable[..., Coroutine[Any, Any, Any]]
O, P, C = Origin.OBSERVED, Origin.PREDICTED, Origin.CONCEALED  # noqa: E741
ROW = 3


@pytest.fixture
async def target(toy_repository: Path) -> AsyncIterator[str]:
    async with LocalServices(
        LocalSettings(repository=toy_repository, drain_grace_seconds=0.5)
    ) as local:
        yield local.target


def moving(count: int) -> list[Pixels]:
    return [image_with_points(red=(t, ROW), green=None) for t in range(count)]


def colours(frames: list[Any]) -> list[list[int]]:
    for frame in frames:
        assert (frame.image == frame.image[0, 0]).all()
    return [frame.image[0, 0].tolist() for frame in frames]


def linear(count: int) -> list[list[int]]:
    return [[255 * t // 15, 255 * ROW // 15, 1] for t in range(count)]


async def test_a_linear_motion_is_forecast_exactly(cast: Cast, target: str) -> None:
    result = await cast(target, moving(8), observed=2, predicted=2)
    assert [frame.index for frame in result.frames] == list(range(8))
    assert [frame.origin for frame in result.frames] == [O, O, P, P, O, O, P, P]
    assert colours(result.frames) == linear(8)
    np.testing.assert_allclose(
        [frame.keypoints[0, 0] for frame in result.frames],
        2 * np.arange(8) / 15 - 1,
        atol=1e-6,
    )


async def test_forecast_frames_alone_state_their_interval(cast: Cast, target: str) -> None:
    frames = (await cast(target, moving(8), observed=2, predicted=2)).frames
    stated = [frame.half_width90 for frame in frames]
    assert [half_width is not None for half_width in stated] == 2 * [False, False, True, True]
    expected = [[2 / 15, 0.0, 0.0], [0.0, 0.0, 0.0]]  # the toy's half-width is its last step
    for half_width in (stated[2], stated[6]):
        np.testing.assert_allclose(half_width, expected, atol=1e-6)


async def test_the_report_counts_what_was_sent(cast: Cast, target: str) -> None:
    result = await cast(target, moving(10), observed=1, predicted=1)
    report = result.report
    assert (report.observed_frames, report.predicted_frames, report.concealed_frames) == (5, 5, 0)
    assert report.bytes.frames >= 5 * 16 * 16 * 3
    assert report.bytes.keypoints == 0
    assert {stage.stage for stage in report.latency} == {
        "keypoint",
        "predictor",
        "synthesis",
        "ensemble",
        "total",
        "framing",
    }
    assert 0 < report.saved_against_raw_frames < 1


async def test_the_effective_configuration_is_told(cast: Cast, target: str) -> None:
    config = (await cast(target, moving(3), predicted=1, seed=7, output="png")).config
    assert (config.model, config.mode) == ("toy", Mode.RECONSTRUCTION)
    assert (config.observed, config.predicted, config.frame_rate) == (1, 1, 25.0)
    assert (config.frame_count, config.output, config.seed) == (3, "png", 7)
    assert (config.height, config.width, config.keypoints) == (16, 16, 2)


async def test_a_lost_frame_is_concealed(cast: Cast, target: str) -> None:
    video = [*moving(4), None, moving(6)[5]]
    result = await cast(target, video, predicted=0)
    assert [frame.origin for frame in result.frames] == [O, O, O, O, C, O]
    assert colours(result.frames) == linear(6)


async def test_relative_motion_starts_from_the_source(cast: Cast, target: str) -> None:
    source = image_with_points(red=(5, ROW + 2), green=None)
    result = await cast(
        target, moving(4), source=source, relative_motion=True, observed=1, predicted=0
    )
    assert result.config.mode is Mode.TRANSFER
    expected = [[255 * (5 + t) // 15, 255 * (ROW + 2) // 15, 1] for t in range(4)]
    assert colours(result.frames) == expected


async def test_keypoints_from_the_device_give_the_same_video(
    target: str, toy_repository: Path
) -> None:
    detector = KeypointDetector(toy_repository / "toy_keypoint" / "1" / "model.onnx")
    video = moving(8)
    async with connect(target) as service:
        stream = service.stream_keypoints(
            detector.observed(video, observed=2, predicted=2),
            source=video[0],
            observed=2,
            predicted=2,
            frame_count=8,
        )
        frames = [frame async for frame in stream]
    assert [frame.origin for frame in frames] == [O, O, P, P, O, O, P, P]
    assert colours(frames) == linear(8)
    assert stream.report.bytes.frames == 0
    assert stream.report.bytes.keypoints > 0


async def test_the_blocking_client_sends_keypoints_too(target: str, toy_repository: Path) -> None:
    detector = KeypointDetector(toy_repository / "toy_keypoint" / "1" / "model.onnx")
    video = moving(4)
    keypoints = detector.detect(np.stack(video))

    def session() -> list[list[int]]:
        with connect_sync(target) as service:
            return colours(
                list(
                    service.stream_keypoints(
                        keypoints, source=video[0], source_keypoints=keypoints[0], observed=2
                    )
                )
            )

    assert await asyncio.to_thread(session) == linear(4)


async def test_the_server_tells_what_it_serves(target: str) -> None:
    async with connect(target) as service:
        info = await service.server_info(timeout=5.0)

    def ask() -> Any:
        with connect_sync(target) as service:
            return service.server_info(timeout=5.0)

    assert info == await asyncio.to_thread(ask)
    assert info.version == version("motioncast")
    assert info.models == (Model("toy", 16, 16, 2),)
    assert info.max_group_frames == 256
    assert info.max_message_bytes > 0
    assert info.max_sessions > 0


async def test_an_unknown_model_is_named(cast: Cast, target: str) -> None:
    with pytest.raises(UnknownModelError, match="lite999"):
        await cast(target, moving(2), model="lite999")


async def test_frames_of_another_size_than_the_models_are_refused(cast: Cast, target: str) -> None:
    with pytest.raises(InvalidRequestError, match="8 x 8 pixels, but the model takes 16 x 16"):
        await cast(target, [np.zeros((8, 8, 3), np.uint8)])


async def test_a_refused_session_leaves_the_others_alone(target: str) -> None:
    async with connect(target) as service:
        good = service.stream(moving(8), observed=2, predicted=2)
        frames = aiter(good)
        first = await anext(frames)
        with pytest.raises(InvalidRequestError):
            await anext(aiter(service.stream([np.zeros((8, 8, 3), np.uint8)])))
        assert colours([first, *[frame async for frame in frames]]) == linear(8)
