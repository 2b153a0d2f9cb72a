"""The engine waits for an absent, restarting or full KServe v2 server according to its settings."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import grpc
import numpy as np
import pytest
from support.endless_models import build_endless_repository
from support.kserve_server import serving_kserve
from support.scripted_server import failing, serving_script
from support.toy_models import image_with_points, keypoints_of_points

from motioncast.inference import MeasuredEngine
from motioncast.inference.kserve import KServeEngine, KServeSettings
from motioncast.serving import Metrics, ServerSettings
from motioncast.wire.errors import (
    DeadlineError,
    UnavailableError,
)

IMAGE = {"image": image_with_points((3, 4), (5, 6))[np.newaxis]}
X = {"x": np.array([1, 2, 3], np.float32)}
NOWHERE = "127.0.0.1:1"  # a port without a listener


async def test_no_server_is_told_with_its_address() -> None:
    sentence = rf"^the model server at {NOWHERE} does not answer$"
    with pytest.raises(UnavailableError, match=sentence) as raised:
        async with KServeEngine(KServeSettings(NOWHERE, connect_seconds=0)):
            pass
    assert raised.value.retry_after_seconds == 1


async def test_a_server_that_starts_later_is_waited_for(toy_repository: Path) -> None:
    async with serving_kserve(toy_repository) as served:
        port = served.server.port
    engine = KServeEngine(KServeSettings(f"127.0.0.1:{port}", connect_seconds=30))
    connecting = asyncio.ensure_future(engine.__aenter__())
    await asyncio.sleep(0)
    async with serving_kserve(toy_repository, ServerSettings(port=port)):
        assert await (await connecting).ready()
        await engine.__aexit__(None, None, None)


async def test_a_run_while_the_server_restarts_is_tried_again(toy_repository: Path) -> None:
    async with AsyncExitStack() as exits:
        async with serving_kserve(toy_repository) as first:
            port = first.server.port
            settings = KServeSettings(first.server.address, retry_seconds=30)
            engine = await exits.enter_async_context(KServeEngine(settings))
        assert not await engine.ready()
        run = asyncio.ensure_future(engine.infer("toy_keypoint", IMAGE))
        await asyncio.sleep(0)
        await exits.enter_async_context(serving_kserve(toy_repository, ServerSettings(port=port)))
        expected = keypoints_of_points((3, 4), (5, 6))
        np.testing.assert_allclose((await run)["keypoints"][0], expected, atol=1e-6)


async def test_a_run_that_finds_no_room_waits_until_there_is_some(tmp_path: Path) -> None:
    settings = ServerSettings(max_concurrent_calls=1, max_queued_calls=0)
    inputs = {
        "keypoints": np.zeros((1, 1, 2, 3), np.float32),
        "observed": np.ones((1, 1), np.float32),
        "noise": np.zeros((1, 1, 2), np.float32),
        "state": np.zeros((1, 13), np.float32),
    }
    async with (
        asyncio.timeout(60),
        serving_kserve(build_endless_repository(tmp_path), settings) as served,
        KServeEngine(KServeSettings(served.server.address, retry_seconds=60)) as engine,
    ):
        value = served.server.metrics.registry.get_sample_value
        endless = asyncio.ensure_future(engine.infer("toy_keypoint", IMAGE))
        while not value("motioncast_calls_in_flight"):
            await engine.ready()
        waiting = asyncio.ensure_future(engine.infer("toy_predictor", inputs))
        while not value("motioncast_calls_rejected_total", {"reason": "queue_full"}):
            await engine.ready()
        assert not waiting.done()
        endless.cancel()
        assert (await waiting)["forecast"].shape == (1, 1, 2, 3)


async def test_a_run_without_a_server_ends_in_unavailable_or_at_its_deadline(
    toy_repository: Path,
) -> None:
    async with AsyncExitStack() as exits:
        async with serving_kserve(toy_repository) as served:
            address = served.server.address
            impatient, patient = [
                await exits.enter_async_context(
                    KServeEngine(KServeSettings(address, retry_seconds=seconds))
                )
                for seconds in (0, 60)
            ]
        sentence = rf"^the model server at {address} does not answer or cannot run toy_keypoint "
        with pytest.raises(UnavailableError, match=sentence):
            await impatient.infer("toy_keypoint", IMAGE)
        measured = MeasuredEngine(patient, Metrics().registry)
        with pytest.raises(DeadlineError):
            await measured.infer("toy_keypoint", IMAGE, timeout_seconds=0.2)


@pytest.mark.parametrize(
    ("code", "details"),
    [
        (grpc.StatusCode.UNAVAILABLE, "Exceeds maximum queue size"),
        (grpc.StatusCode.INTERNAL, "Stub process 'echo_0_0' is not healthy."),
        (grpc.StatusCode.NOT_FOUND, "Request for unknown model: 'echo' is not found"),
        (
            grpc.StatusCode.NOT_FOUND,
            "Request for unknown model: 'echo' has no available versions",
        ),
    ],
)
async def test_a_server_that_cannot_run_a_model_for_a_while_is_asked_again(
    code: grpc.StatusCode, details: str
) -> None:
    async with (
        serving_script(failing(code, details, times=3)) as address,
        KServeEngine(KServeSettings(address)) as engine,
    ):
        run = await engine.infer("echo", X)
        np.testing.assert_array_equal(run["y"], X["x"])
        assert run.seconds > 0
