"""Services behind the orchestrator are down, slow or restarting."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from grpc import StatusCode
from support.endless_models import build_endless_repository
from support.raw_sessions import Stub, cast, config, frame, packet, source

from motioncast import orchestrator
from motioncast.local import LocalServices, LocalSettings
from motioncast.orchestrator import OrchestratorSettings, ServiceAddresses
from motioncast.serving import Context, Metrics, Registration, Server, ServerSettings
from motioncast.v1.common_pb2 import FRAMING_MODE_OFF, KeypointSet, ModelInfo
from motioncast.v1.keypoint_pb2 import (
    DetectRequest,
    DetectResponse,
    FindFacesRequest,
    FindFacesResponse,
    ListModelsRequest,
    ListModelsResponse,
    ReadCodecTablesRequest,
    ReadCodecTablesResponse,
)
from motioncast.v1.keypoint_pb2_grpc import (
    KeypointServiceServicer,
    add_KeypointServiceServicer_to_server,
)
from motioncast.v1.motion_transfer_pb2 import GetServerInfoRequest
from motioncast.wire.errors import ExhaustedError, InvalidInputError, UnavailableError

IMAGE = np.full((16, 16, 3), 100, np.uint8)
POINTS = np.array([[0.0, 0.0, 0.5], [0.5, 0.5, 0.5]], dtype=np.float32)
HALF_SENT = [config(predicted_frames=1), source(IMAGE), frame(0, IMAGE)]


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address without a listener, reserved for the duration of the test."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


@asynccontextmanager
async def orchestrate(
    addresses: ServiceAddresses, settings: OrchestratorSettings | None = None
) -> AsyncIterator[tuple[str, Registration]]:
    """Serves an orchestrator with backends at these addresses."""
    metrics = Metrics()
    async with (
        orchestrator.registration(
            addresses, settings or OrchestratorSettings(), metrics
        ) as registered,
        Server(ServerSettings(drain_grace_seconds=0.5), [registered], metrics) as server,
    ):
        yield server.address, registered


@pytest.mark.parametrize("service", ["keypoint", "predictor", "synthesis"])
async def test_a_service_that_is_down_is_named(
    local: LocalServices, nobody: str, service: str
) -> None:
    down: dict[str, Any] = {service: nobody}
    addresses = replace(local.addresses, **down)
    async with orchestrate(addresses) as (target, registered):
        assert not await registered.ready()
        with pytest.raises(grpc.RpcError) as failed:
            await cast(target, HALF_SENT)
    assert failed.value.code() is StatusCode.UNAVAILABLE
    assert failed.value.details() == f"the {service} service at {nobody} does not answer"


async def test_a_session_that_needs_no_forecast_needs_no_predictor(
    local: LocalServices, nobody: str
) -> None:
    async with orchestrate(replace(local.addresses, predictor=nobody)) as (target, _):
        session = await cast(target, [config(), source(IMAGE), frame(0, IMAGE), frame(1, IMAGE)])
    assert session.origins == "OO"


async def test_ready_when_all_three_are(local: LocalServices) -> None:
    async with orchestrate(local.addresses) as (_, registered):
        assert await registered.ready()


async def test_a_service_that_does_not_answer_in_time_is_named(tmp_path: Path) -> None:
    repository = build_endless_repository(tmp_path)
    settings = OrchestratorSettings(call_timeout_seconds=0.2)
    async with (
        LocalServices(LocalSettings(repository=repository)) as local,
        orchestrate(local.addresses, settings) as (target, _),
    ):
        with pytest.raises(grpc.RpcError, match=r"did not answer within 0\.2 s") as failed:
            await cast(target, [config(), source(IMAGE)])
    assert failed.value.code() is StatusCode.UNAVAILABLE


class Moody(KeypointServiceServicer):
    """Raises one of the given errors at each Detect, then places every keypoint in the middle."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = list(errors)
        self.calls = 0

    async def Detect(self, request: DetectRequest, context: Context) -> DetectResponse:
        self.calls += 1
        if self._errors:
            raise self._errors.pop(0)
        middle = KeypointSet(x=[0, 0], y=[0, 0], intensity=[1, 1])
        return DetectResponse(keypoints=[middle] * len(request.images))

    async def FindFaces(self, request: FindFacesRequest, context: Context) -> FindFacesResponse:
        return FindFacesResponse()

    async def ListModels(self, request: ListModelsRequest, context: Context) -> ListModelsResponse:
        return ListModelsResponse(models=[ModelInfo(name="toy", height=16, width=16, keypoints=2)])

    async def ReadCodecTables(
        self, request: ReadCodecTablesRequest, context: Context
    ) -> ReadCodecTablesResponse:
        return ReadCodecTablesResponse()


