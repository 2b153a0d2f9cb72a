"""A limited number of calls run, a limited number wait, and the rest are told to retry."""

from __future__ import annotations

import asyncio

import grpc
import grpc.aio
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_status import rpc_status
from support.tiny_services import Gate, serving

from motioncast.serving import ServerSettings
from motioncast.v1.keypoint_pb2 import DetectRequest, ListModelsRequest
from motioncast.wire.errors import ExhaustedError
from motioncast.wire.status import decode_error

ONE_RUNS_ONE_WAITS = ServerSettings(max_concurrent_calls=1, max_queued_calls=1)


async def test_a_call_that_finds_the_queue_full_is_told_when_to_come_again() -> None:
    gate = Gate()
    async with serving(detect=gate.detect, settings=ONE_RUNS_ONE_WAITS) as served:
        running = served.keypoints.Detect(DetectRequest(model="running"))
        await served.until(lambda: gate.entered == ["running"])
        waiting = served.keypoints.Detect(DetectRequest(model="waiting"))
        await served.until(lambda: served.metric("motioncast_calls_queued") == 1)
        refused = served.keypoints.Detect(DetectRequest(model="refused"))
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await refused
        error = decode_error(await rpc_status.aio.from_call(refused))
        gate.opened.set()
        await asyncio.gather(running, waiting)
        assert served.metric("motioncast_calls_rejected_total", reason="queue_full") == 1
    assert raised.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert isinstance(error, ExhaustedError)
    assert error.retry_after_seconds == 1
    assert gate.entered == ["running", "waiting"]


async def test_calls_that_wait_come_in_in_the_order_they_came() -> None:
    gate = Gate()
    settings = ServerSettings(max_concurrent_calls=1, max_queued_calls=8)
    async with serving(detect=gate.detect, settings=settings) as served:
        calls = []
        for number in range(5):
            calls.append(served.keypoints.Detect(DetectRequest(model=str(number))))
            await served.until(
                lambda number=number: (  # type: ignore[misc]
                    served.metric("motioncast_calls_in_flight") == 1
                    and served.metric("motioncast_calls_queued") == number
                )
            )
        gate.opened.set()
        await asyncio.gather(*calls)
    assert gate.entered == ["0", "1", "2", "3", "4"]


async def test_no_more_calls_run_at_once_than_allowed_and_all_are_served() -> None:
    gate, most = Gate(), 0
    settings = ServerSettings(max_concurrent_calls=3, max_queued_calls=30)
    async with serving(detect=gate.detect, settings=settings) as served:
        calls = [served.keypoints.Detect(DetectRequest()) for _ in range(20)]
        await served.until(lambda: served.metric("motioncast_calls_queued") == 17)
        most = len(gate.entered)
        gate.opened.set()
        await asyncio.gather(*calls)
        assert served.metric("motioncast_calls_in_flight") == 0
        assert served.metric("motioncast_calls_queued") == 0
    assert most == 3
    assert len(gate.entered) == 20


async def test_a_call_leaves_the_queue_with_its_deadline_and_its_place_is_free_again() -> None:
    gate = Gate()
    async with serving(detect=gate.detect, settings=ONE_RUNS_ONE_WAITS) as served:
        running = served.keypoints.Detect(DetectRequest(model="running"))
        await served.until(lambda: gate.entered == ["running"])
        late = served.keypoints.Detect(DetectRequest(model="late"), timeout=0.05)
        assert await late.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        await served.until(lambda: served.metric("motioncast_calls_queued") == 0)
        next_one = served.keypoints.Detect(DetectRequest(model="next"))
        await served.until(lambda: served.metric("motioncast_calls_queued") == 1)
        gate.opened.set()
        await asyncio.gather(running, next_one)
    assert gate.entered == ["running", "next"]


async def test_a_client_that_leaves_frees_its_place() -> None:
    gate = Gate()
    async with serving(detect=gate.detect, settings=ONE_RUNS_ONE_WAITS) as served:
        running = served.keypoints.Detect(DetectRequest(model="running"))
        await served.until(lambda: gate.entered == ["running"])
        waiting = served.keypoints.Detect(DetectRequest(model="waiting"))
        await served.until(lambda: served.metric("motioncast_calls_queued") == 1)
        running.cancel()
        await served.until(lambda: gate.entered == ["running", "waiting"])
        assert gate.cancelled == ["running"]
        gate.opened.set()
        await waiting
        assert served.metric("motioncast_calls_in_flight") == 0


async def test_health_and_methods_without_cost_are_answered_when_all_places_are_taken() -> None:
    gate = Gate()
    settings = ServerSettings(max_concurrent_calls=1, max_queued_calls=0)
    async with serving(detect=gate.detect, settings=settings) as served:
        running = served.keypoints.Detect(DetectRequest(model="running"))
        await served.until(lambda: gate.entered == ["running"])
        assert await served.keypoints.Detect(DetectRequest()).code() == (
            grpc.StatusCode.RESOURCE_EXHAUSTED
        )
        health = await served.health.Check(HealthCheckRequest())
        await served.keypoints.ListModels(ListModelsRequest())
        gate.opened.set()
        await running
    assert health.status == HealthCheckResponse.SERVING
