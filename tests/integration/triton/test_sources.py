"""Sessions with two to four sources on the real Triton match those of the in-process engine.

Tests ensembles, with one call per group, and the three services with their models on Triton.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
from numpy.typing import NDArray
from support.raw_sessions import Session, cast, config, frame, packet, source
from support.toy_sources import build_telling_repository, source_image
from support.triton_server import skip_without_triton

from motioncast import orchestrator
from motioncast.client.video import read_video
from motioncast.inference import Engine, OnnxRuntimeEngine, default_repository
from motioncast.local import LocalServices, LocalSettings
from motioncast.orchestrator import OrchestratorSettings
from motioncast.serving import Metrics, Server, ServerSettings
from motioncast.triton import TritonEngine, TritonSettings
from motioncast.v1.motion_transfer_pb2 import StreamRequest

pytestmark = pytest.mark.asyncio(loop_scope="module")

BLUE = (10, 80, 150, 220)  # of each source, and so of its frames
CORNERS = np.array([(-0.5, -0.5), (0.5, 0.5), (0.5, -0.5), (-0.5, 0.5)], np.float32)
BETWEEN = np.array([(-0.2, 0), (0.2, 0)], np.float32)  # offsets of a source's two keypoints
STAY = 8  # frames at each corner
PATTERN = (3, 2)  # observed, predicted
LIMITS = OrchestratorSettings(call_timeout_seconds=60)


def at(corner: int) -> NDArray[np.float32]:
    """Returns the keypoints (2, 3) of a source: two points around a corner."""
    return np.concatenate([CORNERS[corner] + BETWEEN, np.full((2, 1), 0.5, np.float32)], axis=1)


def sources(count: int) -> list[StreamRequest]:
    messages = [source(source_image(BLUE[n]), at(n)) for n in range(count)]
    for index, message in enumerate(messages):
        message.source.index = index
    return messages


def telling(count: int) -> list[StreamRequest]:
    """Returns a session that moves from corner to corner; the last source is added on the way."""
    observed, predicted = PATTERN
    length = observed + predicted
    sent = [
        packet(t, at(t // STAY % count))
        for t in range(2 * STAY * count // length * length)
        if t % length < observed
    ]
    opening = config(observed_frames=observed, predicted_frames=predicted, seed=3)
    given = sources(count)
    return [opening, *given[:-1], *sent[:observed], given[-1], *sent[observed:]]


@asynccontextmanager
async def by_ensembles(engine: Engine) -> AsyncIterator[str]:
    metrics = Metrics()
    async with (
        orchestrator.registration(engine, LIMITS, metrics) as registered,
        Server(ServerSettings(drain_grace_seconds=0.5), [registered], metrics) as server,
    ):
        yield server.address


@asynccontextmanager
async def by_services(engine: Engine) -> AsyncIterator[str]:
    settings = LocalSettings(drain_grace_seconds=0.5, orchestrator=LIMITS)
    async with LocalServices(settings, engine) as local:
        yield local.target


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engines(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[tuple[TritonEngine, OnnxRuntimeEngine]]:
    """Engines with lite128 and toy models that show their source, on Triton and in-process."""
    skip_without_triton()
    repository = build_telling_repository(tmp_path_factory.mktemp("models"))
    for folder in default_repository().glob("lite128_*"):
        shutil.copytree(folder, repository / folder.name)
    async with (
        TritonEngine(TritonSettings(repository, drain_seconds=1)) as on_triton,
        OnnxRuntimeEngine(repository) as in_process,
    ):
        assert on_triton.triton.broken == {}
        yield on_triton, in_process


def told(session: Session) -> list[tuple[int, int, bytes, bytes]]:
    """Returns index, source, keypoints and image of every frame."""
    return [
        (
            one.index,
            one.source_index,
            one.keypoints.SerializeToString(deterministic=True),
            image.tobytes(),
        )
        for one, image in zip(session.frames, session.images(), strict=True)
    ]


@pytest.mark.parametrize("count", [2, 3, 4])
@pytest.mark.parametrize("behind", [by_ensembles, by_services])
async def test_every_frame_is_made_from_the_same_source_and_has_the_same_bits(
    engines: tuple[TritonEngine, OnnxRuntimeEngine], behind: object, count: int
) -> None:
    assert callable(behind)
    sessions = []
    for engine in engines:
        async with behind(engine) as target:
            opening, *rest = telling(count)
            opening.config.model = "toy"
            sessions.append(await cast(target, [opening, *rest]))
    on_triton, in_process = sessions
    assert told(on_triton) == told(in_process)
    assert {one.source_index for one in on_triton.frames} == set(range(count))
    blues = [image[0, 0, 2] for image in on_triton.images()]
    assert blues == [BLUE[one.source_index] for one in on_triton.frames]


async def test_a_shipped_model_chooses_the_same_and_differs_by_one_grey_level_at_most(
    engines: tuple[TritonEngine, OnnxRuntimeEngine],
) -> None:
    clip = Path(str(resources.files("motioncast.cli").joinpath("assets/grid_sbwu5s.mp4")))
    with read_video(clip, 128, limit=40) as video:
        shown = list(video.frames)
    given = [source(shown[t]) for t in (0, 13, 26, 39)]
    for index, message in enumerate(given):
        message.source.index = index
    sent = [frame(t, shown[t]) for t in range(40) if t % 5 < 3]
    opening = config(model="lite128", observed_frames=3, predicted_frames=2)
    sessions = []
    for engine in engines:
        async with by_ensembles(engine) as target:
            sessions.append(await cast(target, [opening, *given, *sent]))
    on_triton, in_process = sessions
    used = [one.source_index for one in on_triton.frames]
    assert used == [one.source_index for one in in_process.frames]
    assert len(set(used)) > 1
    difference = np.abs(
        np.stack([*on_triton.images()]).astype(int) - np.stack([*in_process.images()])
    )
    assert difference.max() <= 1  # summation order differs between threads
    assert np.mean(difference > 0) <= 0.002
