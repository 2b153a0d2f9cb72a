"""grpc.health.v1: Check and Watch, for the whole server ("") and for each of its services."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing

import grpc
from grpc_health.v1 import health_pb2_grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from motioncast.serving.call import Context
from motioncast.serving.readiness import Readiness, Watched

SERVICE_NAME = "grpc.health.v1.Health"


class HealthServicer(health_pb2_grpc.HealthServicer):
    """Answers from the services' readiness.

    The library's own servicer loses watchers when two watch one service, and its watches block the
    server's shutdown; these report NOT_SERVING and end when draining begins. All watches of a
    service share one readiness check.
    """

    def __init__(self, readiness: Readiness, poll_seconds: float) -> None:
        self._readiness = readiness
        self._poll_seconds = poll_seconds
        self._watched: dict[str, Watched] = {}  # by service, only those being watched

    async def Check(self, request: HealthCheckRequest, context: Context) -> HealthCheckResponse:
        if not self._readiness.knows(request.service):
            await context.abort(
                grpc.StatusCode.NOT_FOUND, f"service: {request.service[:100]} is not served here"
            )
        return HealthCheckResponse(status=_status(await self._readiness.of(request.service)))

    async def Watch(
        self, request: HealthCheckRequest, context: Context
    ) -> AsyncIterator[HealthCheckResponse]:
        service = request.service
        if not self._readiness.knows(service):
            yield HealthCheckResponse(status=HealthCheckResponse.SERVICE_UNKNOWN)
            await self._readiness.draining.wait()
            return
        if service not in self._watched:
            self._watched[service] = Watched(self._readiness, service, self._poll_seconds)
        async with aclosing(self._watched[service].changes()) as changes:
            async for ready in changes:
                yield HealthCheckResponse(status=_status(ready))


def _status(ready: bool) -> int:
    return HealthCheckResponse.SERVING if ready else HealthCheckResponse.NOT_SERVING
