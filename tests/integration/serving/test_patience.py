"""An idle stream ends with an error, and its place becomes free."""

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
    """Waits until the server ends an idle call and its place is free; returns the error's text."""
    async with asyncio.timeout(60):
        assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await served.until(lambda: served.metric("motioncast_calls_in_flight") == 0)
    details: str | None = await call.details()
    return details


async def heard(served: Served, hearing: asyncio.Event) -> Any:
    """Returns a stream whose first message, which sets the event, has reached the server.

    Retries if necessary: on a busy machine the message may take longer than the server waits.
    """
    while True:
        call = served.motion.Stream()
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            await call.write(HELLO)
        ends = [asyncio.ensure_future(end) for end in (call.code(), hearing.wait())]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for end in ends:
            end.cancel()
        if hearing.is_set():
            return call


async def test_a_client_that_never_says_anything() -> None:
    async with serving(settings=IMPATIENT) as served:
        details = await end_of(served, served.motion.Stream())
    assert details == "stream: the client sent nothing for 0.1 s"


async def test_a_client_that_says_nothing_more() -> None:
    hearing = asyncio.Event()

    async def echo(
        requests: AsyncIterator[StreamRequest], context: Context
    ) -> AsyncIterator[StreamResponse]:
        async for request in requests:
            hearing.set()
            yield StreamResponse(config=request.config)

    async with serving(stream=echo, settings=IMPATIENT) as served:
        call = await heard(served, hearing)
        assert (await call.read()).config.model == "m"
        details = await end_of(served, call)
    assert details == "stream: the client sent nothing for 0.1 s"


async def test_a_client_that_takes_nothing_of_what_is_owed() -> None:
    over = asyncio.Event()

    async def flood(
        requests: AsyncIterator[StreamRequest], context: Context
    ) -> AsyncIterator[StreamResponse]:
        patience().owe(1000)
        try:
            for _ in range(1000):
                yield StreamResponse(config=StreamConfig(model="m" * 1_000_000))
                patience().settle(1)
        finally:
            over.set()

    async with serving(stream=flood, settings=IMPATIENT) as served:
        call = served.motion.Stream()
        await over.wait()
        taken = []
        with contextlib.suppress(grpc.aio.AioRpcError):
            async for response in call:
                taken.append(response)
        assert len(taken) < 1000
        details = await end_of(served, call)
    assert details == "stream: the client read none of its pending messages for 0.2 s"


async def test_a_client_that_waits_for_what_is_owed_to_it_may_be_silent() -> None:
    hearing, served_once = asyncio.Event(), asyncio.Event()

    async def slow(
        requests: AsyncIterator[StreamRequest], context: Context
    ) -> AsyncIterator[StreamResponse]:
        async for request in requests:
            patience().owe(1)
            hearing.set()
            await served_once.wait()
            patience().settle(1)
            yield StreamResponse(config=request.config)

    settings = ServerSettings(silence_seconds=0.1, stall_seconds=60)
    async with serving(stream=slow, settings=settings) as served:
        waiting = await heard(served, hearing)
        assert await served.motion.Stream().code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert not waiting.done()  # only the silent call has ended
        served_once.set()
        assert (await waiting.read()).config.model == "m"


async def test_a_client_may_be_silent_for_as_long_as_it_said() -> None:
    hearing = asyncio.Event()

    async def polite(
        requests: AsyncIterator[StreamRequest], context: Context
    ) -> AsyncIterator[StreamResponse]:
        async for request in requests:
            patience().wait_longer(30)
            hearing.set()
            yield StreamResponse(config=request.config)

    async with serving(stream=polite, settings=IMPATIENT) as served:
        call = await heard(served, hearing)
        await call.read()
        for _ in "12":
            assert await served.motion.Stream().code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert not call.done()
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF


async def test_a_client_whose_messages_are_not_read_is_not_silent() -> None:
    hearing, going_on = asyncio.Event(), asyncio.Event()

    async def busy(
        requests: AsyncIterator[StreamRequest], context: Context
    ) -> AsyncIterator[StreamResponse]:
        async for request in requests:
            hearing.set()
            await going_on.wait()
            yield StreamResponse(config=request.config)

    settings = ServerSettings(silence_seconds=0.3, stall_seconds=60)
    async with serving(stream=busy, settings=settings) as served:
        call = await heard(served, hearing)
        await call.write(HELLO)
        await call.done_writing()
        assert await served.motion.Stream().code() is grpc.StatusCode.DEADLINE_EXCEEDED
        going_on.set()
        assert [one.config.model async for one in call] == ["m", "m"]
