"""A delayed session interpolates between sent frames; frames may be returned as H.264."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from support.toy_ensembles import build_joined_repository
from support.toy_models import image_with_points

from motioncast.client import Frame, InvalidRequestError, Keypoints, Origin, connect
from motioncast.local import LocalServices, LocalSettings
from motioncast.timeline.interpolation import interpolated

IMAGE = image_with_points((3, 4), (9, 7))


@pytest.fixture(params=["services", "ensemble"])
async def target(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[str]:
    repository = build_joined_repository(tmp_path)
    settings = LocalSettings(repository=repository, pipeline=request.param, drain_grace_seconds=0.5)
    async with LocalServices(settings) as local:
        yield local.target


def track(frames: int) -> list[Keypoints]:
    return [
        np.array([[np.sin(t / 3) / 2, t / 100, 0.5], [-0.5, np.cos(t / 4) / 2, 0.25]], np.float32)
        for t in range(frames)
    ]


async def frames_of(target: str, keypoints: list[Keypoints | None], **options: Any) -> list[Frame]:
    async with connect(target) as service:
        stream = service.stream_keypoints(keypoints, source=IMAGE, **options)
        return [frame async for frame in stream]


@pytest.mark.parametrize(("observed", "predicted", "delay"), [(1, 1, 1), (3, 2, 1), (1, 3, 3)])
async def test_frames_lie_between_those_sent_around_them(
    target: str, observed: int, predicted: int, delay: int
) -> None:
    sent = track(30)
    options: Any = {"observed": observed, "predicted": predicted}
    frames = await frames_of(target, [*sent], delay_frames=delay, **options)
    at_once = await frames_of(target, [*sent], **options)
    mask = np.array([t % (observed + predicted) < observed for t in range(30)])
    expected, known = interpolated(np.stack(sent), mask, delay)
    assert [frame.index for frame in frames] == list(range(30))
    for frame, forecast in zip(frames, at_once, strict=True):
        index = frame.index
        assert frame.origin is (Origin.OBSERVED if mask[index] else Origin.PREDICTED)
        assert frame.interpolated == bool(known[index] and not mask[index])
        if known[index]:
            assert_allclose(frame.keypoints, expected[index], atol=1e-6)
        else:  # frames beyond the delay are forecast as usual
            assert_allclose(frame.keypoints, forecast.keypoints, atol=1e-6)
        if frame.interpolated:
            assert frame.half_width90 is None
        assert not forecast.interpolated


async def test_what_was_lost_is_interpolated_and_stays_concealed(target: str) -> None:
    sent: list[Keypoints | None] = [*track(8)]
    sent[3] = None
    async with connect(target) as service:
        stream = service.stream_keypoints(sent, source=IMAGE, delay_frames=2)
        frames = [frame async for frame in stream]
    assert frames[3].origin is Origin.CONCEALED
    assert frames[3].interpolated
    assert_allclose(frames[3].keypoints, (frames[2].keypoints + frames[4].keypoints) / 2, atol=1e-6)
    assert stream.report.interpolated_frames == 1
    assert stream.config.delay_frames == 2


async def test_h264_comes_back_as_pictures_near_the_raw_ones(target: str) -> None:
    async with connect(target) as service:
        pictures = [IMAGE] * 12
        options: Any = {"observed": 1, "predicted": 1}
        raw = [frame async for frame in service.stream(pictures, **options)]
        stream = service.stream(pictures, output="h264", output_crf=10, **options)
        frames = [frame async for frame in stream]
        alone = service.stream(
            pictures, output="h264", output_crf=10, pictures_only=True, **options
        )
        bare = [frame.keypoints.shape async for frame in alone]
        assert set(bare) == {(0, 3)}
        assert alone.report.bytes.results < stream.report.bytes.results - 12 * 2 * 12
    assert stream.config.output == "h264"
    assert stream.config.output_crf == 10
    assert [frame.index for frame in frames] == list(range(12))
    for frame, exact in zip(frames, raw, strict=True):
        assert frame.image.shape == exact.image.shape
        assert not frame.image.flags.writeable
        assert_array_equal(frame.keypoints, exact.keypoints)
        off = frame.image.astype(np.float64) - exact.image
        assert np.sqrt(np.mean(off**2)) < 12  # the error of 4:2:0 on single-pixel points


async def test_options_that_cannot_be_are_refused(target: str) -> None:
    async with connect(target) as service:
        for options, words in (
            ({"delay_frames": 17}, "delay_frames: 17 exceeds"),
            ({"output": "h264", "output_crf": 0}, "output_crf: 0 is below 1"),
            ({"output_crf": 20}, "output_crf: only for output 'h264'"),
        ):
            with pytest.raises(InvalidRequestError, match=words):
                service.stream([IMAGE], **options)
