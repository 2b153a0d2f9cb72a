"""A live session skips frames superseded by newer ones, and no others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

import grpc
import numpy as np
import pytest
from support.raw_sessions import broken_field, cast, config, frame, packet, source
from support.toy_ensembles import build_joined_repository

from motioncast.local import LocalServices, LocalSettings

IMAGE = np.full((16, 16, 3), 100, np.uint8)
COUNT = 60


@pytest.fixture(params=["services", "ensemble"])
async def local(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[LocalServices]:
    pipeline: Literal["services", "ensemble"] = request.param
    repository = build_joined_repository(tmp_path)
    async with LocalServices(
        LocalSettings(repository=repository, pipeline=pipeline, drain_grace_seconds=0.5)
    ) as local:
        yield local


def points(index: int) -> np.ndarray:
    return np.array([[index / COUNT, 0.0, 0.5], [0.5, -index / COUNT, 0.5]], dtype=np.float32)


async def test_what_is_made_is_what_would_be_made_without_leaving_out(
    local: LocalServices,
) -> None:
    sent = [source(IMAGE, points(0)), *(packet(index, points(index)) for index in range(COUNT))]
    whole = await cast(local.target, [config(), *sent])
    live = await cast(local.target, [config(live=True), *sent])  # sent at once, so it is late
    assert live.config.live
    indices = [one.index for one in live.frames]
    assert indices == sorted(set(indices))
    assert indices[-1] == COUNT - 1  # the newest frame
    assert len(indices) + live.report.left_out_frames == COUNT
    assert live.report.observed_frames == len(indices)
    pictures = list(whole.images())
    for one, image in zip(live.frames, live.images(), strict=True):
        assert np.array_equal(image, pictures[one.index])


async def test_pictures_that_are_late_are_not_looked_at(local: LocalServices) -> None:
    sent = [source(IMAGE), *(frame(index, IMAGE) for index in range(COUNT))]
    live = await cast(local.target, [config(live=True), *sent])
    assert live.frames[-1].index == COUNT - 1
    assert len(live.frames) + live.report.left_out_frames == COUNT


async def test_who_is_live_does_not_wait(local: LocalServices) -> None:
    with pytest.raises(grpc.RpcError, match="cannot be combined with delay_frames") as refused:
        await cast(local.target, [config(live=True, delay_frames=3)])
    assert broken_field(refused.value) == "config.live"
