"""Clients that write HTTP/2 by hand and break its rules (docs/limits.md)."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any, TypeAlias

import grpc.aio
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from support import raw_http2
from support.raw_http2 import RawHttp2, frame, message
from support.tiny_services import MOTION_SERVICE, Served, serving

from motioncast.serving import Context, Registration, ServerSettings, patience
from motioncast.serving.server import MAX_METADATA_BYTES
from motioncast.v1.keypoint_pb2 import DetectRequest
from motioncast.v1.motion_transfer_pb2 import StreamConfig, StreamRequest, StreamResponse

Responses: TypeAlias = AsyncIterator[StreamResponse]
CHECK = "/grpc.health.v1.Health/Check"
STREAM = f"/{MOTION_SERVICE}/Stream"
IMPATIENT = ServerSettings(silence_seconds=0.3)
SERVING = HealthCheckResponse.SERVING
REFUSED_STREAM = b"\0\0\0\x07"


async def is_served(served: Served) -> bool:
    """Returns whether another client on its own connection is served."""
    async with grpc.aio.insecure_channel(
        served.server.address, options=[("grpc.use_local_subchannel_pool", 1)]
    ) as channel:
        stub: Any = HealthStub(channel)
        return bool((await stub.Check(HealthCheckRequest(), timeout=30)).status == SERVING)


@contextmanager
def dripping(client: RawHttp2, stream: int) -> Iterator[None]:
    """Sends a message slowly, byte by byte, during the block."""
    ended = threading.Event()

    def drip() -> None:
        with suppress(OSError):
            while not ended.wait(0.02):
                client.send(frame(raw_http2.DATA, 0, stream, b"\0"))

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        (CHECK, b"message: the request did not arrive completely within 0.3 s"),
        (
            "/grpc.health.v1.Health/Watch",
            b"message: the request did not arrive completely within 0.3 s",
        ),
        (STREAM, b"stream: the client sent nothing for 0.3 s"),
    ],
    ids=["one request", "one request, many answers", "a stream"],
)
async def test_a_message_that_comes_in_drops_is_none(path: str, sentence: bytes) -> None:
    def attack(address: str) -> bytes:
        with RawHttp2(address) as client:
            stream = client.call(path)
            client.send(frame(raw_http2.DATA, 0, stream, message(1000)))
            with dripping(client, stream):
                end = raw_http2.END_STREAM
                return client.wait_for(raw_http2.HEADERS, stream, flags=end).payload

    async with serving(settings=IMPATIENT) as served:
        ended = await asyncio.to_thread(attack, served.server.address)
        await served.until(lambda: served.metric("motioncast_calls_in_flight") == 0)
    assert sentence in ended
    assert b"grpc-status\x014" in ended  # DEADLINE_EXCEEDED


async def test_a_call_that_ends_before_its_request_is_told_so() -> None:
    def attack(address: str) -> bytes:
        with RawHttp2(address) as client:
            stream = client.call(CHECK)
            client.send(frame(raw_http2.DATA, raw_http2.END_STREAM, stream))
            return client.wait_for(raw_http2.HEADERS, stream, flags=raw_http2.END_STREAM).payload

    async with serving() as served:
        ended = await asyncio.to_thread(attack, served.server.address)
    assert b"message: the call ended before its request" in ended
    assert b"grpc-status\x013" in ended  # INVALID_ARGUMENT


async def test_pings_are_answered_however_many() -> None:
    # Hanging up costs gRPC more than answering: the cost grows with the square of their number.
    pings = 100_000

    def attack(address: str) -> None:
        with RawHttp2(address) as client:
            for _ in range(pings // 100):
                client.send(frame(raw_http2.PING, 0, 0, bytes(8)) * 100)
            client.send(frame(raw_http2.PING, 0, 0, b"the last"))
            client.wait_for(raw_http2.PING, payload=b"the last", flags=raw_http2.ACK)

    async with serving() as served:
        await asyncio.to_thread(attack, served.server.address)
        assert await is_served(served)


NO_WINDOW = frame(raw_http2.SETTINGS, 0, 0, b"\0\4\0\0\0\0")  # accepts no byte of any response


def asks(client: RawHttp2) -> None:
    """Sends a health check."""
    end = raw_http2.END_STREAM
    client.send(frame(raw_http2.DATA, end, client.call(CHECK), message(0)))


async def test_who_does_not_take_an_answer_is_hung_up_on() -> None:
    def attack(address: str) -> bool:
        with RawHttp2(address) as client:
            client.send(NO_WINDOW)
            asks(client)
            return client.ended.wait(30)

    async with serving(settings=ServerSettings(stall_seconds=0.1)) as served:
        assert await asyncio.to_thread(attack, served.server.address)
        assert await is_served(served)


async def test_so_is_who_takes_neither_frames_nor_the_word_that_it_is_over() -> None:
    async def video(requests: AsyncIterator[StreamRequest], context: Context) -> Responses:
        patience().owe(100)
        for _ in range(100):
            yield StreamResponse(config=StreamConfig(model="m" * 40_000))
            patience().settle(1)

    def attack(address: str) -> bool:
        with RawHttp2(address) as client:  # never opens its window beyond the first 64 KiB
            client.call(STREAM)
            return client.ended.wait(30)

    async with serving(stream=video, settings=ServerSettings(stall_seconds=0.1)) as served:
        assert await asyncio.to_thread(attack, served.server.address)
        await served.until(lambda: served.metric("motioncast_calls_in_flight") == 0)


async def test_not_so_while_another_call_of_the_connection_is_served() -> None:
    def attack(address: str) -> bool:
        with RawHttp2(address) as client:
            watch = client.call("/grpc.health.v1.Health/Watch")
            client.send(frame(raw_http2.DATA, raw_http2.END_STREAM, watch, message(0)))
            client.wait_for(raw_http2.DATA, watch)  # the watch receives one status and continues
            client.send(NO_WINDOW)
            asks(client)
            kept = not client.ended.wait(0.5)
            client.send(frame(raw_http2.RST_STREAM, 0, watch, b"\0\0\0\x08"))
            return kept and client.ended.wait(30)

    async with serving(settings=ServerSettings(stall_seconds=0.1)) as served:
        assert await asyncio.to_thread(attack, served.server.address)


@pytest.mark.parametrize("kind", [raw_http2.PING, raw_http2.SETTINGS])
async def test_answers_that_nobody_reads_are_not_kept_for_ever(kind: int) -> None:
    body = bytes(8) if kind == raw_http2.PING else b"\0\4\0\0\xff\xff"

    def attack(address: str) -> None:
        with RawHttp2(address, reads=False) as client, suppress(OSError):
            for _ in range(1000):
                if client.would_wait():
                    return
                client.send(frame(kind, 0, 0, body) * 100)

    async with serving() as served:
        await asyncio.to_thread(attack, served.server.address)
        assert await is_served(served)


async def test_metadata_without_an_end_is_nobody_elses_matter() -> None:
    def attack(address: str) -> None:
        with RawHttp2(address) as client, suppress(OSError):
            stream = client.next_stream
            client.open_headers(raw_http2.call_headers(CHECK))
            more = raw_http2.field(b"x", MAX_METADATA_BYTES // 8 * b"a") * 14  # one frame
            for _ in range(100):
                client.send(frame(raw_http2.CONTINUATION, 0, stream, more))

    async with serving() as served:
        await asyncio.to_thread(attack, served.server.address)
        assert await is_served(served)


def at_most(calls_per_second: float) -> tuple[Registration, ...]:
    """Returns an extra service that limits the rate of clients' calls."""
    return (Registration(name="", add=lambda _: None, calls_per_second=calls_per_second),)


