"""Up to four sources per session: each frame is made from the best one.

Tests both pipelines, with models whose frames show their source's blue.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import numpy as np
import pytest
from grpc import StatusCode
from numpy.typing import NDArray
from support.raw_sessions import (
    Session,
    broken_field,
    cast,
    config,
    frame,
    open_stub,
    packet,
    source,
)
from support.toy_sources import build_telling_repository, source_image, telling_colour

from motioncast import orchestrator
from motioncast.inference import OnnxRuntimeEngine
from motioncast.local import LocalServices, LocalSettings
from motioncast.orchestrator import OrchestratorSettings
from motioncast.serving import Metrics, Server, ServerSettings
from motioncast.sources import choose
from motioncast.v1.motion_transfer_pb2 import (
    TRANSFER_MODE_TRANSFER,
    GetServerInfoRequest,
    StreamRequest,
)

# A similarity maps any two points to any other two, so only motion distinguishes the sources.
LEFT = np.array([[-0.81, -0.41, 0.5], [-0.41, -0.41, 0.5]], np.float32)
RIGHT = np.array([[0.41, 0.41, 0.5], [0.81, 0.41, 0.5]], np.float32)
BLUE = {0: 10, 1: 110, 2: 210}
# Ten frames left, ten right, ten left.
PATH = np.stack([LEFT] * 10 + [RIGHT] * 10 + [LEFT] * 10)


def extra(index: int, keypoints: NDArray[np.float32], blue: int | None = None) -> StreamRequest:
    message = source(source_image(BLUE[index] if blue is None else blue), keypoints)
    message.source.index = index
    return message


TWO = [extra(0, LEFT), extra(1, RIGHT)]


@asynccontextmanager
async def by_services(repository: Path) -> AsyncIterator[tuple[str, Metrics | None]]:
    async with LocalServices(
        LocalSettings(repository=repository, drain_grace_seconds=0.5)
    ) as local:
        yield local.target, None


@asynccontextmanager
async def by_ensembles(repository: Path) -> AsyncIterator[tuple[str, Metrics | None]]:
    metrics = Metrics()
    async with (
        OnnxRuntimeEngine(repository) as engine,
        orchestrator.registration(engine, OrchestratorSettings(), metrics) as registered,
        Server(ServerSettings(drain_grace_seconds=0.5), [registered], metrics) as server,
    ):
        yield server.address, metrics


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_telling_repository(tmp_path_factory.mktemp("repository"))


@pytest.fixture(params=[by_services, by_ensembles])
async def target(request: pytest.FixtureRequest, repository: Path) -> AsyncIterator[str]:
    async with request.param(repository) as (address, _):
        yield address


def packets(*indices: int) -> list[StreamRequest]:
    return [packet(index, PATH[index]) for index in indices]


def used(session: Session) -> list[int]:
    return [one.source_index for one in session.frames]


def colours(session: Session) -> list[tuple[int, ...]]:
    return [tuple(image[0, 0].tolist()) for image in session.images()]


def expected_choice(path: NDArray[np.float32]) -> list[int]:
    chosen, _ = choose({0: LEFT, 1: RIGHT}, path)
    return chosen


async def test_each_frame_is_made_from_the_source_that_shows_it(target: str) -> None:
    session = await cast(target, [config(), *TWO, *packets(*range(30))])
    assert used(session) == expected_choice(PATH) == [0] * 10 + [1] * 10 + [0] * 10
    rest = {0: LEFT, 1: RIGHT}
    assert colours(session) == [
        telling_colour(driving, rest[index], BLUE[index])
        for driving, index in zip(PATH, used(session), strict=True)
    ]


async def test_the_choice_is_the_same_however_frames_come_together(target: str) -> None:
    """Groups of 4, 32 and 1 frames are processed in different stretches."""
    expected = expected_choice(PATH[:28])
    for observed in (4, 7, 1):
        sent = [config(observed_frames=observed), *TWO, *packets(*range(28))]
        assert used(await cast(target, sent)) == expected


async def test_forecast_frames_are_made_from_the_source_that_shows_them(target: str) -> None:
    step = (RIGHT - LEFT) / np.float32(12)
    path = np.stack([LEFT + np.float32(t) * step for t in range(12)])
    sent = [packet(index, path[index]) for index in (0, 1, 2, 3, 4, 5)]
    requests = [config(observed_frames=6, predicted_frames=6), *TWO, *sent]
    session = await cast(target, requests)
    assert session.origins == "OOOOOOPPPPPP"  # the toy predictor extrapolates linearly
    assert used(session) == expected_choice(path)
    assert used(session)[-1] == 1


async def test_the_server_detects_what_the_sources_show(target: str) -> None:
    one, other = ((2, 2), (6, 2)), ((9, 12), (13, 12))
    second = source(source_image(BLUE[1], *other))
    second.source.index = 1
    sent = [frame(t, source_image(0, *(one if t < 6 else other))) for t in range(12)]
    session = await cast(target, [config(), source(source_image(BLUE[0], *one)), second, *sent])
    assert used(session) == [0] * 6 + [1] * 6


async def test_a_source_counts_from_the_frames_that_were_not_due_yet(target: str) -> None:
    """The pattern skips frames 10 and 11, which are due together with frame 9."""
    path = np.stack([RIGHT] * 15)
    before = [packet(t, path[t]) for t in range(10)]
    after = [packet(t, path[t]) for t in range(12, 15)]
    fields = {"observed_frames": 10, "predicted_frames": 2, "frame_count": 15}
    session = await cast(target, [config(**fields), TWO[0], *before, TWO[1], *after])
    assert used(session) == [0] * 12 + [1] * 3


async def test_a_source_in_the_middle_of_a_group_parts_it(target: str) -> None:
    path = np.stack([RIGHT] * 16)
    sent = [packet(t, path[t]) for t in range(12)]
    sent.insert(7, TWO[1])
    requests = [config(observed_frames=12, predicted_frames=4), TWO[0], *sent]
    session = await cast(target, requests)
    assert used(session) == [0] * 7 + [1] * 9
    assert session.origins == "O" * 12 + "P" * 4
    assert session.frames[0].group_frames == 7


async def test_a_second_image_takes_the_place_of_the_first(target: str) -> None:
    replaced = extra(1, RIGHT, blue=77)
    sent = [*TWO, *packets(*range(14)), replaced, *packets(*range(14, 20))]
    session = await cast(target, [config(), *sent])
    assert used(session) == [0] * 10 + [1] * 10
    assert [blue for _, _, blue in colours(session)] == [10] * 10 + [110] * 4 + [77] * 6


async def test_with_one_source_all_is_as_without_a_choice(target: str) -> None:
    alone = await cast(target, [config(), TWO[0], *packets(*range(30))])
    assert used(alone) == [0] * 30
    assert colours(alone) == [telling_colour(one, LEFT, BLUE[0]) for one in PATH]
    assert list(alone.report.source_frames) == [30]


async def test_relative_motion_moves_source_0_and_the_choice_compares_where_it_goes(
    target: str,
) -> None:
    """The driving video moves 1.2 to the right, and so source 0 moves to source 1's position."""
    start = LEFT - np.array([0, 0.13, 0], np.float32)
    driving = np.stack([start] * 6 + [start + np.array([1.2, 0.8, 0], np.float32)] * 6)
    sent = [packet(t, driving[t]) for t in range(12)]
    opening = config(mode=TRANSFER_MODE_TRANSFER, relative_motion=True)
    session = await cast(target, [opening, *TWO, *sent])
    moved = LEFT + (driving - driving[0])
    assert used(session) == [0] * 6 + [1] * 6
    assert colours(session) == [
        telling_colour(moved[t], (LEFT, RIGHT)[index], BLUE[index])
        for t, index in enumerate(used(session))
    ]


