"""grpc.health.v1: Check and Watch, for the whole server ("") and for each of its services."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc
from grpc_health.v1 import health_pb2_grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from motioncast.serving.call import Context
from motioncast.serving.readiness import Readiness

SERVICE_NAME = "grpc.health.v1.Health"


class HealthServicer(health_pb2_grpc.HealthServicer):
    """Answers from the services' readiness.

    The library's own servicer loses watchers when two watch one service, and its watches hold
    the stop of the server; these tell NOT_SERVING and end when draining begins.
    """

    def __init__(self, readiness: Readiness, poll_seconds: float) -> None:
        self._readiness = readiness
        self._poll_seconds = poll_seconds

    async def Check(self, request: HealthCheckRequest, context: Context) -> HealthCheckResponse:
        if not self._readiness.knows(request.service):
            await context.abort(
                grpc.StatusCode.NOT_FOUND, f"service: {request.service} is not served here"
            )
        return HealthCheckResponse(status=await self._status(request.service))

    async def Watch(
        self, request: HealthCheckRequest, context: Context
    ) -> AsyncIterator[HealthCheckResponse]:
        told = None
        while True:
            draining = self._readiness.draining.is_set()
            status = await self._status(request.service)
            if status != told:
                yield HealthCheckResponse(status=status)
                told = status
            if draining:
                return
            await self._wait()

    async def _status(self, service: str) -> int:
        if not self._readiness.knows(service):
            return HealthCheckResponse.SERVICE_UNKNOWN
        if await self._readiness.of(service):
            return HealthCheckResponse.SERVING
        return HealthCheckResponse.NOT_SERVING

    async def _wait(self) -> None:
        """Returns when draining begins, or when it is time to look again."""
        try:
            async with asyncio.timeout(self._poll_seconds):
                await self._readiness.draining.wait()
        except TimeoutError:
            return