async def test_calls_beyond_a_peers_share_of_a_second_wait_for_their_turn() -> None:
    async with serving(registrations=at_most(20)) as served:
        began = time.monotonic()
        await asyncio.gather(*(served.keypoints.Detect(DetectRequest()) for _ in range(15)))
        # A burst of five, then one every 1/20 s.
        assert time.monotonic() - began > 10 / 20 - 0.01


async def test_nobody_else_waits_with_them() -> None:
    async with serving(registrations=at_most(1)) as served:
        calls = [asyncio.ensure_future(served.keypoints.Detect(DetectRequest())) for _ in range(15)]
        await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
        assert await is_served(served)
        assert not all(call.done() for call in calls)
        for call in calls:
            call.cancel()


async def test_who_cancels_calls_makes_no_room_for_more() -> None:
    def attack(address: str) -> bytes:
        with RawHttp2(address) as client:
            client.wait_for(raw_http2.SETTINGS, flags=raw_http2.ACK)
            for _ in range(40):
                stream = client.call(STREAM)
                client.send(frame(raw_http2.RST_STREAM, 0, stream, b"\0\0\0\x08"))
            return client.wait_for(raw_http2.RST_STREAM).payload

    settings = ServerSettings(http_port=0, max_concurrent_calls=10)
    async with serving(settings=settings, registrations=at_most(1)) as served:
        assert await asyncio.to_thread(attack, served.server.address) == REFUSED_STREAM
        assert await is_served(served)


async def test_one_peer_has_a_quarter_of_all_calls() -> None:
    settings = replace(IMPATIENT, max_calls=8, silence_seconds=600)
    async with serving(settings=settings) as served:
        streams = [served.motion.Stream() for _ in range(3)]
        with pytest.raises(grpc.aio.AioRpcError, match="the limit per peer is 2") as refused:
            await asyncio.gather(*(stream.read() for stream in streams))
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert await is_served(served)
        for stream in streams:
            stream.cancel()


async def test_who_hangs_up_on_an_answer_is_not_worth_a_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)

    def attack(address: str) -> None:
        with RawHttp2(address) as client:
            client.send(NO_WINDOW)
            for _ in range(20):
                stream = client.call(CHECK)
                client.send(frame(raw_http2.DATA, raw_http2.END_STREAM, stream, message(0)))
            client.wait_for(raw_http2.HEADERS, stream)

    async with serving() as served:
        await asyncio.to_thread(attack, served.server.address)
        await is_served(served)
    assert [one for one in caplog.records if one.exc_info] == []