async def test_relative_motion_goes_on_from_a_replaced_source(target: str) -> None:
    driving = np.stack([LEFT] * 3 + [LEFT + np.array([0.11, 0, 0], np.float32)] * 3)
    sent = [packet(t, driving[t]) for t in range(6)]
    sent.insert(4, extra(0, RIGHT, blue=33))
    opening = config(mode=TRANSFER_MODE_TRANSFER, relative_motion=True)
    session = await cast(target, [opening, TWO[0], *sent])
    moved = driving - driving[0]
    assert colours(session) == [
        *(telling_colour(LEFT + moved[t], LEFT, BLUE[0]) for t in range(4)),
        *(telling_colour(RIGHT + moved[t], RIGHT, 33) for t in range(4, 6)),
    ]


async def test_frames_before_the_first_observed_one_show_source_0(target: str) -> None:
    sent = [packet(t, RIGHT) for t in (3, 4, 5)]
    session = await cast(target, [config(observed_frames=6, frame_count=6), *TWO, *sent])
    assert session.origins == "CCCOOO"
    assert used(session)[:3] == [0, 0, 0]


async def test_sources_and_the_frames_made_from_them_are_counted(target: str) -> None:
    sources = [*TWO, extra(2, RIGHT + np.array([0, 0.5, 0], np.float32))]
    session = await cast(target, [config(), *sources, *packets(*range(30))])
    assert list(session.report.source_frames) == [20, 10]
    assert session.report.bytes.source == sum(one.ByteSize() for one in sources)


async def test_frames_by_source_are_shown_to_prometheus(repository: Path) -> None:
    async with by_ensembles(repository) as (address, metrics):
        await cast(address, [config(), *TWO, *packets(*range(30))])
        assert metrics is not None
        values = [
            metrics.registry.get_sample_value(
                "motioncast_source_frames_total", {"source": str(index)}
            )
            for index in range(4)
        ]
    assert values == [20, 10, 0, 0]


@pytest.mark.parametrize(
    ("sent", "field", "sentence"),
    [
        (
            [extra(1, RIGHT)],
            "source.index",
            "1, but the first source must have index 0",
        ),
        (
            [TWO[0], packets(0)[0], source(source_image(1)[:8])],
            "source.image",
            "16 x 8 pixels, but the model takes 16 x 16",
        ),
    ],
)
async def test_a_source_that_is_none_is_refused(
    target: str, sent: list[StreamRequest], field: str, sentence: str
) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        await cast(target, [config(), *sent])
    assert refused.value.code() is StatusCode.INVALID_ARGUMENT
    assert broken_field(refused.value) == field
    assert refused.value.details() == f"{field}: {sentence}"


async def test_a_fifth_source_is_refused(target: str) -> None:
    four = [TWO[0], TWO[1], extra(2, RIGHT), source(source_image(0), RIGHT)]
    four[3].source.index = 3
    fifth = source(source_image(0), RIGHT)
    fifth.source.index = 4
    assert len((await cast(target, [config(), *four, *packets(0)])).frames) == 1
    with pytest.raises(grpc.RpcError) as refused:
        await cast(target, [config(), *four, *packets(0), fifth])
    assert refused.value.code() is StatusCode.INVALID_ARGUMENT
    assert broken_field(refused.value) == "source.index"
    assert refused.value.details() == (
        "source.index: 4 exceeds the limit of 3: a session has at most 4 sources"
    )


async def test_the_limit_is_told(target: str) -> None:
    async with open_stub(target) as stub:
        assert (await stub.GetServerInfo(GetServerInfoRequest())).max_sources == 4
