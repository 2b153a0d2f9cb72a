"""Both clients send several sources to the services and learn which one each frame uses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.toy_sources import build_telling_repository, source_image

from motioncast.client import InvalidRequestError, Pixels, Source, connect, connect_sync
from motioncast.local import LocalServices, LocalSettings

Cast = Callable[..., Coroutine[Any, Any, Any]]
HERE, THERE = ((2, 2), (6, 2)), ((9, 12), (13, 12))


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_telling_repository(tmp_path_factory.mktemp("repository"))


@pytest.fixture
async def target(repository: Path) -> AsyncIterator[str]:
    async with LocalServices(
        LocalSettings(repository=repository, drain_grace_seconds=0.5)
    ) as local:
        yield local.target


def video() -> list[Pixels]:
    return [source_image(0, *(HERE if t < 6 else THERE)) for t in range(12)]


def blues(frames: list[Any]) -> list[int]:
    return [int(frame.image[0, 0, 2]) for frame in frames]


async def test_frames_show_the_source_that_is_nearest(cast: Cast, target: str) -> None:
    sources = [source_image(10, *HERE), source_image(110, *THERE)]
    result = await cast(target, video(), source=sources, observed=1, predicted=0)
    assert [frame.source_index for frame in result.frames] == [0] * 6 + [1] * 6
    assert blues(result.frames) == [10] * 6 + [110] * 6
    assert result.report.source_frames == (6, 6)


async def test_a_source_may_come_with_the_video(cast: Cast, target: str) -> None:
    elements: list[Pixels | Source] = [*video()]
    elements.insert(9, Source(source_image(110, *THERE), 1))
    result = await cast(target, elements, observed=1, predicted=0)
    assert [frame.source_index for frame in result.frames] == [0] * 9 + [1] * 3
    assert len(result.frames) == 12
    assert blues(result.frames) == [0] * 9 + [110] * 3


async def test_one_source_in_a_list_gives_what_it_gives_alone(cast: Cast, target: str) -> None:
    source = source_image(10, *HERE)
    alone = await cast(target, video(), source=source)
    listed = await cast(target, video(), source=[source])
    for one, other in zip(alone.frames, listed.frames, strict=True):
        np.testing.assert_array_equal(one.image, other.image)
        np.testing.assert_array_equal(one.keypoints, other.keypoints)
        assert one.source_index == other.source_index == 0
    sent, sent_listed = alone.report.bytes, listed.report.bytes
    # Results contain timings, with more entries for frames that waited for the predictor together.
    assert replace(sent, results=0) == replace(sent_listed, results=0)


async def test_too_many_sources_are_refused(cast: Cast, target: str) -> None:
    with pytest.raises(InvalidRequestError, match="5 given, but a session takes 1 to 4 sources"):
        await cast(target, video(), source=[source_image(n) for n in range(5)])


async def test_the_server_tells_its_limit_and_the_weights(target: str) -> None:
    async with connect(target) as service:
        info = await service.server_info()
    assert info.max_sources == 4
    assert info.models[0].source_weights == ()

    def block() -> int:
        with connect_sync(target) as service:
            return service.server_info().max_sources

    assert await asyncio.to_thread(block) == 4


async def test_weights_of_the_model_reach_the_client(tmp_path: Path) -> None:
    repository = build_telling_repository(tmp_path)
    config = repository / "toy_synthesis" / "config.pbtxt"
    weights = 'parameters { key: "source_weights" value { string_value: "1,0.5" } }\n'
    config.write_text(config.read_text() + weights)
    async with (
        LocalServices(LocalSettings(repository=repository, drain_grace_seconds=0.5)) as local,
        connect(local.target) as service,
    ):
        assert (await service.server_info()).models[0].source_weights == (1, 0.5)


async def test_how_many_keypoints_are_anchored_reaches_the_client(tmp_path: Path) -> None:
    repository = build_telling_repository(tmp_path)
    anchored = 'parameters { key: "anchored_keypoints" value { string_value: "2" } }\n'
    (repository / "toy_keypoint" / "config.pbtxt").write_text(anchored)
    async with (
        LocalServices(LocalSettings(repository=repository, drain_grace_seconds=0.5)) as local,
        connect(local.target) as service,
    ):
        assert (await service.server_info()).models[0].anchored_keypoints == 2


async def test_weights_that_are_none_are_left_out(tmp_path: Path) -> None:
    repository = build_telling_repository(tmp_path)
    config = repository / "toy_synthesis" / "config.pbtxt"
    weights = 'parameters { key: "source_weights" value { string_value: "1,2,3" } }\n'
    config.write_text(config.read_text() + weights)
    async with (
        LocalServices(LocalSettings(repository=repository, drain_grace_seconds=0.5)) as local,
        connect(local.target) as service,
    ):
        assert (await service.server_info()).models[0].source_weights == ()
