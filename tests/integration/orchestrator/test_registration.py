"""Frames sent as images are registered with the session's first source, in both pipelines."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib import resources
from itertools import islice
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray
from support.raw_sessions import Session, cast, config, frame, open_stub, packet, source
from support.toy_models import keypoints_of_points
from support.toy_registration import build_registering_repository, toy_registered
from support.toy_sources import source_image, telling_colour
from support.triton_server import skip_without_triton

from motioncast import orchestrator
from motioncast.client.video import read_video
from motioncast.inference import OnnxRuntimeEngine, default_repository
from motioncast.local import LocalServices, LocalSettings
from motioncast.orchestrator import OrchestratorSettings
from motioncast.serving import Metrics, Server, ServerSettings
from motioncast.sources import choose
from motioncast.triton import TritonEngine, TritonSettings
from motioncast.v1.motion_transfer_pb2 import (
    TRANSFER_MODE_TRANSFER,
    GetServerInfoRequest,
    StreamRequest,
)

Point: TypeAlias = tuple[int, int]

SOURCE_BLUE = 200
SOURCE_POINTS: tuple[Point, Point] = ((3, 12), (8, 12))
SOURCE_KEYPOINTS = keypoints_of_points(*SOURCE_POINTS)
OTHER_BLUE = 60
OTHER_POINTS: tuple[Point, Point] = ((9, 2), (14, 2))


@asynccontextmanager
async def by_services(repository: Path) -> AsyncIterator[str]:
    async with LocalServices(
        LocalSettings(repository=repository, drain_grace_seconds=0.5)
    ) as local:
        yield local.target


@asynccontextmanager
async def by_ensembles(repository: Path) -> AsyncIterator[str]:
    metrics = Metrics()
    async with (
        OnnxRuntimeEngine(repository) as engine,
        orchestrator.registration(engine, OrchestratorSettings(), metrics) as registered,
        Server(ServerSettings(drain_grace_seconds=0.5), [registered], metrics) as server,
    ):
        yield server.address


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_registering_repository(tmp_path_factory.mktemp("repository"))


@pytest.fixture(params=[by_services, by_ensembles])
async def target(request: pytest.FixtureRequest, repository: Path) -> AsyncIterator[str]:
    async with request.param(repository) as address:
        yield address


def blue(index: int) -> int:
    return 20 * (index % 10)


def points(index: int) -> tuple[Point, Point]:
    return (2 + index, 3 + index), (9 - index % 5, 7)


def frames(*indices: int) -> list[StreamRequest]:
    return [frame(index, source_image(blue(index), *points(index))) for index in indices]


def alone(index: int) -> NDArray[np.float32]:
    """Returns the keypoints (K, 3) that the detector finds in a frame."""
    return keypoints_of_points(*points(index))


def registered(index: int) -> NDArray[np.float32]:
    """Returns the same after registration with the source."""
    return toy_registered(alone(index), blue(index), SOURCE_KEYPOINTS, SOURCE_BLUE)


def opening(**fields: int | bool) -> list[StreamRequest]:
    return [config(**fields), source(source_image(SOURCE_BLUE, *SOURCE_POINTS))]


def further(
    index: int, image: NDArray[np.uint8], keypoints: NDArray[np.float32] | None = None
) -> StreamRequest:
    message = source(image, keypoints)
    message.source.index = index
    return message


def keypoints_by_frame(session: Session) -> dict[int, NDArray[np.float32]]:
    sets = {one.index: one.keypoints for one in session.frames}
    return {
        index: np.array([one.x, one.y, one.intensity], np.float32).T for index, one in sets.items()
    }


def check(session: Session, expected: Mapping[int, NDArray[np.float32]]) -> None:
    found = keypoints_by_frame(session)
    for index, keypoints in expected.items():
        np.testing.assert_allclose(found[index], keypoints, atol=1e-5)


def colours(session: Session) -> list[tuple[int, ...]]:
    return [tuple(image[0, 0].tolist()) for image in session.images()]


@pytest.mark.parametrize(
    ("sent", "observed", "predicted"),
    [
        ((0, 1, 2, 3, 4, 5), 3, 0),  # the ensemble reconstruct
        ((0, 1, 4, 5, 8), 2, 2),  # the ensemble motion_transfer
        ((2, 3, 4), 4, 0),  # model by model: frames before the first observed one
    ],
)
async def test_frames_are_registered_with_the_source(
    target: str, sent: Sequence[int], observed: int, predicted: int
) -> None:
    requests = [
        *opening(observed_frames=observed, predicted_frames=predicted),
        *frames(*sent),
    ]
    check(await cast(target, requests), {index: registered(index) for index in sent})


async def test_keypoints_from_the_client_are_used_as_they_are(target: str) -> None:
    sent = [*frames(0), packet(1, alone(1)), *frames(2), packet(3, alone(3))]
    session = await cast(target, [*opening(observed_frames=4), *sent])
    check(session, {0: registered(0), 1: alone(1), 2: registered(2), 3: alone(3)})


async def test_a_source_with_keypoints_from_the_client_is_what_frames_are_registered_with(
    target: str,
) -> None:
    given = keypoints_of_points((5, 5), (6, 6))
    image = source_image(SOURCE_BLUE, *SOURCE_POINTS)
    session = await cast(target, [config(), source(image, given), *frames(0, 1)])
    check(session, {t: toy_registered(alone(t), blue(t), given, SOURCE_BLUE) for t in (0, 1)})


async def test_relative_motion_does_not_register(target: str) -> None:
    fields = {"mode": TRANSFER_MODE_TRANSFER, "relative_motion": True}
    session = await cast(target, [*opening(**fields), *frames(0, 1, 2)])
    check(session, {index: alone(index) for index in (0, 1, 2)})


async def test_further_sources_are_registered_with_the_first(target: str) -> None:
    """The telling synthesis shows y of the keypoints of the chosen source."""
    rest = toy_registered(
        keypoints_of_points(*OTHER_POINTS), OTHER_BLUE, SOURCE_KEYPOINTS, SOURCE_BLUE
    )
    sent = [
        frame(t, source_image(OTHER_BLUE, *(OTHER_POINTS if t > 5 else SOURCE_POINTS)))
        for t in range(12)
    ]
    driving = [
        toy_registered(
            keypoints_of_points(*(OTHER_POINTS if t > 5 else SOURCE_POINTS)),
            OTHER_BLUE,
            SOURCE_KEYPOINTS,
            SOURCE_BLUE,
        )
        for t in range(12)
    ]
    second = further(1, source_image(OTHER_BLUE, *OTHER_POINTS))
    session = await cast(target, [*opening(), second, *sent])
    used = [one.source_index for one in session.frames]
    chosen, _ = choose({0: SOURCE_KEYPOINTS, 1: rest}, np.stack(driving))
    assert used == chosen
    assert set(used) == {0, 1}
    expected = {0: (SOURCE_KEYPOINTS, SOURCE_BLUE), 1: (rest, OTHER_BLUE)}
    assert colours(session) == [
        telling_colour(one, *expected[index]) for one, index in zip(driving, used, strict=True)
    ]


async def test_keypoints_of_a_further_source_from_the_client_are_used_as_they_are(
    target: str,
) -> None:
    rest = keypoints_of_points(*OTHER_POINTS)
    second = further(1, source_image(OTHER_BLUE, *OTHER_POINTS), rest)
    sent = [packet(t, rest) for t in range(3)]
    session = await cast(target, [*opening(), second, *sent])
    assert colours(session) == [telling_colour(rest, rest, OTHER_BLUE)] * 3


async def test_sources_of_relative_motion_are_not_registered(target: str) -> None:
    rest = keypoints_of_points(*OTHER_POINTS)
    path = [SOURCE_KEYPOINTS] * 6 + [rest] * 6  # relative motion moves source 0 to the second
    sent = [packet(t, one) for t, one in enumerate(path)]
    second = further(1, source_image(OTHER_BLUE, *OTHER_POINTS))
    fields = {"mode": TRANSFER_MODE_TRANSFER, "relative_motion": True}
    session = await cast(target, [*opening(**fields), second, *sent])
    assert session.frames[-1].source_index == 1
    assert colours(session)[-1] == telling_colour(rest, rest, OTHER_BLUE)


async def test_from_a_new_first_source_on_everything_is_registered_with_that(target: str) -> None:
    points_now: tuple[Point, Point] = ((3, 6), (8, 6))
    now = keypoints_of_points(*points_now)
    second = further(1, source_image(OTHER_BLUE, *OTHER_POINTS))
    replaced = further(0, source_image(100, *points_now))
    before, after = [frame(t, source_image(OTHER_BLUE, *OTHER_POINTS)) for t in (0, 1)], range(2, 4)
    requests = [
        *opening(),
        second,
        *before,
        replaced,
        *(frame(t, source_image(OTHER_BLUE, *OTHER_POINTS)) for t in after),
    ]
    session = await cast(target, requests)
    shown = keypoints_of_points(*OTHER_POINTS)
    first_of = [(SOURCE_KEYPOINTS, SOURCE_BLUE)] * 2 + [(now, 100)] * 2
    driving = [
        toy_registered(shown, OTHER_BLUE, keypoints, colour) for keypoints, colour in first_of
    ]
    check(session, dict(enumerate(driving)))
    assert [one.source_index for one in session.frames] == [1] * 4
    # The second source is the same picture as the frames, and so has their keypoints.
    assert colours(session) == [telling_colour(one, one, OTHER_BLUE) for one in driving]


async def test_clients_learn_which_models_register(target: str) -> None:
    async with open_stub(target) as stub:
        told = await stub.GetServerInfo(GetServerInfoRequest())
    assert [model.registers for model in told.models] == [True]


@pytest.mark.parametrize("behind", [by_services, by_ensembles])
async def test_with_the_shipped_models_a_session_is_as_its_models_run_by_hand(
    behind: Callable[[Path], AbstractAsyncContextManager[str]],
) -> None:
    clip = Path(str(resources.files("motioncast.cli").joinpath("assets/grid_sbwu5s.mp4")))
    with read_video(clip, 256) as video:
        sent = list(islice(video.frames, 9))
    first, driving = sent[0][np.newaxis], np.stack([sent[t] for t in (0, 1, 4, 5, 8)])
    async with OnnxRuntimeEngine(default_repository()) as engine:
        rest = (await engine.infer("face256_keypoint", {"image": first}))["keypoints"]
        found = (await engine.infer("face256_keypoint", {"image": driving}))["keypoints"]
        inputs = {
            "source_image": first,
            "source_keypoints": rest,
            "image": driving,
            "keypoints": found,
        }
        by_hand = (await engine.infer("face256_registration", inputs))["registered"]
    requests = [
        config(model="face256", observed_frames=2, predicted_frames=2),
        source(sent[0]),
        *(frame(t, sent[t]) for t in (0, 1, 4, 5, 8)),
    ]
    async with behind(default_repository()) as address:
        session = await cast(address, requests)
    got = keypoints_by_frame(session)
    np.testing.assert_allclose([got[t] for t in (0, 1, 4, 5, 8)], by_hand, atol=2e-5)
    assert np.abs(by_hand - found).max() > 1e-3  # the registration matters


async def test_the_real_triton_registers_too(repository: Path) -> None:
    skip_without_triton()
    metrics = Metrics()
    sent = [*opening(observed_frames=3, predicted_frames=1), *frames(0, 1, 2, 4, 5)]
    mixed = [*frames(0), packet(1, alone(1)), *frames(2)]
    async with (
        TritonEngine(TritonSettings(repository, drain_seconds=1)) as triton,
        orchestrator.registration(triton, OrchestratorSettings(), metrics) as behind,
        Server(ServerSettings(drain_grace_seconds=0.5), [behind], metrics) as server,
    ):
        by_ensemble = await cast(server.address, sent)
        by_models = await cast(server.address, [*opening(observed_frames=4), *mixed])
    check(by_ensemble, {index: registered(index) for index in (0, 1, 2, 4, 5)})
    check(by_models, {0: registered(0), 1: alone(1), 2: registered(2)})
