"""Several replicas of one service behind the orchestrator hang, stop and recover."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import grpc.aio
import pytest
from prometheus_client import CollectorRegistry
from support.tiny_services import serving

from motioncast.replicas.addresses import listed, named, resolved
from motioncast.replicas.judging import SERVICES
from motioncast.replicas.metrics import ReplicaMetrics
from motioncast.replicas.pool import Replicas
from motioncast.serving import Context, Deadline, ServerSettings
from motioncast.v1.keypoint_pb2 import DetectRequest, DetectResponse
from motioncast.v1.keypoint_pb2_grpc import KeypointServiceStub

SLOW_SECONDS = 0.2  # for tests in which a replica hangs
NEVER_SLOW = 600.0  # for tests in which a busy machine must not trigger a retry


class Counted:
    """Answers Detect and counts calls, or hangs while told to."""

    def __init__(self) -> None:
        self.calls = 0
        self.goes_on = asyncio.Event()
        self.goes_on.set()

    async def detect(self, request: DetectRequest, context: Context) -> DetectResponse:
        self.calls += 1
        await self.goes_on.wait()
        return DetectResponse(inference_ms=1)


@asynccontextmanager
async def replicas(
    *addresses: str, slow_seconds: float = NEVER_SLOW
) -> AsyncIterator[tuple[Replicas[grpc.aio.Channel], CollectorRegistry]]:
    registry = CollectorRegistry()
    opened = Replicas(
        "keypoint",
        addresses,
        grpc.aio.insecure_channel,
        SERVICES,
        slow_seconds,
        ReplicaMetrics(registry),
    )
    try:
        yield opened, registry
    finally:
        await opened.close()


async def detect(of: Replicas[grpc.aio.Channel]) -> DetectResponse:
    def begin(channel: grpc.aio.Channel, seconds: float | None) -> Any:
        return KeypointServiceStub(channel).Detect(DetectRequest(), timeout=seconds)

    answer: DetectResponse = await of.call(begin, Deadline.after(60))
    return answer


def is_out(registry: CollectorRegistry) -> float | None:
    labels = {"service": "keypoint", "state": "out"}
    return registry.get_sample_value("motioncast_backend_replicas", labels)


async def until(condition: Callable[[], bool], of: Replicas[grpc.aio.Channel]) -> None:
    """Makes calls until the condition holds."""
    async with asyncio.timeout(60):
        while not condition():
            await detect(of)


async def test_calls_go_to_replicas_in_turn() -> None:
    first, second = Counted(), Counted()
    async with (
        serving(detect=first.detect) as one,
        serving(detect=second.detect) as other,
        replicas(one.server.address, other.server.address) as (both, _),
    ):
        for _ in range(6):
            await detect(both)
    assert (first.calls, second.calls) == (3, 3)


async def test_while_one_hangs_the_other_answers_and_it_is_taken_back_once_it_is_well() -> None:
    first, second = Counted(), Counted()
    async with AsyncExitStack() as exits:
        one = await exits.enter_async_context(serving(detect=first.detect))
        other = await exits.enter_async_context(serving(detect=second.detect))
        both, _ = await exits.enter_async_context(
            replicas(one.server.address, other.server.address, slow_seconds=SLOW_SECONDS)
        )
        first.goes_on.clear()
        await asyncio.gather(*(detect(both) for _ in range(4)))
        assert second.calls == 4
        first.goes_on.set()  # it passed a health check, so it is used again
        before = first.calls
        await until(lambda: first.calls > before, both)


async def test_a_replica_that_is_gone_is_left_out_and_found_again_at_its_address() -> None:
    async with AsyncExitStack() as exits:
        other = await exits.enter_async_context(serving())
        async with serving() as one:
            both, registry = await exits.enter_async_context(
                replicas(one.server.address, other.server.address)
            )
            port = one.server.port
            await detect(both)
            await detect(both)
        for _ in range(4):
            await detect(both)
        assert is_out(registry) == 1
        async with serving(settings=ServerSettings(port=port)):
            await until(lambda: is_out(registry) == 0, both)


async def test_where_all_are_gone_the_call_fails_long_before_its_deadline() -> None:
    async with serving() as one:
        address = one.server.address
    async with replicas(address) as (none, registry):
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await detect(none)
    assert failed.value.code() is grpc.StatusCode.UNAVAILABLE  # not DEADLINE_EXCEEDED
    assert is_out(registry) == 1  # the metrics show that no replica is left


async def test_the_only_one_is_asked_though_it_is_out_and_is_in_again_once_it_answers() -> None:
    async with AsyncExitStack() as exits:
        async with serving() as one:
            only, registry = await exits.enter_async_context(replicas(one.server.address))
            port = one.server.port
            await detect(only)
        with pytest.raises(grpc.aio.AioRpcError):
            await detect(only)
        assert is_out(registry) == 1
        async with serving(settings=ServerSettings(port=port)):
            await until(lambda: is_out(registry) == 0, only)


async def test_a_question_over_a_closed_channel_proves_nothing() -> None:
    async with serving() as one:
        channel = grpc.aio.insecure_channel(one.server.address)
        assert await SERVICES.alive(channel, None)
        await channel.close()
        assert await SERVICES.alive(channel, None)
    async with grpc.aio.insecure_channel(one.server.address) as gone:
        assert not await SERVICES.alive(gone, None)


async def test_what_a_replica_refuses_is_not_asked_of_another() -> None:
    async def refuse(served: list[int], request: DetectRequest, context: Context) -> DetectResponse:
        served.append(1)
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "no")
        raise AssertionError

    asked: list[int] = []
    async with (
        serving(detect=partial(refuse, asked)) as one,
        serving(detect=partial(refuse, asked)) as other,
        replicas(one.server.address, other.server.address) as (both, _),
    ):
        with pytest.raises(grpc.aio.AioRpcError, match="no"):
            await detect(both)
    assert asked == [1]


async def test_replicas_may_come_and_go() -> None:
    first, second = Counted(), Counted()
    async with (
        serving(detect=first.detect) as one,
        serving(detect=second.detect) as other,
        replicas(one.server.address) as (some, _),
    ):
        await detect(some)
        some.use([other.server.address])
        await detect(some)
        assert some.addresses == [other.server.address]
    assert (first.calls, second.calls) == (1, 1)


def test_a_target_with_commas_names_each() -> None:
    assert listed("a:1, b:2") == ["a:1", "b:2"]
    assert listed("localhost:50051") == ["localhost:50051"]


async def test_a_name_with_dns_is_every_address_that_it_has() -> None:
    found = await resolved("dns:///localhost:50051")
    assert found is not None
    assert "ipv4:127.0.0.1:50051" in found
    assert named("dns:///localhost:50051") == ("localhost", 50051)
    assert await resolved("localhost:50051") is None
    assert await resolved("dns:///nowhere.invalid:1") is None