@asynccontextmanager
async def detect_with(
    local: LocalServices,
    servicer: Moody,
    server_settings: ServerSettings | None = None,
    settings: OrchestratorSettings | None = None,
) -> AsyncIterator[str]:
    """Serves an orchestrator with a different keypoint service."""
    registered = Registration(
        "motioncast.v1.KeypointService", partial(add_KeypointServiceServicer_to_server, servicer)
    )
    async with (
        Server(server_settings or ServerSettings(), [registered]) as server,
        orchestrate(replace(local.addresses, keypoint=server.address), settings) as (target, _),
    ):
        yield target


async def test_a_call_is_tried_again_while_a_service_restarts(local: LocalServices) -> None:
    moody = Moody(UnavailableError("restarting"), UnavailableError("restarting"))
    async with detect_with(local, moody) as target:
        session = await cast(target, [config(), source(IMAGE), packet(0, POINTS)])
    assert session.origins == "O"
    assert moody.calls == 3


async def test_a_frame_of_a_session_waits_for_room_at_a_service(local: LocalServices) -> None:
    full = ExhaustedError("server: full", retry_after_seconds=1)
    moody = Moody(full, full, full)
    async with detect_with(local, moody) as target:
        session = await cast(target, [config(), source(IMAGE), packet(0, POINTS)])
    assert session.origins == "O"
    assert moody.calls == 4


async def test_no_session_is_refused_by_a_service_that_takes_one_call(local: LocalServices) -> None:
    one = ServerSettings(max_concurrent_calls=1, max_queued_calls=0)
    async with detect_with(local, Moody(), one) as target:
        requests = [config(), source(IMAGE), *(frame(t, IMAGE) for t in range(5))]
        sessions = await asyncio.gather(*(cast(target, requests) for _ in range(8)))
    assert [session.origins for session in sessions] == ["OOOOO"] * 8


async def test_a_session_waits_for_room_until_its_time_is_over(local: LocalServices) -> None:
    full = ExhaustedError("server: full", retry_after_seconds=1)
    async with detect_with(
        local, Moody(*[full] * 1000), settings=OrchestratorSettings(call_timeout_seconds=2)
    ) as target:
        with pytest.raises(grpc.RpcError, match="is full: server: full") as failed:
            await cast(target, [config(), source(IMAGE)])
    assert failed.value.code() is StatusCode.UNAVAILABLE


async def test_a_message_too_large_for_a_service_is_not_sent_again(local: LocalServices) -> None:
    moody = Moody(ExhaustedError("message: too large"))
    async with detect_with(local, moody) as target:
        with pytest.raises(grpc.RpcError, match="refused: message: too large"):
            await cast(target, [config(), source(IMAGE)])
    assert moody.calls == 1


async def test_a_refusal_of_a_service_is_passed_on_with_its_name(local: LocalServices) -> None:
    async with detect_with(local, Moody(InvalidInputError.of("images[0]", "too dark"))) as target:
        with pytest.raises(grpc.RpcError, match=r"refused: images\[0\]: too dark") as failed:
            await cast(target, [config(), source(IMAGE)])
    assert failed.value.code() is StatusCode.INVALID_ARGUMENT
    assert "the keypoint service at 127.0.0.1:" in (failed.value.details() or "")


async def test_what_nobody_foresaw_stays_in_the_log(local: LocalServices) -> None:
    async with detect_with(local, Moody(ZeroDivisionError("secret"))) as target:
        with pytest.raises(grpc.RpcError) as failed:
            await cast(target, [config(), source(IMAGE)])
    assert failed.value.code() is StatusCode.INTERNAL
    assert failed.value.details() == "internal error"


async def test_the_server_tells_what_it_serves(stub: Stub) -> None:
    info = await stub.GetServerInfo(GetServerInfoRequest(), timeout=60)
    model = ModelInfo(name="toy", height=16, width=16, keypoints=2, framing=FRAMING_MODE_OFF)
    assert list(info.models) == [model]
    assert info.max_group_frames == 256
    assert info.max_message_bytes == 8 * 1024 * 1024
    assert info.max_sessions == OrchestratorSettings().max_sessions
    assert info.version
