"""A stream on which nothing goes on ends, in words, and its place is free again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
from support.tiny_services import Served, serving

from motioncast.serving import Context, ServerSettings, patience
from motioncast.v1.motion_transfer_pb2 import StreamConfig, StreamRequest, StreamResponse

IMPATIENT = ServerSettings(silence_seconds=0.1, stall_seconds=0.2)
HELLO = StreamRequest(config=StreamConfig(model="m"))


async def end_of(served: Served, call: Any) -> str | None:
    """Returns how a call ends that the server has lost patience with; its place is free then."""
    async with asyncio.timeout(10):
        assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await served.until(lambda: served.metric("motioncast_calls_in_flight") == 0)
    details: str | None = await call.details()
    return details


async def test_a_client_that_never_says_anything() -> None:
    async with serving(settings=IMPATIENT) as served:
        details = await end_of(served, served.motion.Stream())
    assert details == "stream: the client said nothing for 0.1 s"


async def test_a_client_that_says_nothing_more() -> None:
    async with serving(settings=IMPATIENT) as served:
        call = served.motion.Stream()
        await call.write(HELLO)
        assert (await call.read()).config.model == "m"
        details = await end_of(served, call)
    assert details == "stream: the client said nothing for 0.1 s"


async def test_a_client_that_takes_nothing_of_what_is_owed() -> None:
    async def flood(
        requests: AsyncIterator[StreamRequest], context: Context
    ) -> AsyncIterator[StreamResponse]:
        patience().owe(1000)
        for _ in range(1000):
            yield StreamResponse(config=StreamConfig(model="m" * 1_000_000))
            patience().settle(1)

    async with serving(stream=flood, settings=IMPATIENT) as served:
        call = served.motion.Stream()
        await served.until(lambda: served.metric("motioncast_calls_in_flight") == 1)
        await served.until(lambda: served.metric("motioncast_calls_in_flight") == 0)
        taken = []
        with contextlib.suppress(grpc.aio.AioRpcError):
            async for response in call:
                taken.append(response)
        assert len(taken) < 1000
        details = await end_of(served, call)
    assert details == "stream: the client took none of what is owed to it for 0.2 s"


async def test_a_client_that_waits_for_what_is_owed_to_it_may_be_silent() -> None:
    served_once = asyncio.Event()

    async def slow(
        requests: AsyncIterator[StreamRequest], context: Context
    ) -> AsyncIterator[StreamResponse]:
        async for request in requests:
            patience().owe(1)
            await served_once.wait()
            patience().settle(1)
            yield StreamResponse(config=request.config)

    settings = ServerSettings(silence_seconds=0.05, stall_seconds=60)
    async with serving(stream=slow, settings=settings) as served:
        waiting, silent = served.motion.Stream(), served.motion.Stream()
        await waiting.write(HELLO)
        await served.until(lambda: served.metric("motioncast_calls_in_flight") == 1)
        assert not waiting.done()  # the silent one has gone, it has not
        served_once.set()
        assert (await waiting.read()).config.model == "m"
        assert await silent.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_a_client_may_be_silent_for_as_long_as_it_said() -> None:
    async def polite(
        requests: AsyncIterator[StreamRequest], context: Context
    ) -> AsyncIterator[StreamResponse]:
        async for request in requests:
            patience().wait_longer(30)
            yield StreamResponse(config=request.config)

    async with serving(stream=polite, settings=IMPATIENT) as served:
        call, silent = served.motion.Stream(), served.motion.Stream()
        await call.write(HELLO)
        await call.read()
        assert await silent.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        again = served.motion.Stream()
        assert await again.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert not call.done()
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF


async def test_a_client_whose_messages_are_not_read_is_not_silent() -> None:
    going_on = asyncio.Event()

    async def busy(
        requests: AsyncIterator[StreamRequest], context: Context
    ) -> AsyncIterator[StreamResponse]:
        async for request in requests:
            await going_on.wait()
            yield StreamResponse(config=request.config)

    settings = ServerSettings(silence_seconds=0.05, stall_seconds=60)
    async with serving(stream=busy, settings=settings) as served:
        call = served.motion.Stream()
        await call.write(HELLO)
        await call.write(HELLO)
        await call.done_writing()
        assert await served.motion.Stream().code() is grpc.StatusCode.DEADLINE_EXCEEDED
        going_on.set()
        assert [one.config.model async for one in call] == ["m", "m"]
