"""A stopping server refuses new calls and lets running ones finish within its grace period."""

from __future__ import annotations

import asyncio
import os
import signal

import grpc
import grpc.aio
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from support.http import get
from support.tiny_services import Gate, serving

from motioncast.serving import Server, ServerSettings, wait_for_signal
from motioncast.v1.keypoint_pb2 import DetectRequest
from motioncast.wire.errors import UnavailableError

PATIENT = ServerSettings(
    http_port=0, drain_grace_seconds=600, max_concurrent_calls=1, max_queued_calls=1
)


async def test_while_draining_running_calls_end_and_everything_else_is_told_to_go() -> None:
    gate = Gate()
    async with serving(detect=gate.detect, settings=PATIENT) as served:
        running = served.keypoints.Detect(DetectRequest(model="running"))
        await served.until(lambda: gate.entered == ["running"])
        waiting = served.keypoints.Detect(DetectRequest(model="waiting"))
        await served.until(lambda: served.metric("motioncast_calls_queued") == 1)

        drain = asyncio.create_task(served.server.drain())
        assert await waiting.code() == grpc.StatusCode.UNAVAILABLE
        new = served.keypoints.Detect(DetectRequest(model="new"))
        assert await new.code() == grpc.StatusCode.UNAVAILABLE
        assert await new.details() == "server: shutting down; another replica may answer"
        health = await served.health.Check(HealthCheckRequest())
        ready, live = await get(served.server, "/ready"), await get(served.server, "/live")
        assert served.metric("motioncast_calls_rejected_total", reason="draining") == 2

        gate.opened.set()
        assert (await running).inference_ms == 1
        async with asyncio.timeout(10):
            await drain
    assert health.status == HealthCheckResponse.NOT_SERVING
    assert (ready.status, live.status) == (503, 200)
    assert gate.entered == ["running"]


async def test_what_still_runs_after_the_grace_is_cancelled() -> None:
    gate = Gate()
    async with serving(
        detect=gate.detect, settings=ServerSettings(drain_grace_seconds=0.05)
    ) as served:
        running = served.keypoints.Detect(DetectRequest(model="running"))
        await served.until(lambda: gate.entered == ["running"])
        await served.server.drain()
        assert await running.code() in (grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE)
    assert gate.cancelled == ["running"]


async def test_an_idle_server_drains_at_once() -> None:
    async with asyncio.timeout(10):
        async with serving(settings=PATIENT):
            pass


async def test_a_drained_server_answers_no_more() -> None:
    async with serving() as served:
        await served.server.drain()
        code = await served.keypoints.Detect(DetectRequest()).code()
    assert code == grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_wait_for_termination(number: signal.Signals) -> None:
    async with serving() as served, asyncio.timeout(10):
        asyncio.get_running_loop().call_soon(os.kill, os.getpid(), number)
        await served.server.wait_for_termination()


async def test_after_the_first_signal_a_second_acts_as_ever() -> None:
    before = signal.getsignal(signal.SIGTERM)
    async with asyncio.timeout(10):
        asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGTERM)
        assert await wait_for_signal() == signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) == before


async def test_a_port_that_is_taken_is_told_by_its_name() -> None:
    async with serving() as served:
        for settings, field in (
            (ServerSettings(port=served.server.port), "port"),
            (ServerSettings(http_port=served.server.http_port), "http_port"),
        ):
            with pytest.raises(UnavailableError, match=rf"^{field}: cannot listen on 127.0.0.1:"):
                async with Server(settings, []):
                    pass
