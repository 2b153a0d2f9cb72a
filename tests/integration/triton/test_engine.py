"""The engine with an embedded Triton: callers do not notice repaired failures."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
from support.codec_tables import add_tables, plain_tables
from support.toy_configs import build_configured_repository
from support.toy_models import image_with_points, keypoints_of_points
from support.triton_server import skip_without_triton

from motioncast.inference import Catalogue, MeasuredEngine
from motioncast.serving import Metrics
from motioncast.triton import TritonEngine, TritonSettings
from motioncast.triton.stubs import find_stubs
from motioncast.wire.errors import DeadlineError, UnavailableError, UnknownModelError

pytestmark = pytest.mark.asyncio(loop_scope="module")

_POINTS = [((column, 3), (14, column)) for column in range(12)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TritonEngine]:
    skip_without_triton()
    repository = build_configured_repository(tmp_path_factory.mktemp("engine"))
    add_tables(repository, plain_tables(2))
    async with TritonEngine(TritonSettings(repository, drain_seconds=1)) as engine:
        yield engine


async def test_it_serves_the_configurations_of_the_repository(engine: TritonEngine) -> None:
    assert engine.models() == ("toy_keypoint", "toy_predictor", "toy_synthesis")
    default = Catalogue(engine).default
    assert default.name == "toy"
    assert default.codec is not None  # read from the repository, as Triton ignores this file
    assert default.codec.tables.keypoints == 2
    assert await engine.ready()
    await _detect_all(engine)
    with pytest.raises(UnknownModelError, match=r"^model: other is not served by "):
        await engine.infer("other", {})


@pytest.mark.parametrize("victim", ["model", "server"])
async def test_no_run_fails_when_a_process_is_killed(engine: TritonEngine, victim: str) -> None:
    running = asyncio.create_task(_detect_all(engine, times=20))
    await _detect_all(engine)
    pid = _process_of_the_detector(engine) if victim == "model" else engine.triton.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await running
    await _detect_all(engine)
    async with asyncio.timeout(60):
        while not await engine.ready():
            await asyncio.sleep(0.05)


async def test_a_deadline_ends_the_wait_for_a_process_that_hangs(engine: TritonEngine) -> None:
    measured = MeasuredEngine(engine, Metrics().registry)
    images = {"image": image_with_points((1, 1), (2, 2))[None]}
    process = _process_of_the_detector(engine)
    os.kill(process, signal.SIGSTOP)
    try:
        with pytest.raises(DeadlineError, match=r"^deadline: passed while toy_keypoint ran"):
            await measured.infer("toy_keypoint", images, timeout_seconds=0.3)
    finally:
        os.kill(process, signal.SIGCONT)


async def test_an_engine_that_is_not_open_says_so() -> None:
    skip_without_triton()
    with pytest.raises(UnavailableError, match=r"^engine: not open$"):
        await TritonEngine(TritonSettings(Path())).infer("m", {})


async def _detect_all(engine: TritonEngine, times: int = 1) -> None:
    """Runs the detector for many callers, each with its own pictures, and checks the results."""

    async def detect(red: tuple[int, int], green: tuple[int, int]) -> None:
        for _ in range(times):
            image = image_with_points(red, green)
            run = await engine.infer("toy_keypoint", {"image": image[None]})
            expected = keypoints_of_points(red, green)
            np.testing.assert_allclose(run["keypoints"][0], expected, atol=1e-6)

    async with asyncio.timeout(120):
        await asyncio.gather(*(detect(red, green) for red, green in _POINTS))


def _process_of_the_detector(engine: TritonEngine) -> int:
    assert engine.triton.pid is not None
    [pid] = [stub.pid for stub in find_stubs(engine.triton.pid) if stub.model == "toy_keypoint"]
    return pid
