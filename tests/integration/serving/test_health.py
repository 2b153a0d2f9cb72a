"""grpc.health.v1 reports whether the services could serve a call now."""

from __future__ import annotations

import asyncio

import grpc
import grpc.aio
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from support.tiny_services import KEYPOINT_SERVICE, MOTION_SERVICE, serving

from motioncast.serving import ServerSettings

SERVING = HealthCheckResponse.SERVING
NOT_SERVING = HealthCheckResponse.NOT_SERVING


async def not_ready() -> bool:
    return False


async def failing() -> bool:
    raise OSError("the disk is gone")


async def hanging() -> bool:
    await asyncio.Event().wait()
    return True


@pytest.mark.parametrize("service", ["", KEYPOINT_SERVICE, MOTION_SERVICE])
async def test_a_ready_service_is_serving(service: str) -> None:
    async with serving() as served:
        response = await served.health.Check(HealthCheckRequest(service=service))
    assert response.status == SERVING


@pytest.mark.parametrize("ready", [not_ready, failing, hanging])
async def test_one_service_that_is_not_ready_takes_the_server_with_it_but_not_the_others(
    ready: object,
) -> None:
    settings = ServerSettings(readiness_timeout_seconds=0.01)
    async with serving(keypoint_ready=ready, settings=settings) as served:  # type: ignore[arg-type]
        statuses = {
            service: (await served.health.Check(HealthCheckRequest(service=service))).status
            for service in ("", KEYPOINT_SERVICE, MOTION_SERVICE)
        }
    assert statuses == {"": NOT_SERVING, KEYPOINT_SERVICE: NOT_SERVING, MOTION_SERVICE: SERVING}


async def test_a_service_that_is_not_served_is_not_found() -> None:
    async with serving() as served:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await served.health.Check(HealthCheckRequest(service="nobody"))
    assert raised.value.code() == grpc.StatusCode.NOT_FOUND


async def test_every_watcher_of_a_service_is_told_of_a_change() -> None:
    state = {"ready": True}

    async def ready() -> bool:
        return state["ready"]

    settings = ServerSettings(readiness_poll_seconds=0.01)
    async with serving(keypoint_ready=ready, settings=settings) as served:
        watches = [served.health.Watch(HealthCheckRequest(service=KEYPOINT_SERVICE)) for _ in "12"]
        before = [(await watch.read()).status for watch in watches]
        watches[0].cancel()
        state["ready"] = False
        after = (await watches[1].read()).status
    assert before == [SERVING, SERVING]
    assert after == NOT_SERVING


async def test_a_watch_of_an_unknown_service_tells_so() -> None:
    async with serving() as served:
        watch = served.health.Watch(HealthCheckRequest(service="nobody"))
        response = await watch.read()
    assert response.status == HealthCheckResponse.SERVICE_UNKNOWN


async def test_a_watch_is_told_of_the_drain_and_ends_without_holding_it() -> None:
    settings = ServerSettings(drain_grace_seconds=600, readiness_poll_seconds=600)
    async with serving(settings=settings) as served:
        watch = served.health.Watch(HealthCheckRequest())
        assert (await watch.read()).status == SERVING
        async with asyncio.timeout(10):
            await served.server.drain()
        assert (await watch.read()).status == NOT_SERVING
        assert await watch.read() is grpc.aio.EOF
        assert await watch.code() == grpc.StatusCode.OK
