"""The four services in one process: each has its own port, all stop together."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2_grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from support.http import get
from support.raw_sessions import cast, config, frame, source
from support.toy_ensembles import build_joined_repository
from support.toy_models import build_toy_repository, image_with_points

from motioncast.local import LocalServices, LocalSettings, Ports
from motioncast.wire.errors import InvalidInputError, UnavailableError, UnknownModelError

IMAGE = np.full((16, 16, 3), 100, np.uint8)
WITH_HTTP = Ports(grpc=0, http=0)


async def test_every_service_answers_health_at_its_own_address(toy_repository: Path) -> None:
    async with LocalServices(LocalSettings(repository=toy_repository)) as local:
        assert len({server.port for server in local.servers.values()}) == 4
        for server in local.servers.values():
            async with grpc.aio.insecure_channel(server.address) as channel:
                stub: Any = health_pb2_grpc.HealthStub(channel)  # the stubs lack attributes
                response = await stub.Check(HealthCheckRequest(), timeout=10)
            assert response.status == HealthCheckResponse.SERVING


async def test_a_stream_goes_through_all_four(toy_repository: Path) -> None:
    settings = LocalSettings(
        repository=toy_repository,
        orchestrator_ports=WITH_HTTP,
        keypoint_ports=WITH_HTTP,
        predictor_ports=WITH_HTTP,
        synthesis_ports=WITH_HTTP,
    )
    async with LocalServices(settings) as local:
        requests = [config(predicted_frames=1), source(IMAGE), frame(0, IMAGE)]
        assert (await cast(local.target, requests)).origins == "OP"
        for name, server in local.servers.items():
            page = (await get(server, "/metrics")).body.decode()
            line = 'motioncast_frames_total{origin="predicted"} 1.0'
            assert (line in page) == (name == "orchestrator")
            assert (f'motioncast_inference_seconds_count{{model="toy_{name}"}}' in page) == (
                name != "orchestrator"
            )


async def test_two_stacks_live_side_by_side(toy_repository: Path) -> None:
    settings = LocalSettings(repository=toy_repository)
    async with LocalServices(settings) as one, LocalServices(settings) as other:
        requests = [config(), source(IMAGE), frame(0, IMAGE)]
        sessions = await asyncio.gather(cast(one.target, requests), cast(other.target, requests))
    assert [session.origins for session in sessions] == ["O", "O"]


async def test_the_default_model_is_the_one_named(tmp_path: Path) -> None:
    build_toy_repository(tmp_path, "first")
    build_toy_repository(tmp_path, "second")
    async with LocalServices(LocalSettings(repository=tmp_path, default_model="second")) as local:
        session = await cast(local.target, [config(), source(IMAGE)])
        assert session.config.model == "second"
        session = await cast(local.target, [config(model="first"), source(IMAGE)])
        assert session.config.model == "first"


async def test_what_cannot_start_says_why_and_leaves_nothing_behind(
    toy_repository: Path, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInputError, match="repository"):
        await LocalServices(LocalSettings(repository=tmp_path)).__aenter__()
    with pytest.raises(UnknownModelError, match="lite129"):
        await LocalServices(
            LocalSettings(repository=toy_repository, default_model="lite129")
        ).__aenter__()
    async with LocalServices(LocalSettings(repository=toy_repository)) as running:
        taken = Ports(grpc=running.servers["synthesis"].port)
        settings = LocalSettings(repository=toy_repository, orchestrator_ports=taken)
        half_started = LocalServices(settings)
        with pytest.raises(UnavailableError, match=f"{taken.grpc}"):
            await half_started.__aenter__()
        for server in half_started.servers.values():
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", server.port)


async def test_ensembles_run_on_the_stacks_own_model_server(tmp_path: Path) -> None:
    settings = LocalSettings(repository=build_joined_repository(tmp_path), pipeline="ensemble")
    moving = [frame(index, image_with_points((2 + index, 3), (9, 9))) for index in (0, 1, 4, 5)]
    requests = [config(observed_frames=2, predicted_frames=2), source(IMAGE), *moving]
    async with LocalServices(settings) as local:
        session = await cast(local.target, requests)
        registry = local.servers["models"].metrics.registry
    assert session.origins == "OOPPOOPP"
    red = [one.keypoints.x[0] for one in session.frames[:4]]
    assert red == pytest.approx([2 * column / 15 - 1 for column in (2, 3, 4, 5)])
    runs = registry.get_sample_value(
        "motioncast_inference_seconds_count", {"model": "toy_motion_transfer"}
    )
    assert runs in (1, 2)  # two groups, processed together if the second arrived in time
