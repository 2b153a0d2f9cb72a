"""A real server with tiny services that implement the real API with functions from a test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import grpc.aio
from grpc_health.v1 import health_pb2_grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest

from motioncast.serving import Context, Registration, Server, ServerSettings
from motioncast.v1 import (
    keypoint_pb2,
    keypoint_pb2_grpc,
    motion_transfer_pb2,
    motion_transfer_pb2_grpc,
)
from motioncast.v1.keypoint_pb2 import DetectRequest, DetectResponse
from motioncast.v1.motion_transfer_pb2 import StreamRequest, StreamResponse

KEYPOINT_SERVICE: Final = "motioncast.v1.KeypointService"
MOTION_SERVICE: Final = "motioncast.v1.MotionTransferService"

Detect = Callable[[DetectRequest, Context], Awaitable[DetectResponse]]
Stream = Callable[[AsyncIterator[StreamRequest], Context], AsyncIterator[StreamResponse]]
Ready = Callable[[], Awaitable[bool]]


async def ready() -> bool:
    return True


async def echo_model(request: DetectRequest, context: Context) -> DetectResponse:
    """Returns the length of the model's name as the inference time."""
    return DetectResponse(inference_ms=len(request.model))


async def echo_stream(
    requests: AsyncIterator[StreamRequest], context: Context
) -> AsyncIterator[StreamResponse]:
    """Returns every configuration received."""
    async for request in requests:
        yield StreamResponse(config=request.config)


@dataclass(frozen=True, slots=True)
class Served:
    """A running server with client stubs."""

    server: Server
    channel: grpc.aio.Channel
    keypoints: keypoint_pb2_grpc.KeypointServiceAsyncStub
    motion: Any  # streaming stubs lack the type of read()
    health: Any

    def metric(self, name: str, **labels: str) -> float | None:
        """Returns the value of a sample; None when there is none."""
        return self.server.metrics.registry.get_sample_value(name, labels)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Makes no-op calls until the condition holds; fails after a minute."""
        async with asyncio.timeout(60):
            while not condition():
                await self.health.Check(HealthCheckRequest())


@asynccontextmanager
async def serving(
    *,
    detect: Detect = echo_model,
    stream: Stream = echo_stream,
    settings: ServerSettings | None = None,
    keypoint_ready: Ready = ready,
    registrations: tuple[Registration, ...] = (),
) -> AsyncIterator[Served]:
    """Serves a KeypointService and a MotionTransferService implemented by the given functions."""
    both = (
        Registration(
            name=KEYPOINT_SERVICE,
            add=partial(
                keypoint_pb2_grpc.add_KeypointServiceServicer_to_server, _Keypoints(detect)
            ),
            ready=keypoint_ready,
            unlimited_methods=frozenset({"ListModels"}),
        ),
        Registration(
            name=MOTION_SERVICE,
            add=partial(
                motion_transfer_pb2_grpc.add_MotionTransferServiceServicer_to_server,
                _Motion(stream),
            ),
        ),
    )
    settings = settings or ServerSettings(http_port=0)
    async with (
        Server(settings, (*both, *registrations)) as server,
        grpc.aio.insecure_channel(
            server.address, options=[("grpc.max_receive_message_length", -1)]
        ) as channel,
    ):
        yield Served(
            server=server,
            channel=channel,
            keypoints=keypoint_pb2_grpc.KeypointServiceStub(channel),
            motion=motion_transfer_pb2_grpc.MotionTransferServiceStub(channel),
            health=health_pb2_grpc.HealthStub(channel),
        )


class _Keypoints(keypoint_pb2_grpc.KeypointServiceServicer):
    def __init__(self, detect: Detect) -> None:
        self._detect = detect

    async def Detect(self, request: DetectRequest, context: Context) -> DetectResponse:
        return await self._detect(request, context)

    async def FindFaces(
        self, request: keypoint_pb2.FindFacesRequest, context: Context
    ) -> keypoint_pb2.FindFacesResponse:
        return keypoint_pb2.FindFacesResponse()

    async def ListModels(
        self, request: keypoint_pb2.ListModelsRequest, context: Context
    ) -> keypoint_pb2.ListModelsResponse:
        return keypoint_pb2.ListModelsResponse()

    async def ReadCodecTables(
        self, request: keypoint_pb2.ReadCodecTablesRequest, context: Context
    ) -> keypoint_pb2.ReadCodecTablesResponse:
        return keypoint_pb2.ReadCodecTablesResponse()


class _Motion(motion_transfer_pb2_grpc.MotionTransferServiceServicer):
    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    async def Stream(
        self, request_iterator: AsyncIterator[StreamRequest], context: Context
    ) -> AsyncIterator[StreamResponse]:
        async for response in self._stream(request_iterator, context):
            yield response

    async def GetServerInfo(
        self, request: motion_transfer_pb2.GetServerInfoRequest, context: Context
    ) -> motion_transfer_pb2.GetServerInfoResponse:
        return motion_transfer_pb2.GetServerInfoResponse()

    async def GetCodecTables(
        self, request: motion_transfer_pb2.GetCodecTablesRequest, context: Context
    ) -> motion_transfer_pb2.GetCodecTablesResponse:
        return motion_transfer_pb2.GetCodecTablesResponse()


class Gate:
    """A servicer method that blocks every call until the gate is opened.

    Attributes:
        entered: Models named by incoming calls, in order.
        cancelled: Models named by cancelled calls.
    """

    def __init__(self) -> None:
        self.entered: list[str] = []
        self.cancelled: list[str] = []
        self.opened = asyncio.Event()

    async def detect(self, request: DetectRequest, context: Context) -> DetectResponse:
        self.entered.append(request.model)
        try:
            await self.opened.wait()
        except asyncio.CancelledError:
            self.cancelled.append(request.model)
            raise
        return DetectResponse(inference_ms=1)
