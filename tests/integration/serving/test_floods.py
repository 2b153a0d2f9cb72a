"""A server stops reading from flooding clients and keeps answering others."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import grpc.aio
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from support.raw_http2 import PING, RawHttp2, frame

from motioncast.serving import Registration, Server, ServerSettings

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux's sockets")

PINGS = frame(PING, 0, 0, bytes(8)) * 1000


def paced() -> Registration:
    """Returns a service without methods that enables the limit on clients' calls."""
    return Registration("nothing", lambda server: None, calls_per_second=100)


def floods(server: Server) -> float:
    return server.metrics.registry.get_sample_value("motioncast_floods_total") or 0.0


async def test_who_floods_is_not_read_from_and_others_are_answered() -> None:
    async with Server(ServerSettings(), [paced()]) as server:
        with RawHttp2(server.address) as client:
            while not floods(server):
                await asyncio.to_thread(client.send, PINGS)
            async with grpc.aio.insecure_channel(server.address) as channel:
                stub: Any = HealthStub(channel)
                answer = await stub.Check(HealthCheckRequest(), timeout=60)
        assert answer.status == HealthCheckResponse.SERVING


async def test_services_that_only_servers_call_are_not_watched() -> None:
    own = Registration("nothing", lambda server: None)
    async with Server(ServerSettings(), [own]) as server:
        assert server._flooding is None
